// Counts heap allocations, of all threads, between two marks. Preloaded into `descent memory
// allocations`, see check.sh. For glibc: it stands before the C library's own functions and calls
// them by their other names.
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting;
static atomic_bool shows;
static atomic_long allocations;

static void note(void) {
  if (!atomic_load(&counting)) return;
  atomic_fetch_add(&allocations, 1);
  if (!atomic_exchange(&shows, 0)) return;
  void *frames[32];
  int depth = backtrace(frames, 32);
  backtrace_symbols_fd(frames + 1, depth - 1, STDERR_FILENO);
}

// The first backtrace loads a library, which allocates.
__attribute__((constructor)) static void prepare(void) {
  void *frame;
  backtrace(&frame, 1);
}

// From here on allocations count. Shows where the next comes from, if asked to.
void descent_allocations_begin(bool show) {
  atomic_store(&allocations, 0);
  atomic_store(&shows, show);
  atomic_store(&counting, 1);
}

// How many there were.
long descent_allocations_end(void) {
  atomic_store(&counting, 0);
  atomic_store(&shows, 0);
  return atomic_load(&allocations);
}

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note();
  return __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  return realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

void *valloc(size_t size) { return memalign((size_t)sysconf(_SC_PAGESIZE), size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
    return EINVAL;
  void *result = memalign(alignment, size);
  if (!result) return ENOMEM;
  *memory = result;
  return 0;
}
