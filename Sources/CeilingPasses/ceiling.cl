// The ceiling's pass, divided into work-groups as Kernels/update.cl divides an update: it updates
// WRITTEN vectors, and reads READ others. This source follows types.h, lanes.cl and states.cl of
// Kernels.
#define TINY 0x1p-20f

#define EACH_WRITTEN(DO) EACH_OF(WRITTEN, DO)
#define EACH_READ(DO) EACH_OF(READ, DO)
#define WRITTEN_ARGUMENT(i) , global float *restrict written##i
#define READ_ARGUMENT(i) , global float *restrict read##i
#define LOAD_READ(i) sum = sum + LOAD(read##i + at);
#define LOAD_WRITTEN(i) lanes w##i = LOAD(written##i + at);
#define STORE_WRITTEN(i) STORE(w##i + (i == 0 ? sum * TINY : (lanes)(TINY)), written##i + at);
#define LOAD_PART(i) sum = sum + load_part(read##i + at, left);
#define ADD_PART(i) \
  store_part(load_part(written##i + at, left) + (i == 0 ? sum * TINY : (lanes)(TINY)), \
             written##i + at, left);

#ifdef __clang__
#pragma clang attribute pop
#endif

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void ceiling(
    const ulong count EACH_WRITTEN(WRITTEN_ARGUMENT) EACH_READ(READ_ARGUMENT)) {
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const ulong at = start + (ulong)get_local_id(0) * LANES;
  lanes sum = (lanes)(0.0f);
  if (count - start >= BLOCK) {
    EACH_READ(LOAD_READ)
    EACH_WRITTEN(LOAD_WRITTEN)
    EACH_WRITTEN(STORE_WRITTEN)
  } else if (at < count) {
    const uint left = count - at < LANES ? (uint)(count - at) : LANES;
    EACH_READ(LOAD_PART)
    EACH_WRITTEN(ADD_PART)
  }
#if WRITTEN == 0
  // Never so, but the compiler must not drop the sum of a pass that only reads.
  float values[LANES];
  STORE(sum, values);
  float total = 0.0f;
  for (uint lane = 0; lane < LANES; lane++) total = total + values[lane];
  if (total == 0x1.234p100f) read0[at] = total;
#endif
}
