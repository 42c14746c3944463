// LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2)
//
//   m ← β₁ m + (1 − β₁) g
//   v ← β₂ v + (1 − β₂) g²
//   u = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) + λ x
//   x ← x − η ‖x‖/‖u‖ u                  with the norms of each tensor; 1 for ‖x‖/‖u‖ if one is 0
//
// in two passes over the elements: the first updates m and v and has x and u as terms, the second
// computes u again by the same operations. Between them the norms of a tensor become the two
// factors of its step, η‖x‖ and 1/‖u‖: their product may be more than a Float.
//
// With a greatest gradient norm G a pass before these sums g², and g ← min(1, G/‖g‖) g.
//
// The same rule in Swift: Sources/Descent/Rules/LAMB.swift
#define LAMB_MOMENTS 1
#define LAMB_RATIO 2
#define LAMB_CLIPPED 4
#define LAMB_NORM 8

typedef struct {
  float learningRate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, correction, rootCorrection,
      epsilon, decay, shrinkage, adapts, clipsRatio, maximumGradientNorm;
} SCALARS;

#if VARIANT & LAMB_NORM
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  term[0] = g;
}
#elif VARIANT & LAMB_MOMENTS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  lanes *m = state, *v = state + 1;
#if VARIANT & LAMB_CLIPPED
  // A NaN norm leaves the gradient.
  g = number[2] > s.maximumGradientNorm ? s.maximumGradientNorm / number[2] * g : g;
#endif
  *m = s.beta1 * *m + s.oneMinusBeta1 * g;
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  lanes u = quotient(s.correction, *m, sqrt(*v) * s.rootCorrection + s.epsilon, s.epsilon);
  // A branch, not u + 0 x: that would turn an infinite parameter into a NaN.
  if (s.decay != 0.0f) u = u + s.decay * x;
  // Finite, so that the norm has a reciprocal. A NaN stays.
  u = u > 0x1.fffffep127f ? (lanes)(0x1.fffffep127f) : u;
  u = u < -0x1.fffffep127f ? (lanes)(-0x1.fffffep127f) : u;
  term[0] = x;
  term[1] = u;
}
#elif VARIANT & LAMB_RATIO
#if VARIANT & LAMB_CLIPPED
static void RULE(lanes *own, const lanes *number, SCALARS s) {
#else
static void RULE(lanes *own, SCALARS s) {
#endif
  const lanes norm = own[1];
  // What a decoupled decay leaves of ‖x‖. From here on 0 means a ratio of 1, also for a NaN norm.
  lanes length = s.shrinkage * own[0];
  length = norm > 0.0f ? length : (lanes)(0.0f);
  if (s.adapts == 0.0f) length = (lanes)(0.0f);
  if (s.clipsRatio != 0.0f) length = length > norm ? (lanes)(0.0f) : length;
  own[0] = s.learningRate * (length > 0.0f ? length : (lanes)(1.0f));
  own[1] = length > 0.0f ? norm : (lanes)(1.0f);
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  const lanes root = sqrt(state[1]);
  lanes u = quotient(s.correction, state[0], root * s.rootCorrection + s.epsilon, s.epsilon);
  if (s.decay != 0.0f) u = u + s.decay * x;
  u = u > 0x1.fffffep127f ? (lanes)(0x1.fffffep127f) : u;
  u = u < -0x1.fffffep127f ? (lanes)(-0x1.fffffep127f) : u;
  return number[0] * (u / number[1]);
}
#endif
