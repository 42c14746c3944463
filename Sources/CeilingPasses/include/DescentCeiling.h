// Passes over memory with next to no arithmetic: how fast the streams of an update can be at best.
#pragma once

// What a pass adds: x ← x + g · tiny, and s ← s + tiny for every state.
static const float ceiling_tiny = 0x1p-20f;

enum { ceiling_states_limit = 4 };

// Threads that stay alive between passes; the caller of a pass is one of them. Null if the system
// refuses one. One pass at a time.
typedef struct ceiling_pool ceiling_pool;
ceiling_pool *ceiling_pool_create(int threads);
void ceiling_pool_destroy(ceiling_pool *pool);

// One pass over `count` elements of parameters, gradients, at most `ceiling_states_limit` states.
void ceiling_pass(ceiling_pool *pool, float *parameters, const float *gradients,
                  float *const *states, int stateCount, long count);

// Copies `count` elements.
void ceiling_copy(ceiling_pool *pool, float *to, const float *from, long count);

// The in-place pass for OpenCL devices: what follows types.h, lanes.cl and states.cl of Kernels.
const char *ceiling_kernel_text(void);
