// What a rule file needs, in C for this processor: `lanes`, a vector of LANES floats, and its loads
// and stores. Each instruction set includes this with its own LANES. The same for OpenCL:
// ../lanes.cl
#pragma clang fp contract(off)

typedef unsigned uint;
typedef float lanes __attribute__((ext_vector_type(LANES)));
typedef unsigned words __attribute__((ext_vector_type(LANES)));
typedef unsigned short ushorts __attribute__((ext_vector_type(LANES)));
#define AS_LANES(bits) ((lanes)(bits))
#define AS_WORDS(value) ((words)(value))
#define WIDEN(stored) __builtin_convertvector(stored, words)
#define NARROW(bits) __builtin_convertvector(bits, ushorts)

#define sqrt __builtin_elementwise_sqrt
#undef INFINITY
#define INFINITY __builtin_inff()

// Calls DO with the type of the elements as a constant.
#define WITH_TYPE(type, DO) \
  switch (type) {           \
    case DESCENT_FLOAT16:   \
      DO(DESCENT_FLOAT16);  \
      break;                \
    case DESCENT_BFLOAT16:  \
      DO(DESCENT_BFLOAT16); \
      break;                \
    default:                \
      DO(DESCENT_FLOAT32);  \
  }

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
// Only devices store elements of every type.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-function"
#include "../storage.cl"
#pragma clang diagnostic pop
#include "../beside.cl"

// The elements from `at` on of a vector of a type, which is a constant.
static lanes load_element(const void *from, int type, long at, long count) {
  if (type == DESCENT_FLOAT32) return load((const float *)from + at, count);
  ushorts stored = (ushorts)(0);
  // At any address.
  __builtin_memcpy(&stored, (const char *)from + 2 * at, 2 * (unsigned long)count);
  return decode(stored, (uint)type);
}

static void store_element(lanes value, void *to, int type, long at, long count) {
  const ushorts stored = encode(value, (uint)type);
  __builtin_memcpy((char *)to + 2 * at, &stored, 2 * (unsigned long)count);
}

#include "../prepare.cl"

#pragma clang attribute pop
