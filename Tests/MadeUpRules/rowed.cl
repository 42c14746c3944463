// R ← β R + Σ g² of each row, C of each column, T ← β T + Σ g of the model, and the greatest |g| of
// each tensor, p;  u = η g / (√R + √C + p + |T| + ε)
#define ROWED_SUMS 1
#define ROWED_LINES 2
#define ROWED_MODEL 4

typedef struct {
  float rate, beta, epsilon;
} SCALARS;

#if VARIANT & ROWED_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  term[0] = g * g;
  term[1] = g * g;
  term[2] = g;
  term[3] = g;
}
#elif VARIANT & ROWED_LINES
static void RULE(lanes *own, const lanes *number, SCALARS s) {
  // With the tensor's greatest and the model's numbers, which are one for all of a tensor's rows.
  own[1] = s.beta * own[1] + own[0] + number[0] * number[0];
}
#elif VARIANT & ROWED_MODEL
static void RULE(lanes *own, SCALARS s) { own[1] = s.beta * own[1] + own[0]; }
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  const lanes row = number[1], column = number[3], peak = number[4], trend = number[6];
  const lanes size = trend < 0.0f ? -trend : trend;
  return s.rate * g / (sqrt(row) + sqrt(column) + peak + size + s.epsilon);
}
#endif
