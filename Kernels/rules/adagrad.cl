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
  return quotient(s.stepSize, g, sqrt(*sum + s.rootEpsilon) + s.epsilon, s.epsilon);
}
