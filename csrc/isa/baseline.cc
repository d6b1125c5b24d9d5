// Every processor: 128-bit vectors (SSE2, NEON, or what the compiler makes of them).
#define REFRAIN_WIDTH 4
#include "kernels.h"
REFRAIN_TABLE(baselineKernels)
