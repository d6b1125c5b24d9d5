// WebAssembly, simd128 or relaxed SIMD: 128-bit vectors. Imports nothing but its memory.
#define REFRAIN_WIDTH 4
#include "kernels.h"
