// Momentum (Polyak 1964) in all its forms: the scalars hold the factors
//
//   b ← γ b + gain g
//   x ← x − rate b
//
// and Nesterov's, which steps along the buffer as it will be (Sutskever et al. 2013)
//
//   x ← x − rate (γ' b + direct g)
//
// With gain = direct = η, rate = 1 and γ' the next step's γ this is the look-ahead method, x its
// look-ahead point.
//
// The same rule in Swift: Sources/Descent/Rules/Momentum.swift
#define MOMENTUM_NESTEROV 1

typedef struct {
  float momentum, gain, nextMomentum, direct, rate;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *b = state;
  *b = s.momentum * *b + s.gain * g;
#if VARIANT & MOMENTUM_NESTEROV
  return s.rate * (s.nextMomentum * *b + s.direct * g);
#else
  return s.rate * *b;
#endif
}
