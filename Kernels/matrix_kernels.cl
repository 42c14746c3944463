// The steps of matrix.cl on a device: a work-group for each block of the table, so that one launch
// is for all matrices. With VECTORS a group is one item, as processors need it; otherwise 16 × 16
// items compute MOST_ROWS × MOST_COLUMNS elements, of which each has 8 × 8 in registers; SIDE is 16,
// and DEPTH the k that are in local memory at a time.
#ifdef CONTROLLED
#define CONTROL , const global descent_control *restrict now
#define RETURN_IF_SKIPPED \
  if (now->isSkipped) return
#else
#define CONTROL
#define RETURN_IF_SKIPPED
#endif

#define STEP(ROWS_, COLUMNS_)                                                                    \
  kernel __attribute__((reqd_work_group_size(COLUMNS_, ROWS_, 1))) void matrix_step(             \
      const descent_matrix_step s, const global descent_matrix *restrict matrices,               \
      const global descent_matrix_block *restrict blocks, global float *state,                   \
      global float *workspace, const global float *restrict numbers CONTROL)

#define PART                                                                                     \
  const descent_matrix_block block = blocks[get_group_id(0)];                                    \
  const descent_matrix own = matrices[block.matrix];                                             \
  const part p =                                                                                 \
      part_of(s, own, block.row, block.column, MOST_ROWS, MOST_COLUMNS, state, workspace)

#ifdef VECTORS
#ifdef __clang__
#pragma clang attribute pop
#endif
STEP(1, 1) {
  local float space[DESCENT_BLOCK_SPACE(MOST_ROWS, MOST_COLUMNS)];
  RETURN_IF_SKIPPED;
  PART;
  if (s.kind == DESCENT_PRODUCT)
    multiply_block(s, p, MOST_ROWS, MOST_COLUMNS, space);
  else if (s.kind == DESCENT_QUOTIENT)
    divide(p, numbers[own.number], 0, 1, 0, 1);
  else
    add_to_diagonal(p, s.alpha, 0, 1);
}
#else
#define EACH (MOST_ROWS / SIDE)

// Loads `depth` numbers of k for every row, k by k. Adjacent items load adjacent numbers.
static void load_panel(view v, int rows, int depth, int item, local float *to) {
  for (int at = item; at < MOST_ROWS * DEPTH; at += SIDE * SIDE) {
    const int row = v.column == 1 ? at / DEPTH : at % MOST_ROWS;
    const int k = v.column == 1 ? at % DEPTH : at / MOST_ROWS;
    // What is 0 here belongs to rows that are not stored, or to k that are not summed.
    to[k * WIDTH + row] = row < rows && k < depth ? v.at[row * v.row + k * v.column] : 0.0f;
  }
}

STEP(SIDE, SIDE) {
  local float left[DEPTH * WIDTH], right[DEPTH * WIDTH];
  RETURN_IF_SKIPPED;
  PART;
  const int x = (int)get_local_id(0), y = (int)get_local_id(1), item = y * SIDE + x;
  if (s.kind == DESCENT_QUOTIENT) {
    divide(p, numbers[own.number], y, SIDE, x, SIDE);
    return;
  }
  if (s.kind == DESCENT_DIAGONAL) {
    add_to_diagonal(p, s.alpha, item, SIDE * SIDE);
    return;
  }
  float sums[EACH][EACH];
  for (long panel = 0; panel < p.depth; panel += DESCENT_PANEL) {
    const long end = min(panel + DESCENT_PANEL, p.depth);
    float chain[EACH][EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++) chain[i][j] = 0.0f;
    for (long k = panel; k < end; k += DEPTH) {
      const int depth = (int)min((long)DEPTH, end - k);
      load_panel(from(p.a, 0, k), p.rows, depth, item, left);
      load_panel(from(p.b, 0, k), p.columns, depth, item, right);
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int q = 0; q < depth; q++) {
        float own_left[EACH], own_right[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          own_left[i] = left[q * WIDTH + y + i * SIDE];
          own_right[i] = right[q * WIDTH + x + i * SIDE];
        }
#pragma unroll
        for (int i = 0; i < EACH; i++)
#pragma unroll
          for (int j = 0; j < EACH; j++)
            chain[i][j] = fma(own_left[i], own_right[j], chain[i][j]);
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++)
        sums[i][j] = panel == 0 ? chain[i][j] : sums[i][j] + chain[i][j];
  }
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      const int row = y + i * SIDE, column = x + j * SIDE;
      if (row >= p.rows || column >= p.columns || (p.isSquare && column > row + p.below)) continue;
      const float value = sum_with(s, p, row, column, sums[i][j]);
      *element(p, row, column) = value;
      if (p.isSquare) *mirrored(p, row, column) = value;
    }
}
#endif
