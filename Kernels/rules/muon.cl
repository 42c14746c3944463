// Muon (Jordan et al. 2024): momentum whose step is orthogonalized, for matrices
//
//   b ← γ b + gain g
//   u = momentGain b + gradientGain g
//   O = the Newton–Schulz iteration over u/(‖u‖ + ε), in place of u: ../matrix.cl
//   x ← x − rate A O
//
// with A = 1, √max(1, h/w), √max(1, w/h) or √max(h, w) for a matrix of h rows and w columns. The
// first pass sums u² over each tensor. Between the passes the norm becomes the divisor, which is 1
// where it would be 0.
//
// The same rule in Swift: Sources/Descent/Rules/Muon.swift
#define MUON_SUMS 1
#define MUON_NUMBERS 2

// `form` is A's, 0 to 3 in the order above.
typedef struct {
  float momentum, gain, momentGain, gradientGain, epsilon, rate, form;
} SCALARS;

#if VARIANT & MUON_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  lanes *b = state, *u = state + 1;
  *b = s.momentum * *b + s.gain * g;
  *u = s.momentGain * *b;
  // A branch, not u + 0 g: that would turn an infinite gradient into a NaN.
  if (s.gradientGain != 0.0f) *u = *u + s.gradientGain * g;
  term[0] = *u;
}
#elif VARIANT & MUON_NUMBERS
static void RULE(lanes *own, SCALARS s) {
  lanes *norm = own, *rate = own + 3;
  const lanes rows = own[1], columns = own[2];
  *norm = *norm + s.epsilon;
  *norm = *norm > 0.0f ? *norm : (lanes)(1.0f);
  lanes ratio = (lanes)(1.0f);
  if (s.form == 1.0f) ratio = rows / columns;
  if (s.form == 2.0f) ratio = columns / rows;
  if (s.form == 3.0f) ratio = rows > columns ? rows : columns;
  *rate = s.rate * sqrt(ratio > 1.0f ? ratio : (lanes)(1.0f));
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  return number[3] * state[1];
}
#endif
