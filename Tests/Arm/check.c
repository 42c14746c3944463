// Every setting of every rule as this processor's compiled kernels run it, against its pinned
// digest, and a product of matrices against its definition: a program without Swift, so that it
// runs under an emulator. `descent verify --emit-cases FILE` writes what only the Swift code
// computes, the scalars of each step; Scripts/check-arm.sh calls both.
//
// The values are those of Sources/Verification/PinnedSteps.swift, the digest that of
// Sources/Descent/Rule/Digest.swift.
#include "../bits.h"
#include "DescentKernels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  countLimit = 4096,
  stepsLimit = 64,
  statesLimit = DESCENT_MOST_STATES,
  preparationLimit = 8,
  scalarsLimit = 16
};

typedef struct {
  char kernel[64], name[128];
  uint64_t digest;
  int states, scalars;
  float initial[statesLimit];
  struct {
    float preparation[preparationLimit], scalars[scalarsLimit];
  } steps[stepsLimit];
} setting;

static int count, steps, failures;

// MARK: PinnedSteps

static uint64_t mix(uint64_t seed) {
  uint64_t z = seed * 0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static float pinned_value(uint64_t random) {
  uint32_t sign = (uint32_t)(random >> 63) << 31, mantissa = (uint32_t)random & 0x007fffff;
  uint32_t magnitude;
  switch (random >> 32 & 63) {
    case 0:
    case 1: magnitude = 0; break;
    case 2: magnitude = mantissa; break;
    case 3: magnitude = 0x00800000 | mantissa; break;
    case 4: magnitude = 0x1e000000 | mantissa; break;
    case 5: magnitude = 0x5f800000 | mantissa; break;
    case 6: magnitude = 0x7f000000 | mantissa; break;
    case 7: magnitude = random & (uint64_t)1 << 40 ? 0x7fc00000 : 0x7f800000; break;
    default: magnitude = (97 + (uint32_t)(random >> 48 & 0xff) % 40) << 23 | mantissa;
  }
  return from_bits(sign | magnitude);
}

// Stream 0 is the parameters, stream t the gradients of step t.
static void fill(float *values, uint64_t stream) {
  for (int i = 0; i < count; i++) values[i] = pinned_value(mix(stream << 40 ^ (uint64_t)i));
}

static void digest(uint64_t *sum, const float *values) {
  for (int i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, values + i, sizeof word);
    if ((word & 0x7fffffff) > 0x7f800000) word = 0x7fc00000;
    *sum = (*sum ^ word) * 0x100000001b3;
  }
}

// MARK: The floating-point environment

