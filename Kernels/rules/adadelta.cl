// AdaDelta (Zeiler 2012, arXiv:1212.5701, algorithm 1)
//
//   v ← ρ v + (1 − ρ) g²
//   u = √(d + ε) / √(v + ε) · g      with d as the last step left it
//   d ← ρ d + (1 − ρ) u²
//   x ← x − η u
//
// The same rule in Swift: Sources/Descent/Rules/AdaDelta.swift
typedef struct {
  float learningRate, decay, oneMinusDecay, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *v = state, *d = state + 1;
  *v = s.decay * *v + s.oneMinusDecay * (g * g);
  lanes u = sqrt(*d + s.epsilon) / sqrt(*v + s.epsilon) * g;
  *d = s.decay * *d + s.oneMinusDecay * (u * u);
  return s.learningRate * u;
}
