// The rules for every processor of this architecture: SSE2 on x86-64, NEON on arm64.
#include "DescentKernels.h"

#define LANES 4
#define INSTRUCTIONS baseline

static bool is_supported(void) { return true; }

#include "isa.inc"
