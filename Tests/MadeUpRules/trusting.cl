// m ← β m + (1 − β) g;  r ← ½ r + ½ ‖x‖/‖m‖ for each tensor;  u = η r m
#define TRUSTING_SUMS 1
#define TRUSTING_NUMBERS 2

typedef struct {
  float rate, beta, oneMinusBeta;
} SCALARS;

#if VARIANT & TRUSTING_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  state[0] = s.beta * state[0] + s.oneMinusBeta * g;
  term[0] = x;
  term[1] = state[0];
}
#elif VARIANT & TRUSTING_NUMBERS
static void RULE(lanes *own, SCALARS s) {
  const lanes ratio = own[0] / own[1];
  own[2] = 0.5f * own[2] + 0.5f * (own[1] == 0.0f ? (lanes)(1.0f) : ratio);
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  return s.rate * (number[2] * state[0]);
}
#endif
