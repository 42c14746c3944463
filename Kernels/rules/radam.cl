// RAdam (Liu et al. 2020, arXiv:1908.03265, algorithm 2): Adam with its early steps rectified
//
//   m ← β₁ m + (1 − β₁) g
//   v ← β₂ v + (1 − β₂) g²
//   x ← x − η r/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ) + εᵣ) + ε)     once there are steps enough
//   x ← x − η/(1 − β₁ᵗ) · m                                     before: `divides` is 0
//
// The places of ε are choices of scalars, as in adam.cl. m is written as in Optax: where m is not
// divided its roundings show, and these are half of those of m + (1 − β₁)(g − m), as measured.
//
// The same rule in Swift: Sources/Descent/Rules/RAdam.swift
typedef struct {
  float stepSize, beta1, oneMinusBeta1, beta2, oneMinusBeta2, correction, rootEpsilon,
      rootCorrection, epsilon, divides;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *v = state + 1;
  *m = s.beta1 * *m + s.oneMinusBeta1 * g;
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  // A branch, the same for all elements, so that an infinite v has no part in such a step.
  if (s.divides == 0.0f) return s.stepSize * *m;
  const lanes root = sqrt(*v * s.correction + s.rootEpsilon);
  return quotient(s.stepSize, *m, root * s.rootCorrection + s.epsilon, s.epsilon);
}
