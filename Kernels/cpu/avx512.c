// The rules for x86-64 processors with AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>

#include "DescentKernels.h"

#define LANES 16
#define INSTRUCTIONS avx512
#define HARDWARE_FMA
#define VECTORS_PER_ROW 4

// Above the attribute, so that any processor can call it.
static bool is_supported(void) { return __builtin_cpu_supports("avx512f"); }

#define FIRST(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD_PART(from, count) ((lanes)_mm512_maskz_loadu_ps(FIRST(count), from))
#define STORE_PART(value, to, count) _mm512_mask_storeu_ps(to, FIRST(count), (__m512)(value))

// clang-format off
#pragma clang attribute push(__attribute__((target("avx512f"), min_vector_width(512))), apply_to = function)
// clang-format on
#include "isa.inc"
#pragma clang attribute pop
#endif
