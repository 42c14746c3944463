// RMSProp (Hinton 2012), centred (Graves 2013, arXiv:1308.0850), with momentum
//
//   v ← ρ v + (1 − ρ) g²
//   a ← ρ a + (1 − ρ) g              centred: w = v − a², at least 2⁻²⁴ v; otherwise w = v
//   d = gain g / (√(w + εᵣ) + ε)
//   b ← γ b + d                      with momentum; Nesterov's steps along γ b + d
//   x ← x − rate b                   or d, without momentum
//
// v and a are divided by 1 − ρᵗ on reading where the bias is corrected: `correction`, else 1.
//
// The same rule in Swift: Sources/Descent/Rules/RMSProp.swift
#define RMSPROP_CENTERED 1
#define RMSPROP_MOMENTUM 2
#define RMSPROP_NESTEROV 4

typedef struct {
  float decay, oneMinusDecay, correction, rootEpsilon, epsilon, gain, momentum, rate;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *v = state;
  *v = s.decay * *v + s.oneMinusDecay * (g * g);
  lanes w = *v * s.correction;
#if VARIANT & RMSPROP_CENTERED
  lanes *a = state + 1;
  *a = s.decay * *a + s.oneMinusDecay * g;
  lanes mean = *a * s.correction;
  // Where the difference cancels, its roundings are of the size of 2⁻²⁴ w, and it can be negative.
  // A NaN stays.
  const lanes least = 0x1p-24f * w;
  w = w - mean * mean;
  w = w < least ? least : w;
#endif
  lanes d = quotient(s.gain, g, sqrt(w + s.rootEpsilon) + s.epsilon, s.epsilon);
#if VARIANT & RMSPROP_MOMENTUM
  lanes *b = state + STATES - 1;
  *b = s.momentum * *b + d;
#if VARIANT & RMSPROP_NESTEROV
  d = s.momentum * *b + d;
#else
  d = *b;
#endif
#endif
  return s.rate * d;
}
