// The ceiling's pass, cut into work-groups as Kernels/update.cl cuts an update: a group owns a
// block of GROUP × LANES consecutive elements.
#pragma OPENCL FP_CONTRACT OFF
#define BLOCK (GROUP * LANES)
#define TINY 0x1p-20f

#if LANES == 1
typedef float lanes;
#define LOAD(from) (*(from))
#define STORE(value, to) (*(to) = (value))
#else
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, LANES) lanes;
#define LOAD(from) JOIN(vload, LANES)(0, from)
#define STORE(value, to) JOIN(vstore, LANES)(value, 0, to)
#endif

#if STATES == 0
#define EACH_STATE(DO)
#elif STATES == 1
#define EACH_STATE(DO) DO(0)
#elif STATES == 2
#define EACH_STATE(DO) DO(0) DO(1)
#elif STATES == 3
#define EACH_STATE(DO) DO(0) DO(1) DO(2)
#elif STATES == 4
#define EACH_STATE(DO) DO(0) DO(1) DO(2) DO(3)
#endif

#define ARGUMENT(i) , global float *restrict state##i
#define LOAD_STATE(i) lanes s##i = LOAD(state##i + start + at);
#define STORE_STATE(i) STORE(s##i + TINY, state##i + start + at);
#define ADD_TO_STATE(i) state##i[start + at + lane] += TINY;

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void ceiling(
    const ulong count, global float *restrict parameters,
    const global float *restrict gradients EACH_STATE(ARGUMENT)) {
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const uint at = (uint)get_local_id(0) * LANES;
  global float *to = parameters + start + at;
  const global float *from = gradients + start + at;
  if (count - start >= BLOCK) {
    lanes x = LOAD(to);
    lanes g = LOAD(from);
    EACH_STATE(LOAD_STATE)
    STORE(x + g * TINY, to);
    EACH_STATE(STORE_STATE)
  } else {
    for (uint lane = 0; lane < LANES && start + at + lane < count; lane++) {
      to[lane] = to[lane] + from[lane] * TINY;
      EACH_STATE(ADD_TO_STATE)
    }
  }
}
