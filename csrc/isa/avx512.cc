// x86-64 with AVX-512 F, BW, DQ and VL: 512-bit vectors.
#define REFRAIN_WIDTH 16
#include "kernels.h"
REFRAIN_TABLE(avx512Kernels)
