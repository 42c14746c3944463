// Descent's update rules for C: one step of an optimizer over memory that the caller owns, on the
// calling thread.
//
//   descent_rule_t *adam = descent_rule_create("adam"); descent_rule_set(adam, "learningRate",
//   1e-3); for (int64_t step = 1; step <= steps; step++) { ... gradients ... float *states[] = {m,
//   v}; if (descent_update(adam, parameters, gradients, states, count, step, 1) != DESCENT_OK)
//   puts(descent_error()); } descent_rule_destroy(adam);
//
// The same calls leave the same bits as the Swift package's, on every processor.
//
// Threads: any number may read one rule and update with it at a time, while none sets or destroys
// it. Elements are independent, so a caller may split its vectors among threads at will.
#ifndef DESCENT_H
#define DESCENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The version that this header is of; descent_version() is the library's.
#define DESCENT_VERSION "0.1.0"

// What functions that may fail return. After a failure nothing has changed, and descent_error()
// says what was given and what is allowed.
enum {
  DESCENT_OK = 0,
  // A null pointer, an index, a count or a step that cannot be, or vectors that share memory.
  DESCENT_WRONG_ARGUMENT = 1,
  // A name that is not known; the message lists those that are.
  DESCENT_UNKNOWN_NAME = 2,
  // A hyper-parameter out of its range, or hyper-parameters that exclude each other.
  DESCENT_WRONG_VALUE = 3
};

// A rule with its hyper-parameters.
typedef struct descent_rule_handle descent_rule_t;

// As in "0.1.0".
const char *descent_version(void);

// What the latest failure on this thread was, as a sentence; empty before the first. Good until the
// next failure on this thread, and at most 1023 bytes long.
const char *descent_error(void);

// The rules there are, and their names: "adam". Null for an index that is not below the count.
// Names that functions here return stay good for ever.
size_t descent_rule_count(void);
const char *descent_rule_name_at(size_t index);

// A rule by name, with its default hyper-parameters; null, and an error, for a name that is not
// known.
descent_rule_t *descent_rule_create(const char *name);

// Another rule with the same hyper-parameters; null, and an error, if `rule` is null.
descent_rule_t *descent_rule_copy(const descent_rule_t *rule);

// Frees a rule; null is left alone.
void descent_rule_destroy(descent_rule_t *rule);

// The rule's hyper-parameters by name: "learningRate", "beta1". Null for an index that is not below
// the count; 0 for no rule.
size_t descent_hyperparameter_count(const descent_rule_t *rule);
const char *descent_hyperparameter_name(const descent_rule_t *rule, size_t index);

// A hyper-parameter. Switches are 0 or 1, and NAN is a number that is left out.
int descent_rule_get(const descent_rule_t *rule, const char *name, double *value);
int descent_rule_set(descent_rule_t *rule, const char *name, double value);

// Whether the hyper-parameters can be used together; every update looks as well.
int descent_rule_validate(const descent_rule_t *rule);

// The vectors that the rule keeps from step to step, which depend on its hyper-parameters: their
// number, their names ("m", "v"), and what every element of one holds before the first step. Null,
// and NAN, for an index that is not below the count; 0 for no rule.
size_t descent_state_count(const descent_rule_t *rule);
const char *descent_state_name(const descent_rule_t *rule, size_t index);
float descent_state_initial_value(const descent_rule_t *rule, size_t index);

// One step: updates `count` parameters and each of the states, of `count` elements, from as many
// gradients. No two of all these vectors may overlap; they may have any alignment.
//
// `step` is the number of this step, from 1 to 2^53. Gradients are multiplied by `gradient_scale`
// first: 1, or one over a loss scale or over a number of accumulated batches. `states` may be null
// for a rule that keeps none.
int descent_update(const descent_rule_t *rule, float *parameters, const float *gradients,
                   float *const *states, size_t count, int64_t step, double gradient_scale);

// The same step for a caller who applies it: parameters stay as they are, states move on, and
// deltas[i] becomes the new parameter less the old one, rounded once. Neither deltas nor a state
// may overlap another vector; parameters and gradients, which are only read, may be the same.
int descent_delta(const descent_rule_t *rule, const float *parameters, const float *gradients,
                  float *const *states, float *deltas, size_t count, int64_t step,
                  double gradient_scale);

#ifdef __cplusplus
}
#endif

#endif
