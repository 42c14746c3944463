#include "names.h"
#include "../../Kernels/cpu/avx512.c"
