// AdaGrad (Duchi, Hazan & Singer 2011)
//
//   s ← s + g²
//   x ← x − η g / (√(s + εᵣ) + ε)
//
// The same rule in Swift: Sources/Descent/Rules/AdaGrad.swift
typedef struct {
  float stepSize, rootEpsilon, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *sum = state;
  *sum = *sum + g * g;
  lanes denominator = sqrt(*sum + s.rootEpsilon) + s.epsilon;
  // Nothing but zero gradients so far and no ε: the step is 0, not 0/0. A NaN selects the division.
  return denominator == 0.0f ? (lanes)(0.0f) : s.stepSize * g / denominator;
}
