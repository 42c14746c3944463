// The rules for x86-64 processors with AVX-512; the caller asks descent_supports first.
#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16
#define INSTRUCTIONS avx512
#define EACH "../cpu/instantiate.inc"

#define FIRST(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD_PART(from, count) ((lanes)_mm512_maskz_loadu_ps(FIRST(count), from))
#define STORE_PART(value, to, count) _mm512_mask_storeu_ps(to, FIRST(count), (__m512)(value))

// clang-format off
#pragma clang attribute push(__attribute__((target("avx512f"), min_vector_width(512))), apply_to = function)
// clang-format on
#include "names.h"
#include "lanes.h"
#include "norm.inc"
#include "beside.inc"

#include "../rules/list.inc"
#pragma clang attribute pop
#endif
