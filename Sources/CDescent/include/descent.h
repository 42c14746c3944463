// Descent's update rules for C: one step of an optimizer on memory that the caller owns, on the
// calling thread.
//
//   descent_rule_t *adam = descent_rule_create("adam");
//   descent_rule_set(adam, "learningRate", 1e-3);
//   for (int64_t step = 1; step <= steps; step++) {
//     ... gradients ...
//     float *states[] = {m, v};
//     if (descent_update(adam, parameters, gradients, states, count, step, 1) != DESCENT_OK)
//       puts(descent_error());
//   }
//   descent_rule_destroy(adam);
//
// The results are bit-identical to those of the Swift package, on every processor.
//
// Threads: any number of threads may read one rule and update with it at the same time, while none
// sets or destroys it. Elements are independent, so a caller may split its vectors among threads.
#ifndef DESCENT_H
#define DESCENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The version of this header; descent_version() returns that of the library.
#define DESCENT_VERSION "0.1.0"

// The status of functions that may fail. After a failure nothing has changed, and descent_error()
// says what was given and what is allowed.
enum {
  DESCENT_OK = 0,
  // A null pointer, an invalid index, count or step, or vectors that overlap.
  DESCENT_WRONG_ARGUMENT = 1,
  // A name that is not known; the message lists those that are.
  DESCENT_UNKNOWN_NAME = 2,
  // A hyper-parameter out of its range, or hyper-parameters that exclude each other.
  DESCENT_WRONG_VALUE = 3
};

// A rule with its hyper-parameters.
typedef struct descent_rule_handle descent_rule_t;

// The version of the library, such as "0.1.0".
const char *descent_version(void);

// The message of the latest failure on this thread, a sentence; empty before the first. It is valid
// until the next failure on this thread, and at most 1023 bytes long.
const char *descent_error(void);

// The number of rules, and the name of each, such as "adam". The name is null if the index is not
// below the count. Names that functions in this header return stay valid until the process ends.
size_t descent_rule_count(void);
const char *descent_rule_name_at(size_t index);

// Creates a rule by its name, with default hyper-parameters. For an unknown name it returns null
// and sets the error.
descent_rule_t *descent_rule_create(const char *name);

// Creates a rule with the same hyper-parameters. If `rule` is null it returns null and sets the
// error.
descent_rule_t *descent_rule_copy(const descent_rule_t *rule);

// Frees a rule; does nothing for null.
void descent_rule_destroy(descent_rule_t *rule);

// The number of the rule's hyper-parameters, and their names, such as "learningRate" and "beta1".
// The name is null if the index is not below the count. The count is 0 if `rule` is null.
size_t descent_hyperparameter_count(const descent_rule_t *rule);
const char *descent_hyperparameter_name(const descent_rule_t *rule, size_t index);

// Reads or sets a hyper-parameter. Switches are 0 or 1; NAN means that an optional number is not
// set.
int descent_rule_get(const descent_rule_t *rule, const char *name, double *value);
int descent_rule_set(descent_rule_t *rule, const char *name, double value);

// Checks that the hyper-parameters are valid together; every update checks this as well.
int descent_rule_validate(const descent_rule_t *rule);

// The states are the vectors that the rule keeps from step to step; they depend on its
// hyper-parameters. These functions return their number, their names ("m", "v"), and the value of
// every element before the first step. The name is null and the value is NAN if the index is not
// below the count. The number is 0 if `rule` is null.
size_t descent_state_count(const descent_rule_t *rule);
const char *descent_state_name(const descent_rule_t *rule, size_t index);
float descent_state_initial_value(const descent_rule_t *rule, size_t index);

// Takes one step: updates `count` parameters and each state, of `count` elements, from `count`
// gradients. No two of these vectors may overlap. They may have any alignment.
//
// `step` is the number of this step, from 1 to 2^53. Gradients are first multiplied by
// `gradient_scale`: 1, or one over a loss scale or over a number of accumulated batches. `states`
// may be null for a rule that has none.
int descent_update(const descent_rule_t *rule, float *parameters, const float *gradients,
                   float *const *states, size_t count, int64_t step, double gradient_scale);

// The same step for a caller who applies the result: parameters are not changed, states are
// updated, and deltas[i] becomes the new parameter minus the old one, rounded once. Neither deltas
// nor a state may overlap another vector; parameters and gradients, which are only read, may be the
// same.
int descent_delta(const descent_rule_t *rule, const float *parameters, const float *gradients,
                  float *const *states, float *deltas, size_t count, int64_t step,
                  double gradient_scale);

#ifdef __cplusplus
}
#endif

#endif
