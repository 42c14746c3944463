// libFuzzer's mutations, and one of its own: a piece of the input repeated up to the greatest
// length. What takes quadratic time or much memory shows only in inputs that libFuzzer's do not
// grow to.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static uint32_t next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  uint64_t state = seed;
  next(&state);
  if (size == 0 || size >= max || next(&state) % 16 != 0) return LLVMFuzzerMutate(data, size, max);
  // From a character's first byte to another's, or what was valid UTF-8 is no more.
  size_t place = next(&state) % size, length = 1 + next(&state) % 32;
  while (place > 0 && (data[place] & 0xc0) == 0x80) place--;
  if (length > size - place) length = size - place;
  while (place + length < size && (data[place + length] & 0xc0) == 0x80) length++;
  // The lesser of two draws: long inputs take long.
  uint32_t first = next(&state) % 23, second = next(&state) % 23;
  size_t room = max - size, wanted = (size_t)1 << (first < second ? first : second);
  size_t added = (wanted < room ? wanted : room) / length * length;
  memmove(data + place + length + added, data + place + length, size - place - length);
  for (size_t done = 0; done < added; done += length) {
    memcpy(data + place + length + done, data + place, length);
  }
  return size + added;
}
