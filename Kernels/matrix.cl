// The steps of the Newton–Schulz iteration over matrices, in OpenCL C and, through
// cpu/matrix.inc, in C: products, a quotient, an addition to a diagonal.
//
//   out(i, j) = β D(i, j) + α Σ_k A(i, k) B(j, k)
//
// The sum has one order on every engine: panels of DESCENT_PANEL k, in each a chain of fma that
// begins with +0, and the panels' sums added in their order. fma is correctly rounded by both
// languages' definitions; rule files do without it, as they are bound by memory. Blocks change no
// bit. The k dimension is never padded with zeros: 0·0 + (−0) is +0.
//
// The same in Swift: Sources/Descent/Engines/Reference/ReferenceNewtonSchulz.swift

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#pragma OPENCL FP_CONTRACT OFF
#define UNROLL _Pragma("unroll")
#define FMA fma
#define FLOAT4(a, b, c, d) ((float4)(a, b, c, d))
#define LOAD4(from) vload4(0, from)
#define STORE4(value, to) vstore4(value, 0, to)
#endif

// A matrix in memory: its element (0, 0), and the distances of adjacent rows and columns.
typedef struct {
  const global float *at;
  long row, column;
} view;

static view view_of(descent_matrix own, uint operand, const global float *state,
                    const global float *workspace) {
  view v = {workspace + own.squares, own.rows, 1};
  if (operand < DESCENT_SQUARE) {
    v.at = operand == DESCENT_MATRIX ? state + own.state : workspace + own.other;
    v.row = own.rowStride;
    v.column = own.columnStride;
  } else {
    v.at = v.at + (ulong)(operand - DESCENT_SQUARE) * own.rows * own.rows;
  }
  return v;
}

static view transposed(view v) {
  const view result = {v.at, v.column, v.row};
  return result;
}

static view from(view v, long row, long column) {
  v.at = v.at + (row * v.row + column * v.column);
  return v;
}

// The operands of a step from a block's first element on.
typedef struct {
  view a, b, d, out;
  int rows, columns;  // of the block
  long depth;         // the numbers of k
  long below;         // how far the block's first row is below its first column
  bool isSquare;      // only elements up to the diagonal are computed
} part;

static part part_of(descent_matrix_step s, descent_matrix own, uint row, uint column, uint mostRows,
                    uint mostColumns, const global float *state, const global float *workspace) {
  part p;
  p.isSquare = s.out >= DESCENT_SQUARE;
  const uint columns = p.isSquare ? own.rows : own.columns;
  p.rows = (int)(own.rows - row < mostRows ? own.rows - row : mostRows);
  p.columns = (int)(columns - column < mostColumns ? columns - column : mostColumns);
  p.depth = s.first < DESCENT_SQUARE ? own.columns : own.rows;
  p.below = (long)row - (long)column;
  p.out = from(view_of(own, s.out, state, workspace), row, column);
  p.d = from(view_of(own, s.addend, state, workspace), row, column);
  p.a = from(view_of(own, s.first, state, workspace), row, 0);
  const view second = view_of(own, s.second, state, workspace);
  p.b = from(p.isSquare ? second : transposed(second), column, 0);
  return p;
}

// An element of a result.
static global float *element(part p, int i, int j) {
  return (global float *)p.out.at + (i * p.out.row + j * p.out.column);
}

// Its mirror image: the element (j, i) of the whole matrix, seen from the block's first.
static global float *mirrored(part p, int i, int j) {
  return (global float *)p.out.at + ((j - p.below) * p.out.row + (i + p.below) * p.out.column);
}

static void divide(part p, float divisor, int firstRow, int rowStep, int firstColumn,
                   int columnStep) {
  for (int i = firstRow; i < p.rows; i += rowStep)
    for (int j = firstColumn; j < p.columns; j += columnStep)
      *element(p, i, j) = p.d.at[i * p.d.row + j * p.d.column] / divisor;
}

static void add_to_diagonal(part p, float addend, int first, int step) {
  for (int i = first; i < p.rows; i += step) {
    const long j = i + p.below;
    if (j < 0 || j >= p.columns) continue;
    *element(p, i, (int)j) = *element(p, i, (int)j) + addend;
  }
}

static float sum_with(descent_matrix_step s, part p, int i, int j, float sum) {
  const float product = s.alpha * sum;
  return s.adds ? s.beta * p.d.at[i * p.d.row + j * p.d.column] + product : product;
}

#ifdef VECTORS
// The form for processors: one thread computes a block from packed panels. A block is up to
// MOST_ROWS × MOST_COLUMNS, cut into tiles of ROWS × COLUMNS sums that are in registers for a
// panel's length.
#define ROWS 6
#define COLUMNS (VECTORS * LANES)

