// b ← γ b + g;  u = η P b, with the product P of all past (1 − f/t)
typedef struct {
  float momentum, rate;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *b = state;
  *b = s.momentum * *b + g;
  return s.rate * *b;
}
