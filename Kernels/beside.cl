// Operations fused with the update in one pass over memory: gradient accumulation over several
// batches before it, and parameter averaging (EMA) after it. In OpenCL C and, through cpu/lanes.h,
// in C.
//
// The same in Swift: Sources/Descent/Engines/Reference/ReferenceBeside.swift

// A gradient and the sum of those before it, in the order in which they came.
static lanes accumulated(lanes sum, lanes g) { return sum + g; }

// e ← e + (1 − d)(x − e): the average e of the parameters x follows them; `weight` is 1 − d.
static lanes averaged(lanes average, lanes x, float weight) {
  return average + weight * (x - average);
}
