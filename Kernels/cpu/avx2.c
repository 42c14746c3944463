// The rules for x86-64 processors with AVX2 and FMA.
#if defined(__x86_64__)
#include <immintrin.h>

#include "DescentKernels.h"

#define LANES 8
#define INSTRUCTIONS avx2
#define HARDWARE_FMA

// Above the attribute, so that any processor can call it.
static bool is_supported(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// Not for stores, for which many processors with no more than AVX2 take longer than a call.
#define FIRST(count) \
  _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define LOAD_PART(from, count) ((lanes)_mm256_maskload_ps(from, FIRST(count)))

// clang-format off
#pragma clang attribute push(__attribute__((target("avx2,fma"), min_vector_width(256))), apply_to = function)
// clang-format on
#include "isa.inc"
#pragma clang attribute pop
#endif
