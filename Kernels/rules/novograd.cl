// NovoGrad (Ginsburg et al. 2019, arXiv:1905.11286, algorithm 1)
//
//   v ← β₂ v + (1 − β₂) ‖g‖²             a number for each tensor; ‖g‖² at the first step
//   m ← β₁ m + gain (g / (√(v + εᵣ) + ε) + λ x)
//   x ← x − η m
//
// with a gain of 1, or of 1 − β₁ where gradients are averaged. Between the passes the norm of a
// tensor becomes the denominator.
//
// The same rule in Swift: Sources/Descent/Rules/NovoGrad.swift
#define NOVOGRAD_SUMS 1
#define NOVOGRAD_NUMBERS 2

typedef struct {
  float learningRate, beta1, gain, decay, beta2, oneMinusBeta2, rootEpsilon, epsilon;
} SCALARS;

#if VARIANT & NOVOGRAD_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  term[0] = g;
}
#elif VARIANT & NOVOGRAD_NUMBERS
static void RULE(lanes *own, SCALARS s) {
  lanes *v = own;
  *v = s.beta2 * *v + s.oneMinusBeta2 * (own[1] * own[1]);
  own[1] = sqrt(*v + s.rootEpsilon) + s.epsilon;
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  lanes *m = state;
  lanes d = quotient(s.gain, g, number[1], s.epsilon);
  // A branch, not d + 0 x: that would turn an infinite parameter into a NaN.
  if (s.decay != 0.0f) d = d + s.decay * x;
  *m = s.beta1 * *m + d;
  return s.learningRate * *m;
}
#endif
