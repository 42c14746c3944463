// Adan (Xie et al. 2022, arXiv:2208.06677, algorithm 1, its β written as 1 − β)
//
//   Δ = g − p                        p is the last step's gradient; 0 at the first step
//   m ← β₁ m + (1 − β₁) g
//   d ← β₂ d + (1 − β₂) Δ
//   n ← β₃ n + (1 − β₃) (g + β₂ Δ)²
//   x ← x − η/c₁ (m + β₂ c₁/c₂ d) / (√(n/c₃ + εᵣ) + ε)       cᵢ = 1 − βᵢᵗ
//   p ← g
//
// At the first step `differenceGain`, which is 1 − β₂, and `differenceWeight`, which is β₂, are 0.
// 1/c₃ is inside the root (`correction`) or after it (`rootCorrection`), and 1 in the other place.
//
// The same rule in Swift: Sources/Descent/Rules/Adan.swift
typedef struct {
  float stepSize, beta1, oneMinusBeta1, beta2, differenceGain, differenceWeight, differenceShare,
      beta3, oneMinusBeta3, correction, rootEpsilon, rootCorrection, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *d = state + 1, *n = state + 2, *previous = state + 3;
  const lanes difference = g - *previous;
  *previous = g;
  *m = s.beta1 * *m + s.oneMinusBeta1 * g;
  *d = s.beta2 * *d + s.differenceGain * difference;
  const lanes ahead = g + s.differenceWeight * difference;
  *n = s.beta3 * *n + s.oneMinusBeta3 * ahead * ahead;
  const lanes root = sqrt(*n * s.correction + s.rootEpsilon);
  return quotient(
      s.stepSize, *m + s.differenceShare * *d, root * s.rootCorrection + s.epsilon, s.epsilon);
}
