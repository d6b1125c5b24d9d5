/**
 * IEEE 754 binary16, "half precision": 1 bit of sign, 5 of exponent, 10 of fraction. Numbers to their bits
 * and back; Node 20 has no Float16Array.
 */

/** Bits of infinity; beyond it lie NaNs. */
const infinity = 0x7c00

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
/** Where a double's sign and exponent stand: machines are little-endian, as files are. */
const high = 1

/**
 * The bits of the nearest half-precision numbers; of two equally near ones the even one. What lies beyond
 * ±65,504 by half a unit or more becomes infinite.
 */
export function toFloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = bitsOf(values[i])
  return bits
}

function bitsOf(value: number): number {
  double[0] = value
  const sign = (words[high] >>> 16) & 0x8000
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return sign | 0x7e00
  // Below 2^-14 all numbers are multiples of 2^-24 (subnormal).
  const exponent = Math.max(-14, ((words[high] >>> 20) & 0x7ff) - 1023)
  if (exponent > 15) return sign | infinity
  // In units of the last place; a double as large as 2^52 has no fraction, so adding it rounds.
  const units = magnitude * 2 ** (10 - exponent) + 2 ** 52 - 2 ** 52
  // The leading bit, 1024 units, adds 1 to the exponent's field, and so does rounding up to 2048.
  return sign | (((exponent + 14) << 10) + units)
}

/** The numbers of half-precision bits, each exactly. */
export function fromFloat16<Values extends Float32Array | Float64Array = Float32Array>(
  bits: Uint16Array,
  values: Values = new Float32Array(bits.length) as Values,
): Values {
  for (let i = 0; i < values.length; i++) {
    const half = bits[i]
    const field = (half >>> 10) & 0x1f
    const fraction = half & 0x3ff
    const magnitude =
      field === 0
        ? fraction * 2 ** -24
        : field === 0x1f
          ? fraction === 0
            ? Infinity
            : NaN
          : (1024 + fraction) * 2 ** (field - 25)
    values[i] = half & 0x8000 ? -magnitude : magnitude
  }
  return values
}
