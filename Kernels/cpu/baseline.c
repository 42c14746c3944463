// The rules for every processor of this architecture: SSE2 on x86-64, NEON on arm64.
#include "DescentKernels.h"

#define LANES 4
#define INSTRUCTIONS baseline
#ifdef __aarch64__
#define HARDWARE_FMA
#define VECTORS_PER_ROW 4
#endif

static bool is_supported(void) { return true; }

#include "isa.inc"
