// What a rule file needs, in OpenCL C: `lanes`, a vector of LANES floats, and its loads and stores;
// and for storage.cl vectors of as many integers.
// The same for this processor: cpu/lanes.h
#pragma OPENCL FP_CONTRACT OFF

// Vectors of 16 floats are passed between static functions only, so a calling convention that
// depends on AVX-512 affects nothing; PoCL would print the number of such warnings at every build.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#endif

#define RULE rule
#define SCALARS scalars

#if LANES == 1
typedef float lanes;
typedef uint words;
typedef ushort ushorts;
#define LOAD(from) (*(from))
#define STORE(value, to) (*(to) = (value))
#define AS_LANES(bits) as_float(bits)
#define AS_WORDS(value) as_uint(value)
#define WIDEN(stored) ((uint)(stored))
#define NARROW(bits) ((ushort)(bits))
#else
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, LANES) lanes;
typedef JOIN(uint, LANES) words;
typedef JOIN(ushort, LANES) ushorts;
#define LOAD(from) JOIN(vload, LANES)(0, from)
#define STORE(value, to) JOIN(vstore, LANES)(value, 0, to)
#define AS_LANES(bits) JOIN(as_float, LANES)(bits)
#define AS_WORDS(value) JOIN(as_uint, LANES)(value)
#define WIDEN(stored) JOIN(convert_uint, LANES)(stored)
#define NARROW(bits) JOIN(convert_ushort, LANES)(bits)
#endif

// If the compiler does not inline a rule, its states are passed through memory: on PoCL AMSGrad
// then takes five times as long. A kernel pops this before its entry.
#ifdef __clang__
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

// The first `count` of the lanes; the rest is 0 and is not stored.
static lanes load_part(const global float *from, uint count) {
  float values[LANES];
  for (uint lane = 0; lane < LANES; lane++) values[lane] = lane < count ? from[lane] : 0.0f;
  return LOAD(values);
}

static void store_part(lanes value, global float *to, uint count) {
  float values[LANES];
  STORE(value, values);
  for (uint lane = 0; lane < LANES; lane++)
    if (lane < count) to[lane] = values[lane];
}
