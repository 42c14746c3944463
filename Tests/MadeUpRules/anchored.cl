// z, which begins at the parameters: u = η g + pull (x − z);  z ← z − η g. Evaluated at x + f z.
typedef struct {
  float rate, pull;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  lanes *z = state;
  const lanes u = s.rate * g + s.pull * (x - *z);
  *z = *z - s.rate * g;
  return u;
}
