// AdEMAMix (Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137, algorithm 1)
//
//   m ← β₁ m + (1 − β₁) g
//   l ← β₃ l + (1 − β₃) g            the slow average; β₃ may grow with the step
//   v ← β₂ v + (1 − β₂) g²
//   x ← x − η/c₁ (m + α c₁ l) / (√(v/c₂ + εᵣ) + ε)           cᵢ = 1 − βᵢᵗ
//
// 1/c₂ is inside the root (`correction`) or after it (`rootCorrection`), and 1 in the other place.
//
// The same rule in Swift: Sources/Descent/Rules/AdEMAMix.swift
typedef struct {
  float stepSize, beta1, oneMinusBeta1, beta3, oneMinusBeta3, beta2, oneMinusBeta2, slowWeight,
      correction, rootEpsilon, rootCorrection, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *slow = state + 1, *v = state + 2;
  *m = s.beta1 * *m + s.oneMinusBeta1 * g;
  *slow = s.beta3 * *slow + s.oneMinusBeta3 * g;
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  const lanes root = sqrt(*v * s.correction + s.rootEpsilon);
  return quotient(
      s.stepSize, *m + s.slowWeight * *slow, root * s.rootCorrection + s.epsilon, s.epsilon);
}
