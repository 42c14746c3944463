// The sum of a tile by one work-item, for processors: sixteen vectors of sixteen accumulators. A
// group for each tile waits at barriers, which take a processor several times as long as the sums.
//
// The elements are in the address space SPACE, `step` apart, and Floats unless TYPE says otherwise;
// with ACCUMULATED each is added to one of `with`. norm.cl says what is computed.

// As in lanes.cl.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#endif

static float16 part_of(const SPACE ELEMENT *from, uint count, ulong step) {
  ELEMENT values[16];
  for (uint lane = 0; lane < 16; lane++) values[lane] = lane < count ? from[lane * step] : 0;
  return VALUES(vload16(0, values));
}

static float16 sixteen(const SPACE ELEMENT *from, ulong step) {
  return step == 1 ? VALUES(vload16(0, from)) : part_of(from, 16, step);
}

#ifdef ACCUMULATED
static float16 part_of_floats(const SPACE float *from, uint count) {
  float values[16];
  for (uint lane = 0; lane < 16; lane++) values[lane] = lane < count ? from[lane] : 0.0f;
  return vload16(0, values);
}

#define TILE_PARAMETERS const SPACE ELEMENT *from, const SPACE float *with, ulong step
#define WHOLE(at) accumulated(vload16(0, with + (at)), sixteen(from + (at), 1))
#define PART(at, count) \
  accumulated(part_of_floats(with + (at), count), part_of(from + (at), count, 1))
#else
#define TILE_PARAMETERS const SPACE ELEMENT *from, ulong step
#define WHOLE(at) sixteen(from + (ulong)(at) * step, step)
#define PART(at, count) part_of(from + (ulong)(at) * step, count, step)
#endif

static uint16 magnitudes(float16 values) { return as_uint16(values) & 0x7fffffffu; }

static float16 addend(float16 value, bool areSquares) { return areSquares ? value * value : value; }

static descent_partial item_tile(TILE_PARAMETERS, uint count, bool areSquares) {
  uint16 most[4] = {0, 0, 0, 0};
  uint at = 0;
  for (; at + 64 <= count; at += 64)
    for (uint k = 0; k < 4; k++) most[k] = max(most[k], magnitudes(WHOLE(at + 16 * k)));
  for (; at < count; at += 16) most[0] = max(most[0], magnitudes(PART(at, count - at)));
  const uint16 all = max(max(most[0], most[1]), max(most[2], most[3]));
  const uint8 eight = max(all.lo, all.hi);
  const uint4 four = max(eight.lo, eight.hi);
  const uint peak = max(max(four.s0, four.s1), max(four.s2, four.s3));

  const float down = downscale(peak);
  float16 sums[16];
  for (uint k = 0; k < 16; k++) sums[k] = 0.0f;
  for (at = 0; at + 256 <= count; at += 256)
    for (uint k = 0; k < 16; k++) sums[k] = sums[k] + addend(WHOLE(at + 16 * k) * down, areSquares);
  for (uint k = 0; at < count; k++, at += 16)
    sums[k] = sums[k] + addend(PART(at, count - at) * down, areSquares);
  for (uint apart = 8; apart > 0; apart /= 2)
    for (uint k = 0; k < apart; k++) sums[k] = sums[k] + sums[k + apart];
  const float8 s8 = sums[0].lo + sums[0].hi;
  const float4 s4 = s8.lo + s8.hi;
  const float2 s2 = s4.lo + s4.hi;
  const descent_partial result = {s2.x + s2.y, peak};
  return result;
}
