// NAdam (Dozat 2016): Adam with Nesterov's momentum
//
//   m ← m + (1 − β₁)(g − m)
//   v ← β₂ v + (1 − β₂) g²
//   x ← x − η (μ' m/(1 − P μ') + (1 − μ) g/(1 − P)) / (√(v/(1 − β₂ᵗ)) + ε)
//
// with this step's μ, the next one's μ' and the product P of all μ so far. The scalars hold what
// multiplies m and g, apart from η.
//
// The same rule in Swift: Sources/Descent/Rules/NAdam.swift
typedef struct {
  float learningRate, momentPart, gradientPart, oneMinusBeta1, beta2, oneMinusBeta2,
      rootCorrection, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *v = state + 1;
  *m = *m + s.oneMinusBeta1 * (g - *m);
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  const lanes root = sqrt(*v) * s.rootCorrection + s.epsilon;
  lanes sum = s.gradientPart * g + s.momentPart * *m;
  // Finite where m and g are, as the root may be infinite. A NaN stays.
  sum = sum == INFINITY && g < INFINITY && *m < INFINITY ? (lanes)(0x1.fffffep127f) : sum;
  sum = sum == -INFINITY && g > -INFINITY && *m > -INFINITY ? (lanes)(-0x1.fffffep127f) : sum;
  return quotient(s.learningRate, sum, root, s.epsilon);
}
