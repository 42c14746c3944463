#include "names.h"
#include "../../Kernels/cpu/avx2.c"
