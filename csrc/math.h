// exp, tanh, sigmoid, log and erf: one polynomial for all targets.
//
// Error bounds are the largest found against double precision over every 13th float of the range, in
// units of the last place of the result, with and without fused multiply-add. NaN gives NaN.
#pragma once
#include "vec.h"

namespace {

constexpr float log2e = 1.44269504088896341f;
// ln 2 in two parts; the first has 10 bits, so that n·ln2High is exact.
constexpr float ln2High = 0.693359375f, ln2Low = -2.12194440e-4f;
// Adding this rounds to a whole number, which then stands in the low bits.
constexpr float rounder = 12582912.0f;

template <int N>
INLINE V polynomial(V x, const float (&coefficients)[N]) {
  V y = splat(coefficients[0]);
  UNROLL
  for (int i = 1; i < N; i++) y = fma(y, x, splat(coefficients[i]));
  return y;
}

#if REFRAIN_WIDTH == 16
// AVX-512 rounds, and multiplies by powers of two, in one instruction each.
typedef V Exponent;
INLINE Exponent nearest(V x, V factor, V& whole) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return whole = (V)_mm512_roundscale_ps((__m512)(x * factor), mode);
}
INLINE V scale(V x, Exponent n) { return (V)_mm512_scalef_ps((__m512)x, (__m512)n); }
INLINE V scaleAdd(V x, Exponent n, V y) { return scale(x, n) + y; }
INLINE V scaleFar(V x, Exponent n) { return scale(x, n); }
#else
typedef VI Exponent;
/** The whole number nearest to x·factor, as float in `whole`; below 2^22. */
INLINE Exponent nearest(V x, V factor, V& whole) {
  V shifted = fma(x, factor, splat(rounder));
  whole = shifted - rounder;
  return bits(shifted) - bits(splat(rounder));
}
INLINE V powerOfTwo(Exponent n) { return floats((n + 127) << 23); }
/** x·2^n for -127 < n < 129; 2^128 counts as infinity. */
INLINE V scale(V x, Exponent n) { return x * powerOfTwo(n); }
/** x·2^n + y, rounded once. */
INLINE V scaleAdd(V x, Exponent n, V y) { return fma(x, powerOfTwo(n), y); }
/** x·2^n in two factors, for results beyond the normal range of 2^n. */
INLINE V scaleFar(V x, Exponent n) {
  Exponent half = n >> 1;
  return scale(scale(x, half), n - half);
}
#endif

