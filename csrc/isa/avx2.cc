// x86-64 with AVX2 and FMA: 256-bit vectors.
#define REFRAIN_WIDTH 8
#include "kernels.h"
REFRAIN_TABLE(avx2Kernels)
