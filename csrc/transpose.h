// Transposing W × W blocks in registers.
#pragma once
#include "vec.h"

namespace {

template <int... lanes>
struct Lanes {};
#if REFRAIN_WIDTH == 16
typedef Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15> AllLanes;
#elif REFRAIN_WIDTH == 8
typedef Lanes<0, 1, 2, 3, 4, 5, 6, 7> AllLanes;
#else
typedef Lanes<0, 1, 2, 3> AllLanes;
#endif

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, VI{__VA_ARGS__})
#endif

/** Of two rows that are S apart: exchanges the lanes of a that have bit S with those of b that have not. */
template <int S, int... lane>
INLINE void exchange(V& a, V& b, Lanes<lane...>) {
  V low = SHUFFLE(a, b, (lane & S ? W + lane - S : lane)...);
  b = SHUFFLE(a, b, (lane & S ? W + lane : lane + S)...);
  a = low;
}
#undef SHUFFLE

/** In log2 W rounds, each of which transposes blocks of 2 × 2 blocks. */
template <int S = 1>
INLINE void transpose(V (&rows)[W]) {
  UNROLL
  for (int i = 0; i < W; i++) {
    if (!(i & S)) exchange<S>(rows[i], rows[i + S], AllLanes{});
  }
  if constexpr (S * 2 < W) transpose<S * 2>(rows);
}

}  // namespace
