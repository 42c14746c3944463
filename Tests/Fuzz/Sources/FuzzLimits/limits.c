// For memfd_create.
#define _GNU_SOURCE
// What each input may cost. Counted by hooks of the address sanitizer's allocator: the bytes that
// were requested and not yet freed, so neither its red zones nor its quarantine count. Processor
// time rather than the clock, so that a busy machine reports nothing.
#include "FuzzLimits.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int __sanitizer_install_malloc_and_free_hooks(
  void (*malloc_hook)(const volatile void *, size_t), void (*free_hook)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *memory);

static int64_t live, peak, greatest_peak;
static size_t input;
static double start, longest, greatest_ratio;

static void allocated(const volatile void *memory, size_t bytes) {
  if ((live += bytes) > peak) peak = live;
}

static void freed(const volatile void *memory) {
  if (memory) live -= __sanitizer_get_allocated_size(memory);
}

static double processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static void report(void) {
  fprintf(
    stderr,
    "limits: longest %.3f s; greatest peak %.1f MiB; above 16 MiB at most %.1f times the input\n",
    longest, greatest_peak / 1048576.0, greatest_ratio);
}

void fuzz_begin(size_t bytes) {
  static int is_installed;
  if (!is_installed) {
    if (!__sanitizer_install_malloc_and_free_hooks(allocated, freed)) {
      fprintf(stderr, "limits: the allocator takes no hooks\n");
      abort();
    }
    atexit(report);
    is_installed = 1;
  }
  input = bytes;
  live = peak = 0;
  start = processor_time();
}

int fuzz_end(void) {
  double seconds = processor_time() - start;
  int64_t most = peak, base = 16 << 20;
  if (seconds > longest) longest = seconds;
  if (most > greatest_peak) greatest_peak = most;
  double ratio = input && most > base ? (double)(most - base) / input : 0;
  if (ratio > greatest_ratio) greatest_ratio = ratio;
  if (most > (int64_t)(10 * input) + base) {
    fprintf(
      stderr,
      "limits: %lld bytes at once for an input of %zu; allowed is ten times that and 16 MiB\n",
      (long long)most, input);
    abort();
  }
  if (seconds > 1) {
    fprintf(
      stderr, "limits: %.1f s for an input of %zu bytes; allowed is a second\n", seconds, input);
    abort();
  }
  return input > 1 << 16 ? -1 : 0;
}

static void write_all(int file, const void *bytes, size_t count, size_t offset) {
  if (pwrite(file, bytes, count, offset) != (ssize_t)count) {
    perror("limits: pwrite");
    _exit(2);
  }
}

const char *fuzz_file(
  const void *prefix, size_t prefix_bytes, const void *text, size_t text_bytes, size_t hole) {
  static int file = -1;
  static char path[64];
  if (file < 0) {
    file = memfd_create("input", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  size_t size = prefix_bytes + text_bytes + hole;
  if (ftruncate(file, 0) || ftruncate(file, size)) {
    perror("limits: ftruncate");
    _exit(2);
  }
  write_all(file, prefix, prefix_bytes, 0);
  write_all(file, text, text_bytes, prefix_bytes);
  return path;
}
