// The ceiling's passes on this processor, with its widest vectors, on persistent threads.
#include "DescentCeiling.h"

#include "../../Kernels/types.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#pragma clang fp contract(off)

// Blocks have the length of the CPU engine's. Threads take them dynamically, so that a thread that
// another process delays does not delay the others. Below a few blocks, waking a thread costs more
// than it saves.
enum { usual_block = 1 << 16, blocks_for_threads = 4 };

_Static_assert(ceiling_written_limit == DESCENT_MOST_STATES + 1, "parameters and states");

typedef struct {
  float *written[ceiling_written_limit];
  const float *read[ceiling_read_limit];
  int writtenCount, readCount;
  long count;
} streams;

// One cache line at a time; processors without such registers use several.
typedef float wide __attribute__((ext_vector_type(16), aligned(4)));

static inline __attribute__((always_inline)) void over(const streams *all, int writtenCount,
                                                       int readCount, long begin, long end) {
  float *written[ceiling_written_limit];
  const float *read[ceiling_read_limit];
  for (int k = 0; k < writtenCount; k++) written[k] = all->written[k];
  for (int k = 0; k < readCount; k++) read[k] = all->read[k];
  wide total = 0;
  long i = begin;
  for (; i + 16 <= end; i += 16) {
    wide sum = *(const wide *)(read[0] + i);
#pragma clang loop unroll(full)
    for (int k = 1; k < readCount; k++) sum += *(const wide *)(read[k] + i);
    if (writtenCount == 0) {
      total += sum;
    } else {
      *(wide *)(written[0] + i) += sum * ceiling_tiny;
    }
#pragma clang loop unroll(full)
    for (int k = 1; k < writtenCount; k++) *(wide *)(written[k] + i) += ceiling_tiny;
  }
  // The compiler must not drop the sum of a pass that only reads.
  if (writtenCount == 0) __asm__ volatile("" : : "m"(total));
  for (; i < end; i++) {
    float sum = read[0][i];
    for (int k = 1; k < readCount; k++) sum += read[k][i];
    if (writtenCount > 0) written[0][i] += sum * ceiling_tiny;
    for (int k = 1; k < writtenCount; k++) written[k][i] += ceiling_tiny;
  }
}

// The counts are constants, so that the loops over the vectors are unrolled.
static inline __attribute__((always_inline)) void select_read(const streams *all, int writtenCount,
                                                              long begin, long end) {
  switch (all->readCount) {
    case 1: return over(all, writtenCount, 1, begin, end);
    case 2: return over(all, writtenCount, 2, begin, end);
    case 3: return over(all, writtenCount, 3, begin, end);
    default: return over(all, writtenCount, ceiling_read_limit, begin, end);
  }
}

static inline __attribute__((always_inline)) void select_count(const streams *all, long begin,
                                                               long end) {
  switch (all->writtenCount) {
    case 0: return select_read(all, 0, begin, end);
    case 1: return select_read(all, 1, begin, end);
    case 2: return select_read(all, 2, begin, end);
    case 3: return select_read(all, 3, begin, end);
    case 4: return select_read(all, 4, begin, end);
    default: return select_read(all, ceiling_written_limit, begin, end);
  }
}

static void part_baseline(const streams *all, long begin, long end) {
  select_count(all, begin, end);
}

#if defined(__x86_64__)
__attribute__((target("avx2"), min_vector_width(256)))
static void part_avx2(const streams *all, long begin, long end) {
  select_count(all, begin, end);
}

__attribute__((target("avx512f"), min_vector_width(512)))
static void part_avx512(const streams *all, long begin, long end) {
  select_count(all, begin, end);
}
#endif

static void over_streams(const streams *all, long begin, long end) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return part_avx512(all, begin, end);
  if (__builtin_cpu_supports("avx2")) return part_avx2(all, begin, end);
#endif
  part_baseline(all, begin, end);
}

static void copied(const streams *all, long begin, long end) {
  memcpy(all->written[0] + begin, all->read[0] + begin, (size_t)(end - begin) * sizeof(float));
}

