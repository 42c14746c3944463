// ADOPT (Taniguchi et al. 2024, arXiv:2411.02853, algorithm 2)
//
//   ĝ = g / max(√v, ε)               with v as the last step left it
//   ĝ ← ĝ between −c and c           c = (t − 1)^¼; ∞ in algorithm 1
//   m ← m + (1 − β₁)(ĝ − m)
//   v ← β₂ v + (1 − β₂) g²
//   x ← x − η m
//
// The first step only makes v ← g²: c, β₂ and the decay are 0 there, and 1 − β₂ is 1.
//
// The same rule in Swift: Sources/Descent/Rules/ADOPT.swift
typedef struct {
  float learningRate, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, limit, decay;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *v = state + 1;
  const lanes root = sqrt(*v);
  // A NaN stays, here and between the limits.
  const lanes least = root < s.epsilon ? (lanes)(s.epsilon) : root;
  lanes ratio = quotient(1.0f, g, least, s.epsilon);
  ratio = ratio > s.limit ? (lanes)(s.limit) : ratio;
  ratio = ratio < -s.limit ? (lanes)(-s.limit) : ratio;
  *m = *m + s.oneMinusBeta1 * (ratio - *m);
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  lanes step = s.learningRate * *m;
  // A branch, since 0 x is NaN for an infinite x.
  if (s.decay != 0.0f) step = step + s.decay * x;
  return step;
}
