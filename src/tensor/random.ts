/**
 * Random numbers as values: a generator is a seed and a purpose, and always gives the same sequence,
 * on every machine. Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
 * 3"), keyed by seed and a hash of the purpose.
 */
import { philoxBlocks } from '../kernels/philox.ts'

/** 32-bit FNV-1a hash of a string: turns a purpose into a key. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

/** 1/21, 1/19, …, 1: atanh(s) = s + s³/3 + s⁵/5 + … */
const atanhSeries = Array.from({ length: 11 }, (_, i) => 1 / (21 - 2 * i))

/**
 * Natural logarithm by arithmetic that IEEE 754 fixes to the last bit; `Math.log` may differ between
 * engines. Error below 1e-15 relative.
 */
function portableLog(x: number): number {
  let exponent = 0
  let mantissa = x
  while (mantissa > Math.SQRT2) {
    mantissa /= 2
    exponent++
  }
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2
    exponent--
  }
  const s = (mantissa - 1) / (mantissa + 1)
  const square = s * s
  let sum = 0
  for (const factor of atanhSeries) sum = sum * square + factor
  return 2 * s * sum + exponent * Math.LN2
}

/** The upper 27 bits of one word and 26 of another, as a number in [0, 1). */
const fraction = (upper: number, lower: number) =>
  ((upper >>> 5) * 2 ** 26 + (lower >>> 6)) / 2 ** 53

/** A stream of random numbers. */
export class Random {
  readonly #seed: number
  readonly #key: number
  /** 64 blocks of four words; words before `#next` are drawn. */
  readonly #words = new Uint32Array(256)
  #counter = 0
  #next = 256
  #spare: number | null = null

  /** @param purpose what the numbers are for; streams of different purposes are independent. */
  constructor(seed: number, purpose: string) {
    this.#seed = seed >>> 0
    this.#key = hash32(purpose)
  }

  /** A 32-bit unsigned integer. */
  word(): number {
    if (this.#next === 256) this.#refill()
    return this.#words[this.#next++]
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const next = this.#next
    if (next > 254) return fraction(this.word(), this.word())
    this.#next = next + 2
    return fraction(this.#words[next], this.#words[next + 1])
  }

  #refill(): void {
    philoxBlocks(this.#counter, this.#seed, this.#key, this.#words)
    this.#counter += 64
    this.#next = 0
  }

  /** Standard normal, by Marsaglia's polar method. */
  normal(): number {
    if (this.#spare !== null) {
      const spare = this.#spare
      this.#spare = null
      return spare
    }
    for (;;) {
      const u = (this.word() + 0.5) / 2 ** 31 - 1
      const v = (this.word() + 0.5) / 2 ** 31 - 1
      const square = u * u + v * v
      if (square > 0 && square < 1) {
        const factor = Math.sqrt((-2 * portableLog(square)) / square)
        this.#spare = v * factor
        return u * factor
      }
    }
  }

  /** A whole number from 0 to limit - 1. */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit)
  }

  /** Shuffles in place (Fisher–Yates). */
  shuffle<A extends Int32Array | unknown[]>(items: A): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const held = items[i]
      items[i] = items[j]
      items[j] = held
    }
    return items
  }
}
