// What happens to a gradient and a parameter before any rule sees them, in the order of the
// specification: scale (a loss scale's inverse, a norm's clip; negative to climb), clip by value, then
// weight decay. Every value has a neutral setting that leaves all bits alone.
//
// The same in Swift: Sources/Descent/Rules/Preparation.swift
typedef struct {
  float gradientScale, limit, coupledDecay, shrink;
} preparation;

static void prepare(lanes *x, lanes *g, preparation p) {
  *g = p.gradientScale * *g;
  if (p.limit != INFINITY) {
    const lanes most = (lanes)(p.limit), least = (lanes)(-p.limit);
    // NaN fails both comparisons and stays.
    *g = *g > most ? most : *g;
    *g = *g < least ? least : *g;
  }
  // A branch, not g + 0 x: that would turn an infinite parameter into a NaN gradient.
  if (p.coupledDecay != 0.0f) *g = *g + p.coupledDecay * *x;
  *x = p.shrink * *x;
}
