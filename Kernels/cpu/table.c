// The tables of all rules and instruction sets, and the texts that OpenCL devices compile.
#pragma clang diagnostic ignored "-Wunused-function"  // the rules are here for their scalars
#define LANES 1
#include "DescentKernels.h"
#include "names.h"
#include "lanes.h"

#define EACH "../cpu/declare.inc"
#include "../rules/list.inc"
#undef EACH

static const descent_rule rules[] = {
#define EACH "../cpu/tabulate.inc"
#include "../rules/list.inc"
};

const descent_rule *descent_rules(int *count) {
  *count = sizeof rules / sizeof *rules;
  return rules;
}

extern const descent_instructions descent_baseline, descent_avx2, descent_avx512;

static const descent_instructions *const instructionSets[] = {
    &descent_baseline,
#if defined(__x86_64__)
    &descent_avx2,
    &descent_avx512,
#endif
};

const descent_instructions *const *descent_instruction_sets(int *count) {
  *count = sizeof instructionSets / sizeof *instructionSets;
  return instructionSets;
}

static const char typesText[] = {
#embed "../types.h"
    , 0};
static const char lanesText[] = {
#embed "../lanes.cl"
    , 0};
static const char statesText[] = {
#embed "../states.cl"
    , 0};
static const char prepareText[] = {
#embed "../prepare.cl"
    , 0};
static const char normText[] = {
#embed "../norm.cl"
    , 0};
static const char normKernelsText[] = {
#embed "../norm_kernels.cl"
    , 0};
static const char besideText[] = {
#embed "../beside.cl"
    , 0};
static const char accumulateText[] = {
#embed "../accumulate.cl"
    , 0};
static const char updateText[] = {
#embed "../update.cl"
    , 0};

descent_texts descent_program_texts(void) {
  return (descent_texts){.types = typesText,
                         .lanes = lanesText,
                         .states = statesText,
                         .prepare = prepareText,
                         .update = updateText,
                         .norm = normText,
                         .normKernels = normKernelsText,
                         .beside = besideText,
                         .accumulate = accumulateText};
}
