// The rules as this processor runs them, their texts as OpenCL devices compile them, and what this
// processor can do.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "../types.h"
#include "DescentNorm.h"

enum { descent_group_frozen_offset = __builtin_offsetof(descent_group, isFrozen) };

// Numbers of another shape than the parameters': one for all of an update's elements, with a step
// of 0, or one for each.
typedef struct {
  const float *at;
  long step;
} descent_number;

// A pass over `count` elements in place. The operands are the parameters, the gradients, which are
// only read, the rule's states, and where the pass makes terms the memory for them; of a pass over
// numbers these alone. `preparation` is a descent_preparation, `scalars` the structure that the
// rule's file declares.
typedef void (*descent_update)(float *const *operands, const descent_number *numbers, long count,
                               const void *preparation, const void *scalars);

// What an update takes besides operands of Floats; a null pointer is a vector that there is not.
typedef struct {
  // Of the gradients: DESCENT_FLOAT32 …
  int gradientType;
  // Whether the pass writes the parameters.
  bool writesParameters;
  // Of parameters in bfloat16: ../storage.cl.
  void *remainders;
  // What parameters in binary16 are rounded from.
  float *masters;
  // Of earlier gradients: ../beside.cl.
  const float *sums;
  // Of the parameters.
  float *averages;
} descent_beside;

// The same pass with these. It processes some elements at a time, so that they stay in the cache. A
// null `at` ends the numbers.
typedef void (*descent_update_beside)(descent_update update, void *const *operands,
                                      int operandCount, const descent_beside *beside,
                                      const descent_number *numbers, long count,
                                      const void *preparation, const void *scalars);

// Adds `count` gradients of a type to a sum, or begins it with them.
typedef void (*descent_accumulate)(float *sum, const void *gradients, int type, long count,
                                   bool begins);

// What an update would add to each parameter, rounded once; parameters stay as they are.
typedef void (*descent_delta)(descent_update update, float *deltas, void *const *operands,
                              int stateCount, int gradientType, long count,
                              const void *preparation, const void *scalars);

// The sum of squares of up to DESCENT_TILE elements of a type, each added to one of `with` unless
// that is null.
typedef void (*descent_norm_tile)(const void *from, int type, const float *with, long count,
                                  descent_partial *result);

// The same for the sum of Floats themselves.
typedef void (*descent_sum_tile)(const float *from, long count, descent_partial *result);

// The sums of a tile for each of up to DESCENT_PANEL_COLUMNS columns: `rows` of them, up to
// DESCENT_TILE, are `stride` apart, and the results `step`. `space` is DESCENT_ACCUMULATORS ×
// DESCENT_PANEL_COLUMNS floats.
typedef void (*descent_column_tiles)(const float *from, long rows, long columns, long stride,
                                     bool areSquares, float *space, descent_partial *results,
                                     long step);

// A block of a step over matrices, of up to so many rows and columns, both multiples of a tile's.
// `state` has the matrices and `workspace` what else the steps need; `space` is a thread's own, as
// matrix.cl says.
typedef void (*descent_matrix_work)(const descent_matrix_step *step,
                                    const descent_matrix *matrices,
                                    const descent_matrix_block *block, int mostRows,
                                    int mostColumns, float *state, float *workspace,
                                    const float *numbers, float *space);

// DESCENT_BLOCK_SPACE for Swift, which has no macros with arguments.
static inline long descent_block_space(long rows, long columns) {
  return DESCENT_BLOCK_SPACE(rows, columns);
}

// The functions compiled for one instruction set. Only `isSupported` may be called on a processor
// without it.
typedef struct {
  const char *name;  // "avx2"
  int lanes;         // floats in a vector
  bool (*isSupported)(void);
  const descent_update *updates;  // in the order of their list
  descent_update_beside updateBeside;
  descent_accumulate accumulate;
  descent_delta delta;
  descent_norm_tile normTile;
  descent_sum_tile sumTile;
  descent_column_tiles columnTiles;
  descent_matrix_work matrixStep;
  int matrixRows, matrixColumns;  // of a tile
} descent_instructions;

// A variant that is compiled.
typedef struct {
  const char *name;  // of the variant: "rmsprop_centered"
  const char *file;  // of the formula: "rmsprop.cl"
  const char *text;
  int variant;  // what it adds to the plain rule: options that the file defines
  int states;
  int scalarsSize;
  int pass;  // DESCENT_ELEMENTS, DESCENT_SUMS or DESCENT_NUMBERS
  int numbers, terms;
  bool isReadOnly;
} descent_rule;

// The rules of one list: their rows in its order, and for each instruction set of this architecture
// its table.
typedef struct {
  const descent_rule *rules;
  int ruleCount;
  const descent_instructions *const *sets;
  int setCount;
} descent_library;

// The package's own: rules/list.inc.
const descent_library *descent_rules(void);

// The source files of OpenCL programs, except those of the rules. ../README.md gives their order.
typedef struct {
  const char *types, *lanes, *storage, *elements, *states, *prepare, *update, *norm, *itemTile,
      *normKernels, *beside, *accumulate, *matrix, *matrixKernels;
} descent_texts;
descent_texts descent_program_texts(void);

// The processors that this process may use: its affinity, and a container's quota rounded up. At
// least 1.
int descent_processors(void);

// How many bytes of the calling thread's stack are left; 0 where that is not known, as on a stack
// of the caller's own.
long descent_stack_left(void);

// A hint to the processor that this thread spins.
void descent_pause(void);

// The calling thread's floating-point control, set to round to nearest with denormals kept and no
// traps; the value before, for `descent_environment_restore`.
uint64_t descent_environment_default(void);
void descent_environment_restore(uint64_t before);
