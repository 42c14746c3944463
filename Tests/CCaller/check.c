// The tests link this file, and Scripts/check-c.sh makes a program of it against the finished
// libraries.
#include "CCaller.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "descent.h"

static int failures;

static void expect(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "check.c: %s (last error: \"%s\")\n", what, descent_error());
  failures++;
}

static void expect_error(int code, int expected, const char *text) {
  expect(code == expected, text);
  expect(strstr(descent_error(), text) != NULL, text);
}

static void expect_bits(const float *values, const unsigned *bits, int count, const char *what) {
  expect(memcmp(values, bits, count * sizeof *bits) == 0, what);
}

// Down ½Σ(x − target)², for 50 steps. The bits are from the equations in the rule's file, done one
// rounded operation at a time in Python.
static void parabola(void) {
  const float target[] = {0.25f, 0, 3};
  float x[] = {1, -2, 0.5f}, g[3], m[3], v[3];
  float *states[] = {m, v};
  descent_rule_t *adam = descent_rule_create("adam");
  expect(adam != NULL, "adam is there");
  expect(descent_rule_set(adam, "learningRate", 0.1) == DESCENT_OK, "learningRate is set");
  expect(descent_state_count(adam) == 2, "adam keeps two states");
  for (size_t s = 0; s < descent_state_count(adam); s++)
    for (int i = 0; i < 3; i++) states[s][i] = descent_state_initial_value(adam, s);
  for (int64_t step = 1; step <= 50; step++) {
    for (int i = 0; i < 3; i++) g[i] = x[i] - target[i];
    expect(descent_update(adam, x, g, states, 3, step, 1) == DESCENT_OK, "a step is taken");
  }
  expect_bits(x, (unsigned[]){0x3e560a00, 0x3d9b2a31, 0x404c47b8}, 3, "x after 50 steps of adam");
  expect_bits(m, (unsigned[]){0xbc2f4ceb, 0x3e04d2c9, 0x3dbb653c}, 3, "m after 50 steps of adam");
  expect_bits(v, (unsigned[]){0x3b1302a4, 0x3cf0e77c, 0x3d64a6be}, 3, "v after 50 steps of adam");
  descent_rule_destroy(adam);

  float y[] = {1, -2, 0.5f};
  descent_rule_t *sgd = descent_rule_create("sgd");
  descent_rule_set(sgd, "learningRate", 0.1);
  expect(descent_state_count(sgd) == 0, "sgd keeps no states");
  for (int64_t step = 1; step <= 3; step++) {
    for (int i = 0; i < 3; i++) g[i] = 4 * (y[i] - target[i]);
    expect(descent_update(sgd, y, g, NULL, 3, step, 0.25) == DESCENT_OK, "a step is taken");
  }
  expect_bits(y, (unsigned[]){0x3f4bf7cf, 0xbfba9fbe, 0x3f96b852}, 3, "x after 3 steps of sgd");
  descent_rule_destroy(sgd);
}

// What a step changes, from parameters that stay.
static void deltas(void) {
  const float x[] = {1, -2, 0.5f}, g[] = {0.25f, -3, 1e-3f};
  float y[] = {1, -2, 0.5f}, m[3] = {0}, v[3] = {0}, otherM[3] = {0}, otherV[3] = {0};
  float found[3], *states[] = {m, v}, *others[] = {otherM, otherV};
  descent_rule_t *adam = descent_rule_create("adam");
  expect(descent_update(adam, y, g, states, 3, 1, 1) == DESCENT_OK, "a step is taken");
  expect(descent_delta(adam, x, g, others, found, 3, 1, 1) == DESCENT_OK, "deltas are written");
  for (int i = 0; i < 3; i++) expect(found[i] == y[i] - x[i] && found[i] != 0, "what a step changes");
  expect(memcmp(m, otherM, sizeof m) == 0 && memcmp(v, otherV, sizeof v) == 0, "states move on");
  expect(descent_delta(adam, x, g, others, NULL, 3, 2, 1) != DESCENT_OK, "deltas need memory");
  expect(memcmp(m, otherM, sizeof m) == 0, "an error changes nothing");
  expect(descent_delta(adam, x, x, others, found, 3, INT64_MAX, 1) != DESCENT_OK, "2^53 steps");
  expect(memcmp(m, otherM, sizeof m) == 0, "a step too many changes nothing");
  expect(descent_delta(adam, x, x, others, found, 3, 2, 1) == DESCENT_OK, "one vector read twice");
  descent_rule_destroy(adam);
}

static void catalogue(void) {
  expect(descent_rule_count() >= 9, "nine rules at least");
  for (size_t i = 0; i < descent_rule_count(); i++) {
    const char *name = descent_rule_name_at(i);
    descent_rule_t *rule = descent_rule_create(name);
    expect(rule != NULL && descent_rule_validate(rule) == DESCENT_OK, name);
    for (size_t k = 0; k < descent_hyperparameter_count(rule); k++) {
      const char *parameter = descent_hyperparameter_name(rule, k);
      double value = -1, again = -2;
      expect(descent_rule_get(rule, parameter, &value) == DESCENT_OK, parameter);
      expect(descent_rule_set(rule, parameter, value) == DESCENT_OK, parameter);
      expect(descent_rule_get(rule, parameter, &again) == DESCENT_OK, parameter);
      expect(value == again || (isnan(value) && isnan(again)), parameter);
    }
    expect(descent_hyperparameter_name(rule, descent_hyperparameter_count(rule)) == NULL, name);
    for (size_t s = 0; s < descent_state_count(rule); s++)
      expect(descent_state_name(rule, s) != NULL && !isnan(descent_state_initial_value(rule, s)), name);
    descent_rule_destroy(rule);
  }
  expect(descent_rule_name_at(descent_rule_count()) == NULL, "no name beyond the last");
  expect(strcmp(descent_version(), DESCENT_VERSION) == 0, "header and library are of one version");
}

