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

_Static_assert(sizeof(partial) == sizeof(descent_partial) &&
                   sizeof(clipping) == sizeof(descent_clipping) &&
                   sizeof(decision) == sizeof(descent_decision) &&
                   sizeof(control) == sizeof(descent_control),
               "structures that devices and this processor declare alike");

float descent_norm_downscale(unsigned peak) { return downscale(peak); }

static partial term(const descent_partial *terms, const int *indices, long i) {
  const descent_partial own = terms[indices ? indices[i] : i];
  return (partial){own.sum, own.peak};
}

descent_partial descent_norm_fold(const descent_partial *terms, const int *indices, long count) {
  uint peak = 0;
  for (long i = 0; i < count; i++) {
    const uint own = term(terms, indices, i).peak;
    peak = own > peak ? own : peak;
  }
  const int width = fold_width(count < 256 ? (uint)count : 256);
  pair sums[256];
  for (int j = 0; j < width; j++) sums[j] = (pair){0};
  for (long i = 0; i < count; i++)
    sums[i % 256] = add_term(sums[i % 256], rescaled(term(terms, indices, i), peak));
  for (int half = width / 2; half > 0; half /= 2)
    for (int j = 0; j < half; j++) sums[j] = add_pair(sums[j], sums[j + half]);
  return (descent_partial){sums[0].high + sums[0].low, peak};
}

float descent_norm_coefficient(descent_partial total, descent_clipping settings) {
  const clipping c = {settings.gradientScale, settings.limit, settings.epsilon};
  return clip_coefficient((partial){total.sum, total.peak}, c);
}

void descent_decide(descent_control *now, descent_partial total, descent_clipping settings,
                    descent_decision how) {
  const clipping c = {settings.gradientScale, settings.limit, settings.epsilon};
  const decision d = {how.growthFactor, how.backoffFactor,   how.minimum,
                      how.maximum,      how.growthInterval, how.skips};
  control state;
  __builtin_memcpy(&state, now, sizeof state);
  decide(&state, (partial){total.sum, total.peak}, c, d);
  __builtin_memcpy(now, &state, sizeof state);
}
