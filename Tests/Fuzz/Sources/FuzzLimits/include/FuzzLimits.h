#ifndef FUZZ_LIMITS_H
#define FUZZ_LIMITS_H
#include <stddef.h>

/// Starts to count the memory and the processor time that an input takes.
void fuzz_begin(size_t input_bytes);

/// Aborts, so that libFuzzer keeps the input, if since `fuzz_begin` more than 10 times the input's
/// bytes plus 16 MiB were allocated at once, or more than a second of processor time was used.
///
/// Returns what the target is to return: 0, or −1 for an input of more than 64 KiB, which libFuzzer
/// then does not keep to mutate it further. Such inputs are there for their costs.
int fuzz_end(void);

/// The path of a file in memory that holds `prefix`, `text` and a hole of `hole` bytes. Each call
/// overwrites the file.
const char *fuzz_file(
  const void *prefix, size_t prefix_bytes, const void *text, size_t text_bytes, size_t hole);
#endif
