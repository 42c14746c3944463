// The tables of all rules and instruction sets, and the texts that OpenCL devices compile.
#pragma clang diagnostic ignored "-Wunused-function"  // the rules are here for their scalars
#define LANES 1
#include "DescentKernels.h"
#include "names.h"
#include "lanes.h"

#include "library.inc"

static const char typesText[] = {
#embed "../types.h"
    , 0};
static const char lanesText[] = {
#embed "../lanes.cl"
    , 0};
static const char storageText[] = {
#embed "../storage.cl"
    , 0};
static const char elementsText[] = {
#embed "../elements.cl"
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
static const char itemTileText[] = {
#embed "../item_tile.cl"
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
static const char matrixText[] = {
#embed "../matrix.cl"
    , 0};
static const char matrixKernelsText[] = {
#embed "../matrix_kernels.cl"
    , 0};
static const char updateText[] = {
#embed "../update.cl"
    , 0};

descent_texts descent_program_texts(void) {
  return (descent_texts){.types = typesText,
                         .lanes = lanesText,
                         .storage = storageText,
                         .elements = elementsText,
                         .states = statesText,
                         .prepare = prepareText,
                         .update = updateText,
                         .norm = normText,
                         .itemTile = itemTileText,
                         .normKernels = normKernelsText,
                         .beside = besideText,
                         .accumulate = accumulateText,
                         .matrix = matrixText,
                         .matrixKernels = matrixKernelsText};
}
