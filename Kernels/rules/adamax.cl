// AdaMax (Kingma & Ba 2015, arXiv:1412.6980, section 7.1)
//
//   m ← m + (1 − β₁)(g − m)
//   u ← max(β₂ u, |g| + εᵢ)
//   x ← x − η/(1 − β₁ᵗ) · m / (u + ε)
//
// One of εᵢ and ε is 0.
//
// The same rule in Swift: Sources/Descent/Rules/AdaMax.swift
typedef struct {
  float stepSize, oneMinusBeta1, beta2, insideEpsilon, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *u = state + 1;
  *m = *m + s.oneMinusBeta1 * (g - *m);
  const lanes size = (g < 0.0f ? -g : g) + s.insideEpsilon;
  const lanes decayed = s.beta2 * *u;
  // A NaN on either side selects the new size. Where a gradient was NaN, m is, and stays it.
  *u = decayed > size ? decayed : size;
  return quotient(s.stepSize, *m, *u + s.epsilon, s.insideEpsilon + s.epsilon);
}