#if defined(__x86_64__)
#include <immintrin.h>
static uint64_t control(void) { return _mm_getcsr() & ~0x3fu; }  // without the flags raised so far
static void set_control(uint64_t value) { _mm_setcsr((unsigned)value); }
static const uint64_t neutral = 0x1f80, hostile = 0x1f80 | 0x8040 | 0x4000;  // FTZ, DAZ, upward
#elif defined(__aarch64__)
static uint64_t control(void) {
  uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
static void set_control(uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
static const uint64_t neutral = 0, hostile = 1 << 24 | 1 << 22;  // FZ, upward
#else
#error "which register controls rounding here?"
#endif

typedef enum { calm, guarded, unguarded } mode;

static uint64_t run(const setting *s, descent_update update, mode mode) {
  static float parameters[countLimit], gradients[countLimit], states[statesLimit][countLimit];
  float *operands[statesLimit + 2] = {parameters, gradients};
  uint64_t sum = 0xcbf29ce484222325;
  fill(parameters, 0);
  for (int k = 0; k < s->states; k++) {
    operands[k + 2] = states[k];
    // All bits set: the state begins as the parameters.
    const bool copies = to_bits(s->initial[k]) == UINT32_MAX;
    for (int i = 0; i < count; i++) states[k][i] = copies ? parameters[i] : s->initial[k];
  }
  for (int t = 1; t <= steps; t++) {
    fill(gradients, (uint64_t)t);
    set_control(mode == calm ? neutral : hostile);
    uint64_t before = mode == guarded ? descent_environment_default() : 0;
    update(operands, NULL, count, s->steps[t - 1].preparation, s->steps[t - 1].scalars);
    if (mode == guarded) {
      descent_environment_restore(before);
      if (control() != hostile) {
        fprintf(stderr, "descent_environment_restore left 0x%" PRIx64 "\n", control());
        failures++;
      }
    }
    set_control(neutral);
    if (t != 1 && t != steps) continue;
    digest(&sum, parameters);
    for (int k = 0; k < s->states; k++) digest(&sum, states[k]);
  }
  return sum;
}

// MARK: Cases

static void read_floats(FILE *file, float *values, int number) {
  for (int i = 0; i < number; i++) {
    uint32_t bits;
    if (fscanf(file, "%" SCNx32, &bits) != 1) exit((fputs("a case is cut short\n", stderr), 2));
    values[i] = from_bits(bits);
  }
}

// The next setting; false at the end.
static bool read_setting(FILE *file, setting *s) {
  int fields = fscanf(file, " case %63s %" SCNx64 " %d %d %127[^\n]", s->kernel, &s->digest,
                      &s->states, &s->scalars, s->name);
  if (fields == EOF) return false;
  const int preparationFloats = sizeof(descent_preparation) / sizeof(float);
  if (fields != 5 || s->states > statesLimit || s->scalars > scalarsLimit ||
      preparationFloats > preparationLimit)
    exit((fputs("not a case\n", stderr), 2));
  read_floats(file, s->initial, s->states);
  for (int t = 0; t < steps; t++) {
    read_floats(file, s->steps[t].preparation, preparationFloats);
    read_floats(file, s->steps[t].scalars, s->scalars);
  }
  return true;
}

static void compare(const setting *s, const char *instructions, const char *how, uint64_t sum) {
  if (sum == s->digest) return;
  fprintf(stderr, "%s, %s, %s: %016" PRIx64 " instead of %016" PRIx64 "\n", s->name, instructions,
          how, sum, s->digest);
  failures++;
}

// MARK: Matrices

// A product of square matrices, compared element by element with the chains of fma that it is
// defined by: ../../Kernels/matrix.cl.
static void check_matrices(const descent_instructions *set) {
  enum { side = 301, elements = side * side };
  const int rows = 3 * set->matrixRows, columns = 2 * set->matrixColumns;
  float *memory = malloc(sizeof(float) * 4 * elements);
  float *space =
      malloc(sizeof(float) * (size_t)DESCENT_BLOCK_SPACE(rows, columns));
  for (int i = 0; i < 4 * elements; i++)
    memory[i] = (float)(mix((uint64_t)i) >> 40) / (1 << 23) - 1;
  // The matrix itself is not used, so the squares begin where the memory does.
  const descent_matrix matrix = {.rows = side, .columns = side, .rowStride = side,
                                 .columnStride = 1};
  const descent_matrix_step step = {.kind = DESCENT_PRODUCT, .out = DESCENT_SQUARE + 3,
                                    .first = DESCENT_SQUARE, .second = DESCENT_SQUARE + 1,
                                    .addend = DESCENT_SQUARE + 2, .adds = 1, .alpha = 0.7f,
                                    .beta = -1.3f};
  for (unsigned row = 0; row < side; row += (unsigned)rows)
    for (unsigned column = 0; column < side; column += (unsigned)columns) {
      const descent_matrix_block block = {.row = row, .column = column};
      set->matrixStep(&step, &matrix, &block, rows, columns, memory, memory, memory, space);
    }
  int apart = 0;
  for (int i = 0; i < side; i++)
    for (int j = 0; j <= i; j++) {
      float sum = 0;
      for (int panel = 0; panel < side; panel += DESCENT_PANEL) {
        float chain = 0;
        for (int k = panel; k < panel + DESCENT_PANEL && k < side; k++)
          chain = fmaf(memory[i * side + k], memory[elements + j * side + k], chain);
        sum = panel == 0 ? chain : sum + chain;
      }
      const float product = 0.7f * sum, addend = -1.3f * memory[2 * elements + i * side + j];
      const uint32_t expected = to_bits(addend + product);
      apart += to_bits(memory[3 * elements + i * side + j]) != expected;
      apart += to_bits(memory[3 * elements + j * side + i]) != expected;
    }
  if (apart > 0)
    failures += fprintf(stderr, "a product of matrices, %s: %d elements\n", set->name, apart) > 0;
  free(memory);
  free(space);
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
  if (!file || fscanf(file, "pinned %d %d", &count, &steps) != 2 || count > countLimit ||
      steps > stepsLimit) {
    fputs("usage: check FILE, as descent verify --emit-cases writes it\n", stderr);
    return 2;
  }
  int runs = 0, settings = 0, unguardedApart = 0;
  const descent_rule *rules = descent_rules()->rules;
  const descent_instructions *const *sets = descent_rules()->sets;
  const int rows = descent_rules()->ruleCount, setCount = descent_rules()->setCount;
  bool reached[rows] = {};
  static setting s;
  for (; read_setting(file, &s); settings++) {
    int row = 0;
    while (row < rows && strcmp(rules[row].name, s.kernel) != 0) row++;
    if (row == rows || rules[row].states != s.states ||
        rules[row].scalarsSize != s.scalars * (int)sizeof(float)) {
      fprintf(stderr, "%s: no kernel %s of such scalars and states\n", s.name, s.kernel);
      return 1;
    }
    reached[row] = true;
    for (int i = 0; i < setCount; i++) {
      if (!sets[i]->isSupported()) continue;
      descent_update update = sets[i]->updates[row];
      compare(&s, sets[i]->name, "default environment", run(&s, update, calm));
      compare(&s, sets[i]->name, "called with flush to zero, upward", run(&s, update, guarded));
      unguardedApart += run(&s, update, unguarded) != s.digest;
      runs++;
    }
  }
  for (int i = 0; i < setCount; i++)
    if (sets[i]->isSupported()) check_matrices(sets[i]);
  for (int row = 0; row < rows; row++)
    if (!reached[row] && rules[row].pass == DESCENT_ELEMENTS && rules[row].numbers == 0)
      failures += fprintf(stderr, "%s: no case reaches it\n", rules[row].name) > 0;
  // Or else the environment above was not what it says, and nothing was shown.
  if (unguardedApart < runs) {
    fprintf(stderr, "flush to zero and upward rounding changed only %d of %d runs\n",
            unguardedApart, runs);
    failures++;
  }
  printf("%d settings of %d kernels, %d runs: %d failures\n", settings, rows, runs, failures);
  return failures > 0;
}
