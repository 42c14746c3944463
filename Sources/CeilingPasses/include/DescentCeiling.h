// Passes over memory with almost no arithmetic: an upper bound for the speed of an update's memory
// streams.
#pragma once

// The constant that a pass adds to each vector w that it updates: w₀ ← w₀ + (r₀ + r₁ + …) · tiny
// with the vectors r that it only reads, and w ← w + tiny for the others.
static const float ceiling_tiny = 0x1p-20f;

// The most vectors that a pass updates, and the most that it only reads.
enum { ceiling_written_limit = 5, ceiling_read_limit = 4 };

// A pool of persistent threads; the caller of a pass is one of them. The pool is null if the system
// refuses a thread. Only one pass may run at a time.
typedef struct ceiling_pool ceiling_pool;
ceiling_pool *ceiling_pool_create(int threads);
void ceiling_pool_destroy(ceiling_pool *pool);

// One pass over `count` elements of so many vectors, of which it reads at least one.
void ceiling_pass(ceiling_pool *pool, float *const *written, int writtenCount,
                  const float *const *read, int readCount, long count);

// Copies `count` elements.
void ceiling_copy(ceiling_pool *pool, float *to, const float *from, long count);

// The source of the pass for OpenCL devices, which follows types.h, lanes.cl and states.cl of
// Kernels.
const char *ceiling_kernel_text(void);
