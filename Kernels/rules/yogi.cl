// Yogi (Zaheer et al. 2018)
//
//   m ← m + (1 − β₁)(g − m)
//   v ← v − (1 − β₂) sign(v − g²) g²
//   x ← x − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ)) + ε)
//
// The same rule in Swift: Sources/Descent/Rules/Yogi.swift
typedef struct {
  float stepSize, oneMinusBeta1, oneMinusBeta2, rootCorrection, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *v = state + 1;
  *m = *m + s.oneMinusBeta1 * (g - *m);
  const lanes square = g * g;
  // The sign of a NaN is 0, as PyTorch has it; its product with the square is NaN, so v becomes it.
  const lanes side = *v > square   ? (lanes)(1.0f)
                     : *v < square ? (lanes)(-1.0f)
                                   : (lanes)(0.0f);
  *v = *v - side * (s.oneMinusBeta2 * square);
  return quotient(s.stepSize, *m, sqrt(*v) * s.rootCorrection + s.epsilon, s.epsilon);
}
