// Passes over memory with almost no arithmetic: an upper bound for the speed of an update's memory
// streams.
#pragma once

// The constant that a pass adds: x ← x + g · tiny, and s ← s + tiny for every state.
static const float ceiling_tiny = 0x1p-20f;

enum { ceiling_states_limit = 4 };

// A pool of persistent threads; the caller of a pass is one of them. The pool is null if the system
// refuses a thread. Only one pass may run at a time.
typedef struct ceiling_pool ceiling_pool;
ceiling_pool *ceiling_pool_create(int threads);
void ceiling_pool_destroy(ceiling_pool *pool);

// One pass over `count` elements of parameters, gradients, at most `ceiling_states_limit` states.
void ceiling_pass(ceiling_pool *pool, float *parameters, const float *gradients,
                  float *const *states, int stateCount, long count);

// Copies `count` elements.
void ceiling_copy(ceiling_pool *pool, float *to, const float *from, long count);

// The source of the in-place pass for OpenCL devices, which follows types.h, lanes.cl and states.cl
// of Kernels.
const char *ceiling_kernel_text(void);
