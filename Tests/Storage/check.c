// Every number of 16 bits as the Float that it is, and every Float rounded to 16 bits, as the
// kernels convert them (Kernels/storage.cl), against the compiler's own conversions; and every
// Float as two halves. With an argument n only every n-th Float.
//
//   clang -O2 -DLANES=4 -Wno-unused-function -I Kernels Tests/Storage/check.c -o check && ./check
//
// All Floats take less than a minute; Scripts/check-c.sh takes every 101st.
#include <stdbool.h>

#include "../bits.h"
#include "cpu/lanes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// IEEE 754 binary16, by the compiler.
static uint16_t float16_bits(float value) {
  const _Float16 rounded = (_Float16)value;
  uint16_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  return bits;
}

static float float16_value(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, sizeof value);
  return (float)value;
}

// The nearest of the two neighbours among a Float's upper halves, in Double; on a tie the even one.
static uint16_t bfloat16_bits(float value) {
  const uint32_t down = to_bits(value) & 0xffff0000u, up = down + 0x10000u;
  const double low = from_bits(down), exact = value;
  // Above the greatest finite number the next one would be 2¹²⁸.
  const double high = (up & 0x7fffffffu) == 0x7f800000u ? (value < 0 ? -0x1p128 : 0x1p128)
                                                        : from_bits(up);
  const double below = exact - low < 0 ? low - exact : exact - low;
  const double above = high - exact < 0 ? exact - high : high - exact;
  if (below != above) return (below < above ? down : up) >> 16;
  return (down >> 16 & 1 ? up : down) >> 16;
}

// The same with ties away from 0.
static uint16_t half_away(float value) {
  const uint32_t bits = to_bits(value);
  return (bits & 0xffff) == 0x8000 ? (bits >> 16) + 1 : bfloat16_bits(value);
}

static long wrong;

static void expect(int holds, const char *what, uint32_t bits, uint32_t found) {
  if (holds) return;
  if (wrong++ < 10) fprintf(stderr, "%s of %08x: %08x\n", what, bits, found);
}

int main(int argc, char **argv) {
  const uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  for (uint32_t first = 0; first < 0x10000; first += LANES) {
    ushorts stored;
    for (int i = 0; i < LANES; i++) stored[i] = (unsigned short)(first + i);
    const lanes wide = from_float16(stored), own = from_bfloat16(stored);
    for (int i = 0; i < LANES; i++) {
      const float value = float16_value(stored[i]);
      const uint32_t found = to_bits(wide[i]);
      expect(value != value ? wide[i] != wide[i] : found == to_bits(value), "float16", stored[i],
             found);
      expect(to_bits(own[i]) == (uint32_t)stored[i] << 16, "bfloat16", stored[i], to_bits(own[i]));
    }
  }
  uint64_t checked = 0;
  for (uint64_t first = 0; first < 1ull << 32; first += step * LANES) {
    words bits;
    for (int i = 0; i < LANES; i++) bits[i] = (uint32_t)(first + i * step);
    const lanes values = AS_LANES(bits);
    const ushorts small = to_float16(values), upper = to_bfloat16(values);
    // Through memory, as a step and the next one.
    ushorts halves[2];
    store_element(upper_half(values), &halves[0], DESCENT_BFLOAT16, 0, LANES);
    store_element(remainder_of(values), &halves[1], DESCENT_REMAINDER, 0, LANES);
    const lanes whole = joined(load_element(&halves[0], DESCENT_BFLOAT16, 0, LANES),
                               load_element(&halves[1], DESCENT_REMAINDER, 0, LANES));
    for (int i = 0; i < LANES; i++) {
      const float value = from_bits(bits[i]);
      if (value != value) {
        expect((small[i] & 0x7fff) == 0x7e00, "NaN to float16", bits[i], small[i]);
        expect(upper[i] == 0x7fc0, "NaN to bfloat16", bits[i], upper[i]);
        expect(halves[0][i] == 0x7fc0 && to_bits(whole[i]) == 0x7fc00000, "NaN in halves", bits[i],
               to_bits(whole[i]));
        continue;
      }
      expect(to_bits(whole[i]) == bits[i], "halves", bits[i], to_bits(whole[i]));
      expect(small[i] == float16_bits(value), "to float16", bits[i], small[i]);
      if ((bits[i] & 0x7fffffffu) == 0x7f800000u)
        expect(upper[i] == bits[i] >> 16, "infinity to bfloat16", bits[i], upper[i]);
      else
        expect(upper[i] == bfloat16_bits(value) && halves[0][i] == half_away(value), "to bfloat16",
               bits[i], upper[i]);
    }
    checked += LANES;
  }
  printf("%llu Floats and 65,536 numbers of either type: %ld wrong\n", (unsigned long long)checked,
         wrong);
  return wrong != 0;
}
