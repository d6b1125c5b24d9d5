// Vectors of W floats by the compilers' vector extension; W is set by the translation unit.
//
// Contraction of a*b+c by the compiler is off (-ffp-contract=off): a fused multiply-add is used
// exactly where fma() is written, so every tile variant rounds alike.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef REFRAIN_WIDTH
#define REFRAIN_WIDTH 4
#endif
#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
// Code that is rarely run: as short as can be, where the module is embedded in pages.
#if defined(__wasm__)
#define SMALL __attribute__((minsize))
#else
#define SMALL
#endif
// After a lambda's parameters.
#define LANES __attribute__((always_inline))
#define NOT_INLINE __attribute__((noinline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

namespace {

constexpr int W = REFRAIN_WIDTH;
typedef float V __attribute__((vector_size(W * 4)));
typedef int32_t VI __attribute__((vector_size(W * 4)));

INLINE V load(const float* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float* p, V v) { __builtin_memcpy(p, &v, sizeof v); }

#if REFRAIN_WIDTH == 8
INLINE __m256i firstLanes(int lanes) {
  return (__m256i)(VI{0, 1, 2, 3, 4, 5, 6, 7} < lanes - VI{});
}
#elif REFRAIN_WIDTH == 4
// Not inline: tails are rare and their code is long.
NOINLINE V loadTail(const float* p, int lanes) {
  V v = {};
  for (int i = 0; i < lanes; i++) v[i] = p[i];
  return v;
}
NOINLINE void storeTail(float* p, V v, int lanes) {
  for (int i = 0; i < lanes; i++) p[i] = v[i];
}
#endif

/** The first `lanes` floats, zeros after them. */
INLINE V load(const float* p, int lanes) {
  if (lanes == W) return load(p);
#if REFRAIN_WIDTH == 16
  return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << lanes) - 1), p);
#elif REFRAIN_WIDTH == 8
  return (V)_mm256_maskload_ps(p, firstLanes(lanes));
#else
  return loadTail(p, lanes);
#endif
}

INLINE void store(float* p, V v, int lanes) {
  if (lanes == W) return store(p, v);
#if REFRAIN_WIDTH == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << lanes) - 1), (__m512)v);
#elif REFRAIN_WIDTH == 8
  _mm256_maskstore_ps(p, firstLanes(lanes), (__m256)v);
#else
  storeTail(p, v, lanes);
#endif
}

INLINE V splat(float s) { return s - V{}; }
INLINE VI splatInt(int32_t s) { return s - VI{}; }
INLINE VI bits(V v) { return (VI)v; }
INLINE V floats(VI v) { return (V)v; }
INLINE V toFloat(VI v) { return __builtin_convertvector(v, V); }

/** a·b + c: one rounding where the instruction set has it, two elsewhere. */
INLINE V fma(V a, V b, V c) {
#if REFRAIN_WIDTH == 16
  return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif REFRAIN_WIDTH == 8
  return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__wasm__)
  // The loader makes a relaxed multiply-add of these bytes where there is one (wasm.ts); the nop
  // tells them from a product and a sum that just follow each other.
  V y;
  __asm__("local.get %1\nlocal.get %2\nf32x4.mul\nlocal.get %3\nnop\nf32x4.add\nlocal.set %0"
          : "=r"(y)
          : "r"(a), "r"(b), "r"(c));
  return y;
#else
  return a * b + c;
#endif
}

/** limit < x ? limit : x, lane by lane: a NaN in x stays. */
INLINE V atMost(V x, V limit) {
#if REFRAIN_WIDTH == 16
  return (V)_mm512_min_ps((__m512)limit, (__m512)x);
#elif REFRAIN_WIDTH == 8
  return (V)_mm256_min_ps((__m256)limit, (__m256)x);
#elif defined(__x86_64__)
  return (V)_mm_min_ps((__m128)limit, (__m128)x);
#elif defined(__wasm__)
  // Written out because clang makes a relaxed minimum, which may lose the NaN, of the line below.
  return (V)__builtin_wasm_pmin_f32x4(x, limit);
#else
  return limit < x ? limit : x;
#endif
}

/** limit > x ? limit : x, lane by lane: a NaN in x stays. */
INLINE V atLeast(V x, V limit) {
#if REFRAIN_WIDTH == 16
  return (V)_mm512_max_ps((__m512)limit, (__m512)x);
#elif REFRAIN_WIDTH == 8
  return (V)_mm256_max_ps((__m256)limit, (__m256)x);
#elif defined(__x86_64__)
  return (V)_mm_max_ps((__m128)limit, (__m128)x);
#elif defined(__wasm__)
  return (V)__builtin_wasm_pmax_f32x4(x, limit);
#else
  return limit > x ? limit : x;
#endif
}

INLINE V squareRoot(V x) {
#if REFRAIN_WIDTH == 16
  return (V)_mm512_sqrt_ps((__m512)x);
#elif REFRAIN_WIDTH == 8
  return (V)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
  return (V)_mm_sqrt_ps((__m128)x);
#elif defined(__wasm__)
  return (V)__builtin_wasm_sqrt_f32x4(x);
#else
  V y;
  for (int i = 0; i < W; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

/** Sum of the lanes, pairwise. */
INLINE float sumLanes(V v) {
  float part[W];
  __builtin_memcpy(part, &v, sizeof v);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) part[i] += part[i + half];
  }
  return part[0];
}

/** Whether any lane has a bit set. */
INLINE bool anyLane(VI v) {
  int32_t lane[W], any = 0;
  __builtin_memcpy(lane, &v, sizeof v);
  for (int i = 0; i < W; i++) any |= lane[i];
  return any != 0;
}

/** Calls body(i, lanes) for every vector of begin <= i < end; only the last has fewer lanes. */
template <class Body>
INLINE void forVectors(long begin, long end, Body body) {
  long i = begin;
#if defined(__wasm__)
  // One copy of the body: the module is embedded in pages.
  for (; i < end; i += W) body(i, end - i < W ? (int)(end - i) : W);
  return;
#endif
  for (; i + W <= end; i += W) body(i, W);
  if (i < end) body(i, (int)(end - i));
}

}  // namespace
