// The rules for x86-64 processors with AVX2; the caller asks descent_supports first.
#if defined(__x86_64__)
#define LANES 8
#define INSTRUCTIONS avx2
#define EACH "../cpu/instantiate.inc"

// clang-format off
#pragma clang attribute push(__attribute__((target("avx2"), min_vector_width(256))), apply_to = function)
// clang-format on
#include "names.h"
#include "lanes.h"
#include "norm.inc"
#include "beside.inc"

#include "../rules/list.inc"
#pragma clang attribute pop
#endif
