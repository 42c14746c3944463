// A trainer in C that calls Descent for its updates: softmax regression on handwritten digits.
// Build and run it with `make -C Examples/c`, after `make check-c` has built the library.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "descent.h"

enum { PIXELS = 64, CLASSES = 10, MOST = 2000, COUNT = CLASSES * (PIXELS + 1), BATCH = 64 };

static float images[MOST][PIXELS];
static int labels[MOST];

static int load(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return perror(path), 0;
  int count = 0;
  for (; count < MOST; count++) {
    int value = 0, read = 0;
    for (; read < PIXELS && fscanf(file, "%d,", &value) == 1; read++)
      images[count][read] = value / 16.0f;
    if (read < PIXELS || fscanf(file, "%d", &labels[count]) != 1) break;
  }
  fclose(file);
  return count;
}

// z = Wx + b; the weights come first, then the biases.
static void logits(const float *parameters, const float *x, float *z) {
  for (int k = 0; k < CLASSES; k++) {
    z[k] = parameters[CLASSES * PIXELS + k];
    for (int i = 0; i < PIXELS; i++) z[k] += parameters[k * PIXELS + i] * x[i];
  }
}

static int greatest(const float *z) {
  int best = 0;
  for (int k = 1; k < CLASSES; k++)
    if (z[k] > z[best]) best = k;
  return best;
}

// Adds the gradient of -log softmax(z)[label].
static void backward(const float *parameters, float *gradients, const float *x, int label) {
  float z[CLASSES], sum = 0;
  logits(parameters, x, z);
  const float top = z[greatest(z)];
  for (int k = 0; k < CLASSES; k++) sum += z[k] = expf(z[k] - top);
  for (int k = 0; k < CLASSES; k++) {
    const float d = z[k] / sum - (k == label);
    gradients[CLASSES * PIXELS + k] += d;
    for (int i = 0; i < PIXELS; i++) gradients[k * PIXELS + i] += d * x[i];
  }
}

int main(int argc, char **argv) {
  const int digits = load(argc > 1 ? argv[1] : "../data/digits.csv");
  descent_rule_t *rule = descent_rule_create("adamw");
  if (!digits || !rule || descent_rule_set(rule, "learningRate", 0.01) != DESCENT_OK) {
    fprintf(stderr, "%s\n", descent_error());
    return EXIT_FAILURE;
  }

  float parameters[COUNT] = {0}, gradients[COUNT];
  // One vector for each state that the rule keeps: "m" and "v".
  const size_t count = descent_state_count(rule);
  float **states = calloc(count, sizeof *states);
  for (size_t s = 0; s < count; s++) {
    states[s] = malloc(COUNT * sizeof **states);
    for (int i = 0; i < COUNT; i++) states[s][i] = descent_state_initial_value(rule, s);
  }

  int64_t step = 0;
  for (int epoch = 0; epoch < 5; epoch++) {
    for (int start = 0; start + BATCH <= digits; start += BATCH) {
      for (int i = 0; i < COUNT; i++) gradients[i] = 0;
      for (int d = start; d < start + BATCH; d++)
        backward(parameters, gradients, images[d], labels[d]);
      if (descent_update(rule, parameters, gradients, states, COUNT, ++step, 1.0 / BATCH)) {
        fprintf(stderr, "%s\n", descent_error());
        return EXIT_FAILURE;
      }
    }
  }

  int right = 0;
  for (int d = 0; d < digits; d++) {
    float z[CLASSES];
    logits(parameters, images[d], z);
    right += greatest(z) == labels[d];
  }
  printf("descent %s from C: %d steps, %.1f%% right\n", descent_version(), (int)step,
         100.0 * right / digits);
  for (size_t s = 0; s < count; s++) free(states[s]);
  free(states);
  descent_rule_destroy(rule);
  return right > 0.9 * digits ? EXIT_SUCCESS : EXIT_FAILURE;
}
