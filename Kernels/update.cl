// One update of `count` elements by the rule above. A work-group owns one block of GROUP × LANES
// consecutive elements; whether the block is full is the same for all of a group's items. 64-bit
// indices up to the block, 32-bit inside it.
#define BLOCK (GROUP * LANES)

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
#define LOAD_STATE(i) state[i] = LOAD(state##i + start + at);
#define STORE_STATE(i) STORE(state[i], state##i + start + at);
#define LOAD_STATE_PART(i) state[i] = load_part(state##i + start + at, left);
#define STORE_STATE_PART(i) store_part(state[i], state##i + start + at, left);

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void update(
    const ulong count, const preparation p, const scalars s, global float *restrict parameters,
    const ulong parametersOffset, const global float *restrict gradients,
    const ulong gradientsOffset EACH_STATE(ARGUMENT)) {
  const ulong start = (ulong)get_group_id(0) * BLOCK;
  const uint at = (uint)get_local_id(0) * LANES;
  global float *to = parameters + parametersOffset + start + at;
  const global float *from = gradients + gradientsOffset + start + at;
  lanes state[STATES + 1];

  if (count - start >= BLOCK) {
    lanes x = LOAD(to);
    lanes g = LOAD(from);
    EACH_STATE(LOAD_STATE)
    prepare(&x, &g, p);
    rule(&x, g, state, s);
    STORE(x, to);
    EACH_STATE(STORE_STATE)
  } else if (at < (uint)(count - start)) {
    const uint left = (uint)(count - start) - at;
    lanes x = load_part(to, left);
    lanes g = load_part(from, left);
    EACH_STATE(LOAD_STATE_PART)
    prepare(&x, &g, p);
    rule(&x, g, state, s);
    store_part(x, to, left);
    EACH_STATE(STORE_STATE_PART)
  }
}
