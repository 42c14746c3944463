// An empty package of ICU's locale data, as in ICU's own stubdata.cpp. bundle.sh links it instead
// of the 34 MB of Foundation, which `descent` does not use: its output is English text and numbers.
#include <stdint.h>

struct package {
  uint16_t headerSize;
  uint8_t magic[2];
  uint16_t infoSize, reservedWord;
  uint8_t isBigEndian, charsetFamily, sizeofUChar, reservedByte;
  uint8_t format[4], formatVersion[4], dataVersion[4];
  uint8_t padding[8];
  uint32_t count, reserved;
};

__attribute__((aligned(16))) const struct package descent_no_icu_data = {
    .headerSize = 32,
    .magic = {0xda, 0x27},
    .infoSize = 20,
    .sizeofUChar = 2,
    .format = {'T', 'o', 'C', 'P'},
    .formatVersion = {1},
};
