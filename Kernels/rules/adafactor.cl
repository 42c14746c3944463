// Adafactor (Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5)
//
//   q = g², or g² + ε₁                   w = t^c, the weight of what is new
//   R ← (1 − w) R + w mean of q          for each row; C for each column, μ for the whole tensor
//   V = R C / μ                          for a vector, which is one row, V = C
//   u = g / √V
//   x ← x − ρ max(ε₂, rms(x)) / max(1, rms(u)/d) u
//
// with floors of ε₁ under μ and of ε₁² under V where ε₁ is not added. The first pass has q as terms
// for rows, columns and tensors. Passes over these numbers then update R, C and μ, and leave R/μ in
// place of the rows' sums. The next pass has u and x as terms, from whose norms a tensor's rate
// follows, and the last one computes u again by the same operations.
//
// The same rule in Swift: Sources/Descent/Rules/Adafactor.swift
#define ADAFACTOR_SUMS 1
#define ADAFACTOR_MEAN 2
#define ADAFACTOR_ROWS 4
#define ADAFACTOR_COLUMNS 8
#define ADAFACTOR_UPDATES 16
#define ADAFACTOR_RATE 32

typedef struct {
  float keep, weight, added, leastMean, leastSquare, least, threshold, leastScale, rate;
} SCALARS;

// Numbers: R, R/μ; C, the columns' sums; μ, the tensor's sum and then the divisor of rows and the
// rate, ‖x‖, and how many rows and columns there are.
#if VARIANT & ADAFACTOR_SUMS
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  term[0] = g * g + s.added;
}
#elif VARIANT & ADAFACTOR_MEAN
static void RULE(lanes *own, SCALARS s) {
  own[0] = s.keep * own[0] + s.weight * (own[1] / (own[3] * own[4]));
  // A NaN stays.
  own[1] = own[0] < s.leastMean ? (lanes)(s.leastMean) : own[0];
}
#elif VARIANT & ADAFACTOR_ROWS
static void RULE(lanes *own, const lanes *number, SCALARS s) {
  own[0] = s.keep * own[0] + s.weight * (own[1] / number[4]);
  const lanes ratio = quotient(1.0f, own[0], number[1], s.leastMean);
  own[1] = number[3] == 1.0f ? (lanes)(1.0f) : ratio;
}
#elif VARIANT & ADAFACTOR_COLUMNS
static void RULE(lanes *own, const lanes *number, SCALARS s) {
  own[0] = s.keep * own[0] + s.weight * (own[1] / number[3]);
}
#elif VARIANT & ADAFACTOR_UPDATES
static void RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s, lanes *term) {
  lanes square = number[1] * number[2];
  square = square < s.leastSquare ? (lanes)(s.leastSquare) : square;
  term[0] = quotient(1.0f, g, sqrt(square), s.least);
  term[1] = x;
}
#elif VARIANT & ADAFACTOR_RATE
static void RULE(lanes *own, SCALARS s) {
  const lanes root = sqrt(own[3] * own[4]);
  const lanes excess = own[1] / root / s.threshold;
  lanes scale = own[2] / root;
  // A NaN stays in both.
  scale = scale < s.leastScale ? (lanes)(s.leastScale) : scale;
  own[1] = s.rate * scale / (excess < 1.0f ? (lanes)(1.0f) : excess);
}
#else
static lanes RULE(lanes x, lanes g, lanes *state, const lanes *number, SCALARS s) {
  lanes square = number[1] * number[2];
  square = square < s.leastSquare ? (lanes)(s.leastSquare) : square;
  return number[5] * quotient(1.0f, g, sqrt(square), s.least);
}
#endif
