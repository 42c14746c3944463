// What a rule file needs, in C for this processor: `lanes`, a vector of LANES floats, and its loads
// and stores. Each instruction set includes this with its own LANES. The same for OpenCL:
// ../lanes.cl
#pragma clang fp contract(off)

typedef float lanes __attribute__((ext_vector_type(LANES)));

#define sqrt __builtin_elementwise_sqrt
#undef INFINITY
#define INFINITY __builtin_inff()

#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)

// The first `count` of the lanes; the rest is 0. A constant `count` of LANES is one load. LOAD_PART
// and STORE_PART are what an instruction set has for fewer, which otherwise is a call.
static lanes load(const float *from, long count) {
#ifdef LOAD_PART
  if (count != LANES) return LOAD_PART(from, count);
#endif
  lanes value = (lanes)(0.0f);
  __builtin_memcpy(&value, from, (unsigned long)count * sizeof(float));
  return value;
}

static void store(lanes value, float *to, long count) {
#ifdef STORE_PART
  if (count != LANES) {
    STORE_PART(value, to, count);
    return;
  }
#endif
  __builtin_memcpy(to, &value, (unsigned long)count * sizeof(float));
}

#include "../types.h"
#include "../beside.cl"
#include "../prepare.cl"

#pragma clang attribute pop
