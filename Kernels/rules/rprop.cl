// Rprop without back-tracking (Riedmiller & Braun 1993): each element has a step of its own
//
//   a = sign(g) sign(g')                  with the last gradient g'
//   d ← d η⁺ where a > 0, d η⁻ where a < 0, and no less than the least, no more than the greatest
//   g ← 0 where a < 0
//   x ← x − sign(g) d;   g' ← g
//
// A d of 0 is set to η first. The sign of a number below 2⁻¹²⁶ is 0, since some devices flush it to
// 0; the sign of NaN is 0, as in PyTorch.
//
// The same rule in Swift: Sources/Descent/Rules/Rprop.swift
typedef struct {
  float firstStep, decreaseFactor, increaseFactor, minimumStep, maximumStep;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *last = state, *step = state + 1;
  const lanes none = (lanes)(0.0f), up = (lanes)(1.0f), down = (lanes)(-1.0f);
  const lanes side = g >= 0x1p-126f ? up : g <= -0x1p-126f ? down : none;
  const lanes agreement = side * (*last >= 0x1p-126f ? up : *last <= -0x1p-126f ? down : none);
  const lanes grown = (lanes)(s.increaseFactor), shrunk = (lanes)(s.decreaseFactor);
  const lanes least = (lanes)(s.minimumStep), most = (lanes)(s.maximumStep);
  lanes d = *step == 0.0f ? (lanes)(s.firstStep) : *step;
  d = d * (agreement > 0.0f ? grown : agreement < 0.0f ? shrunk : up);
  // A NaN stays.
  d = d < least ? least : d;
  d = d > most ? most : d;
  *step = d;
  *last = agreement >= 0.0f ? g : none;
  return agreement >= 0.0f ? side * d : none;
}
