// LARS (You, Gitman & Ginsburg 2017, arXiv:1708.03888)
//
//   d = g + λ x
//   r = κ ‖x‖ / (‖g‖ + λ‖x‖ + ε)         with the norms of each tensor; 1 if one is 0
//   b ← γ b + gain r d
//   x ← x − rate b                       Nesterov's: rate (γ b + gain r d)
//
// with a gain of 1 and a rate of η, or with a gain of η and a rate of 1. The first pass has x and g
// as terms, or d in its place. Between the passes the norms of a tensor become gain κ‖x‖ and the
// divisor: their quotient may be more than a Float. In LARC's form r ← min(r/η, 1).
//
// The same rule in Swift: Sources/Descent/Rules/LARS.swift
#define LARS_SUMS 1
#define LARS_RATIO 2

typedef struct {
  float momentum, gain, nextMomentum, rate, decay, decayOfTerm, decayOfNorm, epsilon, trust,
      adaptedGain, adapts, clipsRatio, learningRate;
} SCALARS;

#if VARIANT & LARS_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  term[0] = x;
  // A branch, not g + 0 x: that would turn an infinite parameter into a NaN.
  if (s.decayOfTerm != 0.0f) g = g + s.decayOfTerm * x;
  term[1] = g;
}
#elif VARIANT & LARS_RATIO
static void RULE(lanes *own, SCALARS s) {
  const lanes norm = own[0], gradient = own[1];
  lanes divisor = gradient + s.epsilon;
  if (s.decayOfNorm != 0.0f) divisor = gradient + s.decayOfNorm * norm + s.epsilon;
  // From here on 0 means a ratio of 1, also for a NaN norm.
  lanes length = gradient > 0.0f ? norm : (lanes)(0.0f);
  if (s.adapts == 0.0f) length = (lanes)(0.0f);
  if (s.clipsRatio != 0.0f)
    length = s.trust * length > s.learningRate * divisor ? (lanes)(0.0f) : length;
  own[0] = length > 0.0f ? s.adaptedGain * length : (lanes)(s.gain);
  own[1] = length > 0.0f ? divisor : (lanes)(1.0f);
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  lanes *b = state;
  lanes d = g;
  if (s.decay != 0.0f) d = d + s.decay * x;
  d = number[0] * (d / number[1]);
  *b = s.momentum * *b + d;
  if (s.nextMomentum != 0.0f) return s.rate * (s.nextMomentum * *b + d);
  return s.rate * *b;
}
#endif
