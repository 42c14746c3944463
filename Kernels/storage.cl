// Elements of 16 bits in memory, and their values as Floats; in OpenCL C and, through cpu/lanes.h,
// in C. Integers and one addition, rounded to nearest, so that every device has the same bits.
//
// `words` and `ushorts` are vectors of 32 and of 16 unsigned bits, as long as `lanes`.
//
// The same in Swift: Sources/Descent/Vectors/BFloat16.swift, and Swift's own Float16.

// bfloat16 is a Float's upper half.
static lanes from_bfloat16(ushorts stored) { return AS_LANES(WIDEN(stored) << 16); }

// To nearest, ties to even. NaN is 0x7fc0.
static ushorts to_bfloat16(lanes value) {
  const words bits = AS_WORDS(value);
  const words rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return NARROW((bits & 0x7fffffffu) > 0x7f800000u ? (words)(0x7fc0u) : rounded);
}

// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa.
static lanes from_float16(ushorts stored) {
  const words bits = WIDEN(stored);
  const words magnitude = bits & 0x7fffu;
  // Below 2⁻¹⁴, a multiple of 2⁻²⁴.
  const words small = AS_WORDS(AS_LANES(magnitude + 0x3f000000u) - 0.5f);
  const words normal = (magnitude << 13) + 0x38000000u;
  // ∞ and NaN.
  const words special = (magnitude << 13) + 0x70000000u;
  const words value = magnitude < 0x400u ? small : magnitude < 0x7c00u ? normal : special;
  return AS_LANES(value | (bits & 0x8000u) << 16);
}

// To nearest, ties to even; from 65,520 on ∞. NaN is 0x7e00, with the sign.
static ushorts to_float16(lanes value) {
  const words bits = AS_WORDS(value);
  const words magnitude = bits & 0x7fffffffu;
  // Below 2⁻¹⁴ the addition rounds to a multiple of 2⁻²⁴.
  const words small = AS_WORDS(AS_LANES(magnitude) + 0.5f) - 0x3f000000u;
  const words normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  const words finite = magnitude < 0x38800000u ? small : normal;
  const words special = magnitude > 0x7f800000u ? (words)(0x7e00u) : (words)(0x7c00u);
  return NARROW((magnitude < 0x477ff000u ? finite : special) | (bits >> 16 & 0x8000u));
}

// A Float in two halves: a bfloat16, rounded to nearest with ties away from 0, and a remainder, the
// 16 bits with sign by which the Float's bits are more. Every Float comes back, and NaN as
// 0x7fc00000. A remainder that is loaded has its bits in the upper half.
//
// Whoever writes 0 or ∞ as a parameter leaves a remainder that may not belong to it: no Float has a
// negative one beside 0, or a positive one beside ∞. It counts as 0 there.
static lanes joined(lanes upper, lanes remainder) {
  const words bits = AS_WORDS(upper);
  const words more = (AS_WORDS(remainder) >> 16 ^ 0x8000u) - 0x8000u;
  const words magnitude = bits & 0x7fffffffu, isNegative = more >> 31;
  const words belongs = magnitude == 0u            ? 1u - isNegative
                        : magnitude == 0x7f800000u ? isNegative
                                                   : (words)(1u);
  return AS_LANES(bits + (more & (0u - belongs)));
}

static words canonical(lanes value) {
  const words bits = AS_WORDS(value);
  return (bits & 0x7fffffffu) > 0x7f800000u ? (words)(0x7fc00000u) : bits;
}

static lanes upper_half(lanes value) {
  return AS_LANES((canonical(value) + 0x8000u) & 0xffff0000u);
}

static lanes remainder_of(lanes value) { return AS_LANES(canonical(value) << 16); }

// Decode and encode elements of a type of 16 bits.
static lanes decode(ushorts stored, uint type) {
  return type == DESCENT_FLOAT16 ? from_float16(stored) : from_bfloat16(stored);
}

static ushorts encode(lanes value, uint type) {
  return type == DESCENT_REMAINDER ? NARROW(AS_WORDS(value) >> 16)
         : type == DESCENT_FLOAT16 ? to_float16(value)
                                   : to_bfloat16(value);
}
