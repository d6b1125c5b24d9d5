/**
 * Decodes LZMA: a third less than what gzip makes of the WebAssembly module. After Igor Pavlov, LZMA
 * specification (2015), whose names the parts bear, with lc = 3, lp = 0, pb = 2, the usual properties.
 */
import { RefrainError } from '../errors.ts'

const lengthProbabilities = 2 + 4 * 8 + 4 * 8 + 256
/** Where the probabilities of each kind begin. */
const isMatch = 0
const isRep = isMatch + 12 * 4
const isRepG0 = isRep + 12
const isRepG1 = isRepG0 + 12
const isRepG2 = isRepG1 + 12
const isRep0Long = isRepG2 + 12
const posSlot = isRep0Long + 12 * 4
const posSpecial = posSlot + 4 * 64
const posAlign = posSpecial + 128
const matchLength = posAlign + 16
const repLength = matchLength + lengthProbabilities
const literal = repLength + lengthProbabilities
const end = literal + (0x300 << 3)
/** The places in the coder's state. */
const range = 0
const code = 1

/**
 * The `length` bytes that `packed` stands for: the stream alone, without the header of an .lzma file and
 * without an end marker. Throws `BAD_FILE` where it ends early or points outside.
 */
export function unpackLzma(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  const probabilities = new Uint16Array(end).fill(1024)
  // In an array, since V8 allocates each new value of a captured variable above 2³¹.
  const coder = new Uint32Array([2 ** 32 - 1, 0])
  let at = 1
  const next = () => {
    if (at >= packed.length) throw broken()
    coder[code] = (coder[code] << 8) | packed[at++]
  }
  for (let i = 0; i < 4; i++) next()

  const normalize = () => {
    if (coder[range] >= 2 ** 24) return
    coder[range] <<= 8
    next()
  }
  const bit = (index: number): number => {
    const p = probabilities[index]
    const bound = (coder[range] >>> 11) * p
    const one = Number(coder[code] >= bound)
    if (one) {
      coder[range] -= bound
      coder[code] -= bound
      probabilities[index] -= p >> 5
    } else {
      coder[range] = bound
      probabilities[index] += (2048 - p) >> 5
    }
    normalize()
    return one
  }
  const direct = (bits: number): number => {
    let value = 0
    while (bits-- > 0) {
      coder[range] >>>= 1
      const one = Number(coder[code] >= coder[range])
      if (one) coder[code] -= coder[range]
      value = value * 2 + one
      normalize()
    }
    return value
  }
  const tree = (first: number, bits: number): number => {
    let node = 1
    for (let i = 0; i < bits; i++) node = 2 * node + bit(first + node)
    return node - (1 << bits)
  }
  const reverseTree = (first: number, bits: number): number => {
    let value = 0
    for (let i = 0, node = 1; i < bits; i++) {
      const one = bit(first + node)
      node = 2 * node + one
      value |= one << i
    }
    return value
  }
  const matchedLength = (first: number, position: number): number => {
    if (!bit(first)) return 2 + tree(first + 2 + 8 * position, 3)
    if (!bit(first + 1)) return 10 + tree(first + 34 + 8 * position, 3)
    return 18 + tree(first + 66, 8)
  }
  const distanceOf = (length: number): number => {
    const slot = tree(posSlot + 64 * Math.min(length - 2, 3), 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const high = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return high + reverseTree(posSpecial + high - slot, bits)
    return high + direct(bits - 4) * 16 + reverseTree(posAlign, 4)
  }

  let state = 0
  /** The last four distances, less one. */
  let distances = [0, 0, 0, 0]
  for (let n = 0; n < length; ) {
    const position = n & 3
    if (!bit(isMatch + 4 * state + position)) {
      const first = literal + 0x300 * ((out[n - 1] ?? 0) >> 5)
      let symbol = 1
      if (state >= 7) {
        let byte = out[n - distances[0] - 1]
        while (symbol < 256) {
          const expected = (byte >> 7) & 1
          byte <<= 1
          const one = bit(first + ((1 + expected) << 8) + symbol)
          symbol = 2 * symbol + one
          if (one !== expected) break
        }
      }
      while (symbol < 256) symbol = 2 * symbol + bit(first + symbol)
      out[n++] = symbol
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
      continue
    }
    let size = 1
    if (!bit(isRep + state)) {
      size = matchedLength(matchLength, position)
      distances = [distanceOf(size), ...distances.slice(0, 3)]
      state = state < 7 ? 7 : 10
    } else {
      let again = 0
      if (bit(isRepG0 + state)) again = bit(isRepG1 + state) ? 2 + bit(isRepG2 + state) : 1
      if (again === 0 && !bit(isRep0Long + 4 * state + position)) {
        state = state < 7 ? 9 : 11
      } else {
        distances.unshift(...distances.splice(again, 1))
        size = matchedLength(repLength, position)
        state = state < 7 ? 8 : 11
      }
    }
    if (distances[0] >= n || n + size > length) throw broken()
    for (const stop = n + size; n < stop; n++) out[n] = out[n - distances[0] - 1]
  }
  return out
}

const broken = () =>
  new RefrainError('BAD_FILE', 'lzma: the data end early or point outside of themselves')
