// Sums of squares that no finite gradient overflows and in which none vanishes, in one order on
// every engine; in OpenCL C and, through cpu/norm.c, in C.
//
// A tile is up to 16,384 elements of one tensor. Its squares are summed in Float by 256
// accumulators: number j adds the elements j, j + 256 …. They are reduced by a halving tree: j adds
// j + 128, then j + 64 …. Before, each element is multiplied by a power of two that follows from
// the tile's greatest magnitude. Partials of tiles, and then of tensors, are summed in the same
// order in pairs of Floats. Sums of the terms themselves, for rules that need them, have the same
// order.
//
// The same in Swift: Sources/Descent/Engines/Reference/ReferenceNorm.swift

#ifdef __OPENCL_VERSION__
#pragma OPENCL FP_CONTRACT OFF
#endif

// The exponent by which magnitudes up to `peak` are scaled; biased, and such that its opposite is
// an exponent too.
static uint scale_of(uint peak) {
  const uint exponent = peak >> 23;
  return exponent < 1 ? 1 : exponent > 253 ? 253 : exponent;
}

// What makes a magnitude of `peak` one from 1 to 4.
static float downscale(uint peak) { return as_float((254 - scale_of(peak)) << 23); }

// `own.sum` as if it had been scaled for the greater `peak`; of terms themselves unless these are
// squares.
static float rescaled(descent_partial own, uint peak, bool areSquares) {
  const uint down = scale_of(peak) - scale_of(own.peak);
  const float ratio = as_float((127 - (down > 126 ? 126 : down)) << 23);
  return areSquares ? own.sum * ratio * ratio : own.sum * ratio;
}

// A sum and what its roundings have lost.
typedef struct {
  float high, low;
} pair;

// TwoSum (Knuth): the sum of two Floats and its exact error.
static pair two_sum(float a, float b) {
  const float sum = a + b;
  const float part = sum - a;
  const pair result = {sum, (a - (sum - part)) + (b - part)};
  return result;
}

static pair add_term(pair sum, float term) {
  pair result = two_sum(sum.high, term);
  result.low = sum.low + result.low;
  return result;
}

static pair add_pair(pair a, pair b) {
  pair result = two_sum(a.high, b.high);
  result.low = (a.low + b.low) + result.low;
  return result;
}

// How many of the accumulators a fold of so many terms needs, as a power of two: the others would
// add zeros, which change no bit.
static uint fold_width(uint count) {
  uint width = 1;
  while (width < count && width < DESCENT_ACCUMULATORS) width = width * 2;
  return width;
}

// a · 2^k, in two factors that are both powers of two.
static float times_power(float a, int k) {
  const int part = k / 2;
  return a * as_float((uint)(127 + part) << 23) * as_float((uint)(127 + k - part) << 23);
}

// What a partial is of its terms: the root of the sum of their squares, their sum, or the greatest
// magnitude. With a term that is not finite the first is the third, and a sum NaN: folds of one
// partial and of several differ there.
static float value_of(descent_partial total, uint reduction) {
  if (reduction == DESCENT_LARGEST) return as_float(total.peak);
  if (total.peak >= 0x7f800000u)
    return as_float(reduction == DESCENT_NORM ? total.peak : 0x7fc00000u);
  const float value = reduction == DESCENT_NORM ? sqrt(total.sum) : total.sum;
  return times_power(value, (int)scale_of(total.peak) - 127);
}

// Whether every scaled element is finite, which the greatest magnitude decides.
static uint is_finite(uint peak, descent_clipping c) {
  const float greatest = as_float(peak) * c.gradientScale;
  return greatest >= -0x1.fffffep127f && greatest <= 0x1.fffffep127f;
}

// min(1, limit / (N + ε)) for the norm N of the scaled gradient; 1 where N is 0.
static float clip_coefficient(descent_partial total, descent_clipping c) {
  const uint scale = as_uint(c.gradientScale) & 0x7fffffffu;
  // N = root · 2^k, with a root that is 0 or no less than 1, but for a denormal scale.
  const float root = sqrt(total.sum) * (as_float(scale) * downscale(scale));
  int k = (int)scale_of(total.peak) - 127 + (int)scale_of(scale) - 127;
  k = k < -250 ? -250 : k > 250 ? 250 : k;
  // For a great N, which may be more than a Float, ε is nothing.
  const float coefficient = k > 90 ? times_power(c.limit / root, -k)
                                   : c.limit / (times_power(root, k) + c.epsilon);
  return coefficient < 1.0f ? coefficient : 1.0f;
}

// Counts a step whose gradient is `total`, or skips it (PyTorch's GradScaler, within bounds).
static void decide(descent_control *now, descent_partial total, descent_clipping c,
                   descent_decision d) {
  now->total = total;
  now->before = now->applied;
  now->inverse = 1.0f / now->lossScale;
  now->scale = c.gradientScale * now->inverse;
  c.gradientScale = now->scale;
  const uint finite = is_finite(total.peak, c);
  now->isSkipped = d.skips && !finite;
  if (now->isSkipped) {
    now->skipped = now->skipped + 1;
  } else {
    now->applied = now->applied + 1;
  }
  if (!finite) {
    const float fallen = now->lossScale * d.backoffFactor;
    now->lossScale = fallen > d.minimum ? fallen : d.minimum;
    now->grown = 0;
  } else if (d.growthInterval != 0) {
    now->grown = now->grown + 1;
    if (now->grown == d.growthInterval) {
      const float grown = now->lossScale * d.growthFactor;
      now->lossScale = grown < d.maximum ? grown : d.maximum;
      now->grown = 0;
    }
  }
}
