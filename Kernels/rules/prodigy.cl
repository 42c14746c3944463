// Prodigy (Mishchenko & Defazio 2024, arXiv:2306.06101, algorithm 4)
//
//   δ = D η B                            B corrects the bias, or is 1
//   r ← β₃ r + D/D₀ Σ δ g (x₀ − x)
//   s ← β₃ s + D/D₀ δ g                  for a safe warm-up D in place of δ
//   m ← β₁ m + (1 − β₁) D g
//   v ← β₂ v + (1 − β₂) (D g)²
//   D ← max(D, c r/‖s‖₁)
//   x ← x − δ (m / (√v + D ε) + λ x)     with the D before in δ
//
// The first pass updates s, m and v, with the terms of both sums. D and r are numbers of the model.
// Where s is 0 everywhere, nothing moves.
//
// The same rule in Swift: Sources/Descent/Rules/Prodigy.swift
#define PRODIGY_SUMS 1
#define PRODIGY_NUMBERS 2

typedef struct {
  float rate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, beta3, gain, inverseScale, coefficient,
      epsilon, decay;
} SCALARS;

#if VARIANT & PRODIGY_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  lanes *m = state + 1, *v = state + 2, *sum = state + 3;
  const lanes d = number[0], scaled = d * g;
  *m = s.beta1 * *m + s.oneMinusBeta1 * scaled;
  *v = s.beta2 * *v + s.oneMinusBeta2 * scaled * scaled;
  *sum = s.beta3 * *sum + s.gain * d * scaled;
  term[0] = s.rate * (g * (state[0] - x));
  // A NaN stays.
  term[1] = *sum < 0.0f ? -*sum : *sum;
}
#elif VARIANT & PRODIGY_NUMBERS
static void RULE(lanes *own, SCALARS s) {
  const lanes d = own[0], norm = own[3];
  own[1] = s.beta3 * own[1] + s.inverseScale * d * (d * own[2]);
  const lanes estimate = s.coefficient * own[1] / norm;
  // A NaN on either side leaves D.
  own[0] = norm > 0.0f ? (estimate > d ? estimate : d) : d;
  // In place of the first sum: D of this step.
  own[2] = norm > 0.0f ? d : (lanes)(0.0f);
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  const lanes m = state[1], delta = s.rate * number[2];
  const lanes root = sqrt(state[2]) + s.epsilon * number[0];
  // As `quotient`, with a scale that is a number of the model.
  const lanes product = delta * m;
  const lanes ratio = (product == INFINITY || product == -INFINITY ? m : product) / root;
  lanes u = root == 0.0f ? (lanes)(0.0f)
            : product == INFINITY || product == -INFINITY ? delta * ratio : ratio;
  // A branch, not u + 0 x: that would turn an infinite parameter into a NaN.
  if (s.decay != 0.0f) u = u + s.decay * delta * x;
  return u;
}
#endif
