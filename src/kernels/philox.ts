/**
 * Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC 2011): four random words are a function of a counter and a key,
 * so any element of a stream is computed without those before it, on any backend and thread.
 */

const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
/** What the key grows by after each round: the golden ratio and √3 - 1, as 32-bit fractions. */
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  // Each sum stays below 2³², so 32-bit products do: several times faster than dividing.
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16)
  const carried = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff)
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) >>> 0
}

/** Writes four random 32-bit words to `out[0..3]`. Counters and keys count modulo 2³². */
export function philox4x32(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
): void {
  let c0 = counter0 >>> 0
  let c1 = counter1 >>> 0
  let c2 = counter2 >>> 0
  let c3 = counter3 >>> 0
  let k0 = key0 >>> 0
  let k1 = key1 >>> 0
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0)
    const low0 = Math.imul(MULTIPLIER_0, c0)
    const high1 = multiplyHigh(MULTIPLIER_1, c2)
    const low1 = Math.imul(MULTIPLIER_1, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + WEYL_0) >>> 0
    k1 = (k1 + WEYL_1) >>> 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/**
 * Fills `out` with the blocks of counters `start`, `start + 1`, … (below 2⁵³; the rest of the counter
 * is 0), as {@link philox4x32} makes them. As many blocks as `out` holds, a power of two from 2 on;
 * `start` is a multiple of it.
 *
 * Faster than block by block: the rounds of a block wait for each other, those of two blocks do not.
 * The upper half of a product comes from floating point: the rounded product is off by less than
 * 2¹¹, so without its lower half, which is known, it is next to the upper half times 2³².
 */
export function philoxBlocks(start: number, key0: number, key1: number, out: Uint32Array): void {
  const low = start | 0
  const high = Math.floor(start / 2 ** 32) | 0
  for (let at = 0; at < out.length; at += 8) {
    let a0 = (low + (at >> 2)) | 0
    let a1 = high
    let a2 = 0
    let a3 = 0
    let b0 = (a0 + 1) | 0
    let b1 = high
    let b2 = 0
    let b3 = 0
    let k0 = key0 | 0
    let k1 = key1 | 0
    for (let round = 0; round < ROUNDS; round++) {
      const aLow0 = Math.imul(MULTIPLIER_0, a0)
      const aLow1 = Math.imul(MULTIPLIER_1, a2)
      const bLow0 = Math.imul(MULTIPLIER_0, b0)
      const bLow1 = Math.imul(MULTIPLIER_1, b2)
      const aHigh0 = upperHalf(MULTIPLIER_0 * (a0 >>> 0), aLow0)
      const aHigh1 = upperHalf(MULTIPLIER_1 * (a2 >>> 0), aLow1)
      const bHigh0 = upperHalf(MULTIPLIER_0 * (b0 >>> 0), bLow0)
      const bHigh1 = upperHalf(MULTIPLIER_1 * (b2 >>> 0), bLow1)
      a0 = aHigh1 ^ a1 ^ k0
      a1 = aLow1
      a2 = aHigh0 ^ a3 ^ k1
      a3 = aLow0
      b0 = bHigh1 ^ b1 ^ k0
      b1 = bLow1
      b2 = bHigh0 ^ b3 ^ k1
      b3 = bLow0
      k0 = (k0 + WEYL_0) | 0
      k1 = (k1 + WEYL_1) | 0
    }
    out[at] = a0
    out[at + 1] = a1
    out[at + 2] = a2
    out[at + 3] = a3
    out[at + 4] = b0
    out[at + 5] = b1
    out[at + 6] = b2
    out[at + 7] = b3
  }
}

const upperHalf = (product: number, low: number) => ((product - (low >>> 0)) * 2 ** -32 + 0.5) | 0
