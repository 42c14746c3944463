// The types and sizes that OpenCL devices, C and Swift share. This is their only declaration: its
// text is the beginning of every OpenCL program, C includes it, and Swift imports it with the
// module DescentKernels. Members have one size and alignment everywhere; padding is declared.
#ifndef DESCENT_TYPES
#define DESCENT_TYPES

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define UINT uint
#define ULONG ulong
#else
#include <stdint.h>
#define UINT uint32_t
#define ULONG uint64_t
#endif

// What the elements of a vector in memory are: storage.cl.
#define DESCENT_FLOAT32 0
#define DESCENT_FLOAT16 1
#define DESCENT_BFLOAT16 2
// What a Float is more than the bfloat16 beside it.
#define DESCENT_REMAINDER 3

// The most states of a rule.
#define DESCENT_MOST_STATES 4

// The most numbers of other shapes than the parameters' that a rule has, and the most sums of a
// pass.
#define DESCENT_MOST_NUMBERS 10
#define DESCENT_MOST_TERMS 4

// What a pass of a rule does: update the parameters, sum terms, or work on numbers of another
// shape.
#define DESCENT_ELEMENTS 0
#define DESCENT_SUMS 1
#define DESCENT_NUMBERS 2

// What is made of the terms that are summed.
#define DESCENT_NORM 0
#define DESCENT_SUM 1
#define DESCENT_LARGEST 2

// What numbers of another shape there is one for: a row, a column, a tensor, or all tensors.
#define DESCENT_ROWS 0
#define DESCENT_COLUMNS 1
#define DESCENT_TENSOR 2
#define DESCENT_MODEL 3

// The most elements of a tile, and the accumulators that sum its squares: norm.cl.
#define DESCENT_TILE 16384
#define DESCENT_ACCUMULATORS 256

// The columns of a matrix whose tiles are summed together.
#define DESCENT_PANEL_COLUMNS 256

// The elements that one work-group of a launch over a table updates; also a tile of a norm.
typedef struct {
  ULONG start;   // the first element's index in the layout
  ULONG states;  // and in its segment of the states
  UINT count;
  UINT group;
  UINT set;  // index of its clipping coefficient
  UINT unused;
} descent_block;

// Where the numbers of other shapes are for a block: the indices of its row, of its first column
// and of its tensor.
typedef struct {
  ULONG row, column, tensor;
} descent_place;

// The arguments of prepare.cl, the same for every rule.
typedef struct {
  float gradientScale, limit, coupledDecay, decoupledDecay, averageWeight;
} descent_preparation;

// The beginning of a group's row; the rule's scalars follow it without a gap.
typedef struct {
  descent_preparation preparation;
  UINT isFrozen;
} descent_group;

// A sum of squares, each multiplied by downscale(peak)², and the bits of the greatest magnitude. As
// integers these bits are ordered like the numbers, with ∞ above them and NaN above ∞.
typedef struct {
  float sum;
  UINT peak;
} descent_partial;

// How a step clips: what every gradient is multiplied by first, and the greatest norm allowed.
typedef struct {
  float gradientScale, limit, epsilon;
} descent_clipping;

// The state of an optimizer's step control.
typedef struct {
  UINT applied;           // steps taken and not skipped, with this one
  UINT before;            // the same, without this one
  UINT isSkipped;         // whether this one is
  UINT skipped;           // how many were
  UINT grown;             // steps since the loss scale last changed
  float lossScale;        // 1 where there is none
  float inverse;          // of the loss scale that this step's gradient has
  float scale;            // what this step multiplies its gradient by before it clips
  descent_partial total;  // of this step's gradient
} descent_control;

// The settings of a decision: whether a step that is not finite is skipped, and how the loss scale
// changes.
typedef struct {
  float growthFactor, backoffFactor;  // 1 and 1 where the loss scale stays
  float minimum, maximum;             // of the loss scale
  UINT growthInterval;
  UINT skips;
} descent_decision;

// What a step of the Newton–Schulz iteration does to a matrix: a product, the division by a number
// of its tensor, or an addition to the diagonal.
#define DESCENT_PRODUCT 0
#define DESCENT_QUOTIENT 1
#define DESCENT_DIAGONAL 2

// The operands of such a step: the matrix in its state, a second matrix of its shape, and from
// DESCENT_SQUARE on square matrices.
#define DESCENT_MATRIX 0
#define DESCENT_OTHER 1
#define DESCENT_SQUARE 2

// The sums of a product are of so many terms each: matrix.cl.
#define DESCENT_PANEL 256

// The floats that a thread or a work-group of one item needs for a block of so many rows and
// columns, in whole tiles: packed panels of both factors, and the sums.
#define DESCENT_BLOCK_SPACE(rows, columns) \
  (((rows) + (columns)) * DESCENT_PANEL + (rows) * (columns))

// A matrix with no more rows than columns, as a view: a tall one is transposed by its strides.
typedef struct {
  ULONG state;                         // its first element in the state,
  ULONG other;                         // of the second matrix in the workspace,
  ULONG squares;                       // and there of the square ones, one after another
  UINT rows, columns;
  UINT rowStride, columnStride;        // of the matrix and of the second one
  UINT number;                         // the index of its tensor's number
  UINT unused;
} descent_matrix;

// The part of a step's result that a work-group or a thread computes at a time.
typedef struct {
  UINT matrix, row, column;  // the matrix, and the part's first element
  UINT unused;
} descent_matrix_block;

// A step for all matrices of a launch: out ← alpha P + beta addend for a product P, addend /
// number, or out with alpha added to its diagonal. P is first secondᵀ where the result is square,
// of which the lower triangle is computed and mirrored, and else first second.
typedef struct {
  UINT kind, out, first, second, addend;
  UINT adds;  // whether there is an addend to a product
  float alpha, beta;
} descent_matrix_step;

#undef UINT
#undef ULONG

#endif
