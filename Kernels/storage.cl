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

// Decode and encode elements of a type of 16 bits.
static lanes decode(ushorts stored, uint type) {
  return type == DESCENT_FLOAT16 ? from_float16(stored) : from_bfloat16(stored);
}

static ushorts encode(lanes value, uint type) {
  return type == DESCENT_FLOAT16 ? to_float16(value) : to_bfloat16(value);
}