/** x = n ln 2 + r with |r| <= ln 2 / 2; returns exp(r) - 1. */
INLINE V reducedExpm1(V x, Exponent& n) {
  // Cephes expf's polynomial.
  constexpr float p[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                         4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  V whole;
  n = nearest(x, splat(log2e), whole);
  V r = fma(whole, splat(-ln2High), x);
  r = fma(whole, splat(-ln2Low), r);
  return fma(polynomial(r, p), r * r, r);
}

/** e^x; 1.01 ulp. Denormal results are rounded, overflow gives infinity. */
INLINE V exponential(V x) {
  Exponent n;
  x = atLeast(atMost(x, splat(90.0f)), splat(-105.0f));
  V y = reducedExpm1(x, n) + 1.0f;
  return scaleFar(y, n);
}

/** 1 / (1 + e^-x); 2.5 ulp, 0 below -88.4 where the result would be denormal. */
INLINE V sigmoid(V x) {
  Exponent n;
  // n = 128 gives infinity, hence 0 as the limit.
  V e = reducedExpm1(atLeast(atMost(-x, splat(89.0f)), splat(-87.3f)), n) + 1.0f;
  return 1.0f / scaleAdd(e, n, splat(1.0f));
}

/** (e^2a - 1) / (e^2a + 1) with a = |x|, from e^2a - 1 so that nothing cancels near 0; 2.5 ulp. */
INLINE V hyperbolicTangent(V x) {
  Exponent n;
  VI sign = bits(x) & splatInt(INT32_MIN);
  V a = atMost(floats(bits(x) ^ sign), splat(9.1f));
  V r = reducedExpm1(a + a, n), power = scale(splat(1.0f), n);
  V expm1 = fma(power, r, power - 1.0f);
  return floats(bits(expm1 / (expm1 + 2.0f)) | sign);
}

/** ln x, denormals too; 0.81 ulp. -infinity at 0, NaN below. */
INLINE V logarithm(V x) {
  // Cephes logf's polynomial.
  constexpr float p[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                         -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                         2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  VI tiny = x < splat(1.17549435e-38f);
  V scaled = tiny ? x * 8388608.0f : x;
  // The mantissa lies between √½ and √2.
  VI exponent = (bits(scaled) - 0x3f3504f3) >> 23;
  V f = floats(bits(scaled) - (exponent << 23)) - 1.0f;
  V e = toFloat(exponent) - (tiny ? splat(23.0f) : splat(0.0f));
  V square = f * f;
  V y = polynomial(f, p) * (f * square);
  y = fma(e, splat(ln2Low), y) - 0.5f * square;
  y = fma(e, splat(ln2High), f + y);
  y = x < splat(__builtin_inff()) ? y : x;
  y = x > splat(0.0f) ? y : (x == splat(0.0f) ? splat(-__builtin_inff()) : x - x);
  return x < splat(0.0f) ? splat(__builtin_nanf("")) : y;
}

/** ln(1 + x) for x >= 0; 1.3 ulp. */
INLINE V logarithm1p(V x) {
  V u = x + 1.0f;
  return logarithm(u) + (x - (u - 1.0f)) / u;
}

INLINE V absolute(V x) { return floats(bits(x) & splatInt(INT32_MAX)); }

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|); 2 ulp from -87 on. NaN stays. */
INLINE V softplus(V x) { return atLeast(x, splat(0.0f)) + logarithm1p(exponential(-absolute(x))); }

/**
 * The normal distribution Φ(x) = erfc(-x/√2) / 2 by Cephes ndtrf's polynomials: erf near 0, erfc
 * beyond |x/√2| = 1, so that small tails keep their digits. Above 0 2 ulp. Below, the rounding of
 * x/√2 counts x² times: the relative error is 1e-6 down to -3, 1.6e-6 to -5, 4e-6 to -8 and 1.2e-5
 * to -12.9, where the result is 1e-38.
 */
INLINE V normalDistribution(V x) {
  constexpr float near[] = {7.853861353153693e-5f,  -8.010193625184903e-4f, 5.188327685732524e-3f,
                            -2.685381193529856e-2f, 1.128358514861418e-1f,  -3.761262582423300e-1f,
                            1.128379165726710f};
  constexpr float middle[] = {2.326819970068386e-2f,  -1.387039388740657e-1f,
                              3.687424674597105e-1f,  -5.824733027278666e-1f,
                              6.210004621745983e-1f,  -4.944515323274145e-1f,
                              3.404879937665872e-1f,  -2.741127028184656e-1f,
                              5.638259427386472e-1f};
  constexpr float far[] = {-1.047766399936249e1f, 1.297719955372516e1f,   -7.495518717768503f,
                           2.921019019210786f,    -1.015265279202700f,    4.218463358204948e-1f,
                           -2.820767439740514e-1f, 5.641895067754075e-1f};
  V z = x * 0.70710678118654752f, a = absolute(z);
  V erf = z * polynomial(z * z, near);
  V q = 1.0f / atLeast(a, splat(1.0f)), q2 = q * q;
  V p = a < splat(2.0f) ? polynomial(q2, middle) : polynomial(q2, far);
  // e^(-a²) in two factors, the first of a rounded to 12 bits whose square is exact.
  V b = atMost(a, splat(10.0f));
  V high = floats(bits(b) & splatInt(~0xfff)), low = b - high;
  V tail = exponential(-high * high) * exponential(-low * (high + b)) * q * p * 0.5f;
  V beyond = z > splat(0.0f) ? 1.0f - tail : tail;
  return a > splat(1.0f) ? beyond : fma(erf, splat(0.5f), splat(0.5f));
}

}  // namespace
