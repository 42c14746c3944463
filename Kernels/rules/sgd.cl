// Stochastic gradient descent (Robbins & Monro 1951)
//
//   x ← x − η g
//
// The same rule in Swift: Sources/Descent/Rules/SGD.swift
typedef struct {
  float learningRate;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  return s.learningRate * g;
}
