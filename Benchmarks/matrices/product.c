// The speed of products of matrices on this processor, beside OpenBLAS in the same run: for each
// shape and instruction set the medians of alternating runs on one thread, in GF/s of the full
// product's 2mnk operations. See README.md.
#include "DescentKernels.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { runs = 7, mostRows = 192, mostColumns = 256 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median(double *times) {
  qsort(times, runs, sizeof *times, compare);
  return times[runs / 2];
}

static float *numbers(long count) {
  float *result = aligned_alloc(64, (size_t)(count * 4 + 63) / 64 * 64);
  for (long i = 0; i < count; i++) result[i] = (float)drand48() - 0.5f;
  return result;
}

static void run(const descent_instructions *set, const descent_matrix_step *step,
                const descent_matrix *matrix, float *state, float *workspace, float *space) {
  const bool isSquare = step->out >= DESCENT_SQUARE;
  const unsigned columns = isSquare ? matrix->rows : matrix->columns;
  for (unsigned row = 0; row < matrix->rows; row += mostRows) {
    const unsigned end = isSquare && row + mostRows < columns ? row + mostRows : columns;
    for (unsigned column = 0; column < end; column += mostColumns) {
      const descent_matrix_block block = {.row = row, .column = column};
      set->matrixStep(step, matrix, &block, mostRows, mostColumns, state, workspace, state, space);
    }
  }
}

// Q X for a square Q of s and an X of s × w, or with `isGram` X Xᵀ.
static void shape(const descent_instructions *set, int s, int w, bool isGram) {
  const long count = (long)s * w, square = (long)s * s;
  float *state = numbers(count), *workspace = numbers(count + square), *expected = numbers(count);
  float *space =
      numbers(DESCENT_BLOCK_SPACE(mostRows, mostColumns));
  const descent_matrix matrix = {.squares = (unsigned long)count, .rows = (unsigned)s,
                                 .columns = (unsigned)w, .rowStride = (unsigned)w,
                                 .columnStride = 1};
  const descent_matrix_step step = {.kind = DESCENT_PRODUCT,
                                    .out = isGram ? DESCENT_SQUARE : DESCENT_OTHER,
                                    .first = isGram ? DESCENT_MATRIX : DESCENT_SQUARE,
                                    .second = DESCENT_MATRIX, .alpha = 1};
  double own[runs], peer[runs];
  for (int i = 0; i < runs; i++) {
    double start = now();
    run(set, &step, &matrix, state, workspace, space);
    own[i] = now() - start;
    start = now();
    if (isGram)
      cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, s, w, 1, state, w, 0, expected, s);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, s, w, s, 1, workspace + count, s,
                  state, w, 0, expected, w);
    peer[i] = now() - start;
  }
  const float *found = isGram ? workspace + count : workspace;
  const int row = isGram ? s : w;
  double error = 0;
  for (int i = 0; i < s; i++)
    for (int j = 0; j < (isGram ? i + 1 : w); j++)
      error = fmax(error, fabs(found[i * row + j] - expected[i * row + j]));
  const double work = 2e-9 * s * s * w;
  const double ours = work / median(own), theirs = work / median(peer);
  printf("| %s | %s | %d × %d × %d | %.0f | %.0f | %.2f |\n", set->name, isGram ? "XXᵀ" : "QX", s,
         isGram ? s : w, isGram ? w : s, ours, theirs, ours / theirs);
  if (!(error < 1e-3 * sqrt(w))) exit((fprintf(stderr, "results differ by %g\n", error), 1));
  free(state), free(workspace), free(expected), free(space);
}

int main(void) {
  openblas_set_num_threads(1);
  printf("%s\n\n| instructions | product | m × n × k | Descent, GF/s | OpenBLAS, GF/s | ratio |\n"
         "|---|---|---|---|---|---|\n", openblas_get_config());
  const int shapes[][2] = {{768, 768}, {768, 2304}, {768, 3072}, {1024, 4096}, {2048, 2048},
                           {4096, 4096}};
  const descent_library *library = descent_rules();
  for (int i = 0; i < library->setCount; i++) {
    // The first has no fma where the processor may have none.
    if (i == 0 && library->setCount > 1) continue;
    if (!library->sets[i]->isSupported()) continue;
    for (unsigned k = 0; k < sizeof shapes / sizeof *shapes; k++) {
      shape(library->sets[i], shapes[k][0], shapes[k][1], false);
      shape(library->sets[i], shapes[k][0], shapes[k][1], true);
    }
  }
}
