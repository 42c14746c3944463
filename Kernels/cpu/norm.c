// ../norm.cl for this processor, where nothing depends on the instruction set.
#include "DescentNorm.h"

#pragma clang fp contract(off)

typedef unsigned uint;
#define sqrt __builtin_elementwise_sqrt

static float as_float(uint bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

static uint as_uint(float value) {
  uint bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

#include "../norm.cl"

float descent_norm_downscale(unsigned peak) { return downscale(peak); }

descent_partial descent_norm_fold(const descent_partial *terms, const int *indices, long count,
                                  bool areSquares) {
  uint peak = 0;
  for (long i = 0; i < count; i++) {
    const uint own = terms[indices ? indices[i] : i].peak;
    peak = own > peak ? own : peak;
  }
  const int width =
      fold_width(count < DESCENT_ACCUMULATORS ? (uint)count : DESCENT_ACCUMULATORS);
  pair sums[DESCENT_ACCUMULATORS];
  for (int j = 0; j < width; j++) sums[j] = (pair){0};
  for (long i = 0; i < count; i++) {
    pair *sum = &sums[i % DESCENT_ACCUMULATORS];
    *sum = add_term(*sum, rescaled(terms[indices ? indices[i] : i], peak, areSquares));
  }
  for (int half = width / 2; half > 0; half /= 2)
    for (int j = 0; j < half; j++) sums[j] = add_pair(sums[j], sums[j + half]);
  return (descent_partial){sums[0].high + sums[0].low, peak};
}

float descent_norm_value(descent_partial total, unsigned reduction) {
  return value_of(total, reduction);
}

float descent_norm_coefficient(descent_partial total, descent_clipping settings) {
  return clip_coefficient(total, settings);
}

void descent_decide(descent_control *now, descent_partial total, descent_clipping settings,
                    descent_decision how) {
  decide(now, total, settings, how);
}
