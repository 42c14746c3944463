// Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1) and AMSGrad (Reddi, Kale & Kumar 2018)
//
//   m ← m + (1 − β₁)(g − m)
//   v ← β₂ v + (1 − β₂) g²           AMSGrad: v̂ ← max(v̂, v) takes the place of v below
//   x ← x − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ) + εᵣ) + ε)
//
// Each way of placing ε is a choice of scalars: the bias correction is applied inside the root
// (`correction`), after it (`rootCorrection`) or in the step size, and is 1 elsewhere.
//
// The same rule in Swift: Sources/Descent/Rules/Adam.swift
#define ADAM_AMSGRAD 1

typedef struct {
  float stepSize, oneMinusBeta1, beta2, oneMinusBeta2, maximumCorrection, correction, rootEpsilon,
      rootCorrection, epsilon;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state, *v = state + 1;
  *m = *m + s.oneMinusBeta1 * (g - *m);
  *v = s.beta2 * *v + s.oneMinusBeta2 * g * g;
  lanes w = *v;
#if VARIANT & ADAM_AMSGRAD
  lanes *maximum = state + 2;
  w = w * s.maximumCorrection;
  // A NaN on either side selects w, which is NaN wherever the maximum has become so.
  *maximum = *maximum > w ? *maximum : w;
  w = *maximum;
#endif
  lanes root = sqrt(w * s.correction + s.rootEpsilon);
  return quotient(s.stepSize, *m, root * s.rootCorrection + s.epsilon, s.epsilon);
}
