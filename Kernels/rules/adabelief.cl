// AdaBelief (Zhuang et al. 2020, arXiv:2010.07468, algorithm 2)
//
//   m ← m + (1 − β₁)(g − m)
//   s ← β₂ s + (1 − β₂)(g − m)² + εₛ      with the new m
//   x ← x − η/(1 − β₁ᵗ) · m / (√(s/(1 − β₂ᵗ)) + ε)
//
// Rectified as RAdam, it adds ε to √s, and the step size has the correction. In the first steps,
// which are not divided by the root, `divides` is 0.
//
// The same rule in Swift: Sources/Descent/Rules/AdaBelief.swift
typedef struct {
  float stepSize, oneMinusBeta1, beta2, oneMinusBeta2, stateEpsilon, rootCorrection, epsilon,
      divides;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *variance = state + 1;
  *m = *m + s.oneMinusBeta1 * (g - *m);
  const lanes surprise = g - *m;
  *variance =
      s.beta2 * *variance + s.oneMinusBeta2 * surprise * surprise + s.stateEpsilon;
  // A branch, the same for all elements, so that an infinite s has no part in such a step.
  if (s.divides == 0.0f) return s.stepSize * *m;
  return quotient(
      s.stepSize, *m, sqrt(*variance) * s.rootCorrection + s.epsilon, s.epsilon);
}
