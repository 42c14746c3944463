// The rules for every processor of this architecture: SSE2 on x86-64, NEON on arm64.
#define LANES 4
#define INSTRUCTIONS baseline
#define EACH "../cpu/instantiate.inc"

#include "names.h"
#include "lanes.h"
#include "norm.inc"
#include "beside.inc"

#include "../rules/list.inc"
