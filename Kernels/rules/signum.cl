// Signum (Bernstein et al. 2018, arXiv:1802.04434, algorithm 2)
//
//   m ← γ m + (1 − γ) g
//   x ← x − η sign m
//
// and sign SGD, its algorithm 1, which has g in m's place and no state.
//
// An m below 2⁻¹²⁶ is reset to 0, as on a device without denormals: otherwise one that only decays
// would stop at a denormal and move x for ever.
//
// The same rule in Swift: Sources/Descent/Rules/Signum.swift
#define SIGNUM_MOMENTUM 1

typedef struct {
  float learningRate, momentum, oneMinusMomentum;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
#if VARIANT & SIGNUM_MOMENTUM
  const lanes next = s.momentum * *state + s.oneMinusMomentum * g;
  // A NaN stays in m.
  const lanes m = next > -0x1p-126f && next < 0x1p-126f ? (lanes)(0.0f) : next;
  *state = m;
#else
  const lanes m = g;
#endif
  // A NaN selects 0, as PyTorch's sign does.
  return m >= 0x1p-126f ? (lanes)(s.learningRate)
         : m <= -0x1p-126f ? (lanes)(-s.learningRate) : (lanes)(0.0f);
}
