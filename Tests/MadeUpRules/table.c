#include "MadeUpRules.h"

#pragma clang diagnostic ignored "-Wunused-function"
#define LANES 1
#include "DescentKernels.h"
#include "names.h"
#include "../../Kernels/cpu/names.h"
#include "../../Kernels/cpu/lanes.h"
#include "../../Kernels/cpu/library.inc"

const void *made_up_library(void) { return made_up_rules(); }
