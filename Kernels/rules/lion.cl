// Lion (Chen et al. 2023, arXiv:2302.06675, program 1)
//
//   c = β₁ m + (1 − β₁) g            with m as the last step left it
//   m ← β₂ m + (1 − β₂) g
//   x ← x − η sign c
//
// A c or an m below 2⁻¹²⁶ counts as 0, as on a device without denormals: otherwise an m that only
// decays would stop at a denormal and move x for ever.
//
// The same rule in Swift: Sources/Descent/Rules/Lion.swift
typedef struct {
  float learningRate, beta1, oneMinusBeta1, beta2, oneMinusBeta2;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *m = state;
  const lanes c = s.beta1 * *m + s.oneMinusBeta1 * g;
  const lanes next = s.beta2 * *m + s.oneMinusBeta2 * g;
  // A NaN stays in m.
  *m = next > -0x1p-126f && next < 0x1p-126f ? (lanes)(0.0f) : next;
  // A NaN selects 0, as PyTorch's sign does.
  return c >= 0x1p-126f ? (lanes)(s.learningRate)
         : c <= -0x1p-126f ? (lanes)(-s.learningRate) : (lanes)(0.0f);
}