static void mistakes(void) {
  expect(descent_rule_create("adum") == NULL, "no such rule");
  expect(strstr(descent_error(), "there is no rule \"adum\"; there is sgd, ") != NULL, "adum");
  expect(descent_rule_create(NULL) == NULL, "no name");
  descent_rule_t *adam = descent_rule_create("adam");
  double value = 7;
  expect_error(descent_rule_set(adam, "beta3", 1), DESCENT_UNKNOWN_NAME,
               "there is no hyper-parameter of adam \"beta3\"; there is learningRate, beta1");
  expect_error(descent_rule_get(adam, "beta3", &value), DESCENT_UNKNOWN_NAME, "beta3");
  expect_error(descent_rule_set(adam, "beta1", 1.5), DESCENT_WRONG_VALUE,
               "adam: beta1 is 1.5; allowed is a number of at least 0 and below 1 that a Float can hold");
  expect_error(descent_rule_set(adam, "beta1", NAN), DESCENT_WRONG_VALUE, "adam: beta1 is nan");
  expect_error(descent_rule_set(adam, "maximize", 2), DESCENT_WRONG_VALUE, "allowed is 0 or 1");
  expect(descent_rule_get(adam, "beta1", &value) == DESCENT_OK && value == 0.9, "beta1 is as it was");
  expect_error(descent_rule_get(adam, "beta1", NULL), DESCENT_WRONG_ARGUMENT, "value is null");
  expect_error(descent_rule_set(NULL, "beta1", 0), DESCENT_WRONG_ARGUMENT, "rule is null");
  expect_error(descent_rule_validate(NULL), DESCENT_WRONG_ARGUMENT, "rule is null");
  expect(descent_rule_copy(NULL) == NULL && descent_state_count(NULL) == 0, "no rule");
  descent_rule_destroy(NULL);

  descent_rule_t *other = descent_rule_copy(adam);
  descent_rule_set(other, "rootEpsilon", 1e-8);
  descent_rule_set(other, "epsilonBeforeCorrection", 1);
  expect_error(descent_rule_validate(other), DESCENT_WRONG_VALUE, "are no known method");
  expect(descent_rule_validate(adam) == DESCENT_OK, "a copy is a rule of its own");

  float x[8] = {1, 2, 3, 4}, g[4] = {1, 1, 1, 1}, m[4] = {0}, v[4] = {0};
  float *states[] = {m, v}, *none[] = {m, NULL}, *same[] = {m, m};
  const int wrong = DESCENT_WRONG_ARGUMENT;
  expect_error(descent_update(NULL, x, g, states, 4, 1, 1), wrong, "rule is null");
  expect_error(descent_update(adam, NULL, g, states, 4, 1, 1), wrong, "parameters is null");
  expect_error(descent_update(adam, x, NULL, states, 4, 1, 1), wrong, "gradients is null");
  expect_error(descent_update(adam, x, g, NULL, 4, 1, 1), wrong, "states is null");
  expect_error(descent_update(adam, x, g, none, 4, 1, 1), wrong, "states[1] is null");
  expect_error(descent_update(adam, x, g, same, 4, 1, 1), wrong, "share memory");
  expect_error(descent_update(adam, x, x + 3, states, 4, 1, 1), wrong, "share memory");
  expect_error(descent_update(adam, x, g, states, 4, 0, 1), wrong, "step is 0; allowed is 1 to 9007199254740992");
  expect_error(descent_update(adam, x, g, states, 4, 1, NAN), wrong, "gradientScale is nan");
  expect_error(descent_update(adam, x, g, states, SIZE_MAX, 1, 1), wrong, "count is 18446744073709551615");
  expect_error(descent_update(other, x, g, states, 4, 1, 1), DESCENT_WRONG_VALUE, "no known method");
  expect(x[0] == 1 && x[3] == 4 && m[0] == 0 && v[3] == 0, "nothing was touched");
  expect(descent_update(adam, NULL, NULL, (float *[]){NULL, NULL}, 0, 1, 1) == DESCENT_OK, "no elements");
  descent_rule_destroy(other);
  descent_rule_destroy(adam);
}

// A message longer than there is room for ends, and within it.
static void long_names(void) {
  char name[4096];
  memset(name, 'x', sizeof name);
  name[sizeof name - 1] = 0;
  expect(descent_rule_create(name) == NULL && strlen(descent_error()) == 1023, "a long name");
}

int descent_c_checks(void) {
  failures = 0;
  expect(descent_error() != NULL, "there is always a text");
  parabola();
  deltas();
  catalogue();
  mistakes();
  long_names();
  return failures;
}

#ifdef DESCENT_C_MAIN
int main(void) {
  int failed = descent_c_checks();
  printf("descent %s from C: %s\n", descent_version(), failed ? "failed" : "passed");
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#endif
