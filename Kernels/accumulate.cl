// Adds a gradient to the accumulated sum that the next step uses, or starts that sum with it. A
// work-group owns one block, as in update.cl; with ZEROING the gradient is 0 afterwards.

// A gradient is read, and with ZEROING also written.
#ifdef ZEROING
#define GRADIENT global uchar
#define ZERO(at) store_element((lanes)(0.0f), at, TYPE)
#define ZERO_PART(at, left) store_element_part((lanes)(0.0f), at, TYPE, left)
#else
#define GRADIENT const global uchar
#define ZERO(at)
#define ZERO_PART(at, left)
#endif

#ifdef __clang__
#pragma clang attribute pop
#endif

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void accumulate(
    const global descent_block *restrict blocks, const uint begins, GRADIENT *restrict gradients,
    const ulong gradientsOffset, global float *restrict sums, const ulong sumsOffset) {
  const uint inside = (uint)get_local_id(0) * LANES;
  const descent_block own = blocks[get_group_id(0)];
  const ulong at = own.start + inside;
  GRADIENT *from = gradients + ELEMENT_SIZE(TYPE) * (gradientsOffset + at);
  global float *to = sums + sumsOffset + at;
  if (inside + LANES <= own.count) {
    const lanes g = load_element(from, TYPE);
    STORE(begins ? g : accumulated(LOAD(to), g), to);
    ZERO(from);
  } else if (inside < own.count) {
    const uint left = own.count - inside;
    const lanes g = load_element_part(from, TYPE, left);
    store_part(begins ? g : accumulated(load_part(to, left), g), to, left);
    ZERO_PART(from, left);
  }
}
