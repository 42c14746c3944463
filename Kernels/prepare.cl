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

// scale · a / b for a scale of at least 0 and a b of at least `least`, in this order unless scale ·
// a overflows. It is 0 where b is 0: no gradient so far and no ε, or both too small for a Float. A
// NaN stays.
static lanes quotient(float scale, lanes a, lanes b, float least) {
  const lanes product = scale * a;
  // The same for all elements, and then nothing overflows and b is not 0.
  if (scale <= 1.0f && least > 0.0f) return product / b;
  // Two comparisons: fabs of 16 lanes is a call on PoCL, and costs several times the rule.
  const lanes ratio = (product == INFINITY || product == -INFINITY ? a : product) / b;
  return b == 0.0f ? (lanes)(0.0f)
         : product == INFINITY || product == -INFINITY ? scale * ratio : ratio;
}

// Whether a step does nothing with a gradient but scale it.
static bool is_plain(descent_preparation p) {
  return p.limit == INFINITY && p.coupledDecay == 0.0f;
}

// The same values as constants, for a loop that does not test them.
static descent_preparation plain(descent_preparation p) {
  p.limit = INFINITY;
  p.coupledDecay = 0.0f;
  return p;
}

// x ← x − (u + ηλ x) for a rule's step u; `decoupledDecay` is ηλ. In this order a parameter is
// rounded once a step. x (1 − ηλ) − u would round twice, and drop a decay below 3e-8 altogether.
static lanes stepped(lanes x, lanes u, descent_preparation p) {
  // A branch, as above.
  if (p.decoupledDecay != 0.0f) u = u + p.decoupledDecay * x;
  return x - u;
}