typedef void part(const streams *all, long begin, long end);

struct ceiling_pool {
  pthread_mutex_t mutex;
  pthread_cond_t started, finished;
  atomic_long generation, next;
  atomic_int working;
  bool open, stopping;
  streams work;
  part *part;
  long block;
  int workers;
  pthread_t threads[];
};

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// The number of polls before a thread waits: waking it takes longer than polling for some
// microseconds.
enum { looks = 200 };

static void take_blocks(ceiling_pool *pool, const streams *all, part *part, long block) {
  for (;;) {
    long begin = atomic_fetch_add(&pool->next, 1) * block;
    if (begin >= all->count) return;
    long end = begin + block < all->count ? begin + block : all->count;
    part(all, begin, end);
  }
}

static void *serve(void *argument) {
  ceiling_pool *pool = argument;
  for (long seen = 0;;) {
    for (int i = 0; i < looks && atomic_load(&pool->generation) == seen; i++) pause_briefly();
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->generation) == seen && !pool->stopping)
      pthread_cond_wait(&pool->started, &pool->mutex);
    bool stopping = pool->stopping, open = pool->open;
    seen = atomic_load(&pool->generation);
    const streams work = pool->work;
    part *part = pool->part;
    const long block = pool->block;
    if (open) atomic_fetch_add(&pool->working, 1);
    pthread_mutex_unlock(&pool->mutex);
    if (stopping) return NULL;
    if (!open) continue;
    take_blocks(pool, &work, part, block);
    if (atomic_fetch_sub(&pool->working, 1) == 1) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->finished);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

ceiling_pool *ceiling_pool_create(int threads) {
  int workers = threads - 1;
  ceiling_pool *pool = calloc(1, sizeof *pool + (unsigned long)workers * sizeof(pthread_t));
  if (!pool) return NULL;
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->started, NULL);
  pthread_cond_init(&pool->finished, NULL);
  for (; pool->workers < workers; pool->workers++) {
    if (pthread_create(&pool->threads[pool->workers], NULL, serve, pool) != 0) {
      ceiling_pool_destroy(pool);
      return NULL;
    }
  }
  return pool;
}

void ceiling_pool_destroy(ceiling_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  pool->stopping = true;
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->started);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->started);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

static void run(ceiling_pool *pool, const streams *work, part *part, long block) {
  if (pool->workers == 0 || work->count < blocks_for_threads * usual_block)
    return part(work, 0, work->count);
  pthread_mutex_lock(&pool->mutex);
  pool->work = *work;
  pool->part = part;
  pool->block = block;
  pool->open = true;
  atomic_store(&pool->next, 0);
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->started);
  pthread_mutex_unlock(&pool->mutex);
  take_blocks(pool, work, part, block);
  // Threads that have not woken up by now find no block left.
  pthread_mutex_lock(&pool->mutex);
  pool->open = false;
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < looks && atomic_load(&pool->working) != 0; i++) pause_briefly();
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->working) != 0) pthread_cond_wait(&pool->finished, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

void ceiling_pass(ceiling_pool *pool, float *const *written, int writtenCount,
                  const float *const *read, int readCount, long count) {
  if (writtenCount > ceiling_written_limit || readCount < 1 || readCount > ceiling_read_limit)
    abort();
  streams work = {{NULL}, {NULL}, writtenCount, readCount, count};
  for (int k = 0; k < writtenCount; k++) work.written[k] = written[k];
  for (int k = 0; k < readCount; k++) work.read[k] = read[k];
  run(pool, &work, over_streams, usual_block);
}

void ceiling_copy(ceiling_pool *pool, float *to, const float *from, long count) {
  streams work = {{to}, {from}, 1, 1, count};
  // The longer the piece, the more of it the C library writes around the caches.
  run(pool, &work, copied, count / (pool->workers + 1) + 1);
}

static const char text[] = {
#embed "ceiling.cl"
    , 0};

const char *ceiling_kernel_text(void) { return text; }
