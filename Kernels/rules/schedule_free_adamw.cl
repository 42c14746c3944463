// Schedule-Free AdamW (Defazio et al. 2024, arXiv:2405.15682, algorithm 1)
//
//   v ← β₂ v + (1 − β₂) g²
//   u = g / (√(v/c₂) + ε) + λ y      c₂ = 1 − β₂ᵗ
//   y ← y − (C (y − z) + η (1 − β₁ (1 − C)) u)
//   z ← z − η u
//
// The parameters are y, where the gradients are taken; C is the weight of this step in the average.
// That average is x = y + (1 − β₁)/β₁ · (y − z), and is not stored.
//
// The same rule in Swift: Sources/Descent/Rules/ScheduleFreeAdamW.swift
typedef struct {
  float weight, stepSize, rate, beta2, oneMinusBeta2, rootCorrection, epsilon, weightDecay;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *z = state, *v = state + 1;
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  lanes u = quotient(1.0f, g, sqrt(*v) * s.rootCorrection + s.epsilon, s.epsilon);
  // A branch, since 0 x is NaN for an infinite x.
  if (s.weightDecay != 0.0f) u = u + s.weightDecay * x;
  const lanes step = s.weight * (x - *z) + s.stepSize * u;
  *z = *z - s.rate * u;
  return step;
}
