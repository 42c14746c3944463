// u = η (g + bend · g x)
typedef struct {
  float rate, bend;
} SCALARS;

static lanes RULE(lanes x, lanes g, lanes *state, SCALARS s) {
  return s.rate * (g + s.bend * (g * x));
}
