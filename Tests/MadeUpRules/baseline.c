#include "names.h"
#include "../../Kernels/cpu/baseline.c"