// A tile's sums over up to a panel, stored or added to those of earlier panels.
static void multiply(const local float *a, const local float *b, int depth, local float *sums,
                     bool begins) {
  lanes c[ROWS][VECTORS];
  UNROLL
  for (int i = 0; i < ROWS; i++)
    UNROLL
    for (int j = 0; j < VECTORS; j++) c[i][j] = (lanes)(0.0f);
  for (; depth > 0; depth--, a += ROWS, b += COLUMNS) {
    lanes right[VECTORS];
    UNROLL
    for (int j = 0; j < VECTORS; j++) right[j] = LOAD(b + j * LANES);
    UNROLL
    for (int i = 0; i < ROWS; i++) {
      const lanes left = (lanes)(a[i]);
      UNROLL
      for (int j = 0; j < VECTORS; j++) c[i][j] = FMA(left, right[j], c[i][j]);
    }
  }
  UNROLL
  for (int i = 0; i < ROWS; i++)
    UNROLL
    for (int j = 0; j < VECTORS; j++) {
      local float *to = sums + (i * VECTORS + j) * LANES;
      const lanes value = begins ? c[i][j] : LOAD(to) + c[i][j];
      STORE(value, to);
    }
}

// Copies rows that are contiguous, four by four: the rows of a large matrix are often a multiple of
// a page apart, and then in one set of the cache.
static void transpose(const global float *rows, long row, int depth, int width, local float *to) {
  for (int i = 0; i < width; i += 4) {
    const global float *from = rows + i * row;
    const int count = width - i < 4 ? width - i : 4;
    int k = 0;
    for (; count == 4 && k + 4 <= depth; k += 4) {
      const float4 a = LOAD4(from + k), b = LOAD4(from + row + k);
      const float4 c = LOAD4(from + 2 * row + k), d = LOAD4(from + 3 * row + k);
      local float *columns = to + (k * width + i);
      STORE4(FLOAT4(a.x, b.x, c.x, d.x), columns);
      STORE4(FLOAT4(a.y, b.y, c.y, d.y), columns + width);
      STORE4(FLOAT4(a.z, b.z, c.z, d.z), columns + 2 * width);
      STORE4(FLOAT4(a.w, b.w, c.w, d.w), columns + 3 * width);
    }
    for (; k < depth; k++)
      for (int j = 0; j < count; j++) to[k * width + i + j] = from[j * row + k];
  }
}

// Copies `count` rows of up to a panel to strips of `width`, in each k by k. Rows that the last
// strip lacks are 0: their sums are not used.
static void pack(view v, int count, int depth, int width, local float *to) {
  for (int first = 0; first < count; first += width, to += width * depth) {
    const global float *strip = v.at + first * v.row;
    const int own = count - first < width ? count - first : width;
    if (own < width) {
      for (int k = 0; k < depth; k++)
        for (int i = 0; i < width; i++)
          to[k * width + i] = i < own ? strip[i * v.row + k * v.column] : 0.0f;
    } else if (v.row == 1) {
      for (int k = 0; k < depth; k++)
        for (int i = 0; i < width; i++) to[k * width + i] = strip[k * v.column + i];
    } else {
      transpose(strip, v.row, depth, width, to);
    }
  }
}

// Computes a block of a product. The space is DESCENT_BLOCK_SPACE of the most rows and columns.
static void multiply_block(descent_matrix_step s, part p, uint mostRows, uint mostColumns,
                           local float *space) {
  local float *a = space, *b = a + mostRows * DESCENT_PANEL;
  local float *sums = b + mostColumns * DESCENT_PANEL;
  // Columns right of the last row's diagonal are not computed.
  int columns = p.columns;
  if (p.isSquare && columns > p.below + p.rows) columns = (int)p.below + p.rows;
  for (long k = 0; k < p.depth; k += DESCENT_PANEL) {
    const int depth = (int)(p.depth - k < DESCENT_PANEL ? p.depth - k : DESCENT_PANEL);
    pack(from(p.a, 0, k), p.rows, depth, ROWS, a);
    pack(from(p.b, 0, k), columns, depth, COLUMNS, b);
    for (int j = 0; j < columns; j += COLUMNS)
      for (int i = 0; i < p.rows; i += ROWS)
        if (!p.isSquare || j <= p.below + i + ROWS - 1)
          multiply(a + i * depth, b + j * depth, depth, sums + (j * mostRows + i * COLUMNS),
                   k == 0);
  }
  for (int j = 0; j < columns; j += COLUMNS)
    for (int i = 0; i < p.rows; i++) {
      local float *own = sums + (j * mostRows + i * COLUMNS);
      int count = columns - j < COLUMNS ? columns - j : COLUMNS;
      if (p.isSquare && count > p.below + i + 1 - j) count = (int)p.below + i + 1 - j;
      for (int q = 0; q < count; q++) {
        own[q] = sum_with(s, p, i, j + q, own[q]);
        *element(p, i, j + q) = own[q];
      }
    }
  if (!p.isSquare) return;
  // The mirror image, some rows at a time: its columns are contiguous, and its rows often a
  // multiple of a page apart.
  for (int first = 0; first < p.rows; first += 16) {
    const int end = first + 16 < p.rows ? first + 16 : p.rows;
    for (int j = 0; j < columns; j++) {
      const local float *own = sums + (j / COLUMNS * COLUMNS * mostRows + j % COLUMNS);
      const int diagonal = j - (int)p.below;
      for (int i = first < diagonal ? diagonal : first; i < end; i++)
        *mirrored(p, i, j) = own[i * COLUMNS];
    }
  }
}
#endif
