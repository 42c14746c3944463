// The ceiling's in-place pass, divided into work-groups as Kernels/update.cl divides an update.
// This source follows types.h, lanes.cl and states.cl of Kernels.
#define TINY 0x1p-20f

#define ARGUMENT(i) , global float *restrict state##i
#define LOAD_STATE(i) lanes s##i = LOAD(state##i + start + at);
#define STORE_STATE(i) STORE(s##i + TINY, state##i + start + at);
#define ADD_TO_STATE(i) state##i[start + at + lane] += TINY;

#ifdef __clang__
#pragma clang attribute pop
#endif

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
