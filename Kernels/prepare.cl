// Everything around a rule that every rule shares. Before it, in the order of the specification:
// scale the gradient (by a loss scale's inverse and a norm's clip; negative to ascend), clip it by
// value, add coupled weight decay. After it: subtract its step, with decoupled weight decay in the
// same subtraction. Every value has a neutral setting that changes no bit.
//
// The same in Swift: Sources/Descent/Rule/Preparation.swift

static void prepare(lanes x, lanes *g, descent_preparation p) {
  *g = p.gradientScale * *g;
  if (p.limit != INFINITY) {
    const lanes most = (lanes)(p.limit), least = (lanes)(-p.limit);
    // NaN fails both comparisons and stays.
    *g = *g > most ? most : *g;
    *g = *g < least ? least : *g;
  }
  // A branch, not g + 0 x: that would turn an infinite parameter into a NaN gradient.
  if (p.coupledDecay != 0.0f) *g = *g + p.coupledDecay * x;
}

// scale · a / b, in this order unless scale · a overflows. It is 0 where b is 0: no gradient so far
// and no ε, or both too small for a Float. A NaN stays.
static lanes quotient(float scale, lanes a, lanes b) {
  const lanes product = scale * a;
  const lanes ratio = (fabs(product) == INFINITY ? a : product) / b;
  return b == 0.0f ? (lanes)(0.0f) : fabs(product) == INFINITY ? scale * ratio : ratio;
}

// x ← x − (u + ηλ x) for a rule's step u; `decoupledDecay` is ηλ. In this order a parameter is
// rounded once a step. x (1 − ηλ) − u would round twice, and drop a decay below 3e-8 altogether.
static lanes stepped(lanes x, lanes u, descent_preparation p) {
  // A branch, as above.
  if (p.decoupledDecay != 0.0f) u = u + p.decoupledDecay * x;
  return x - u;
}
