/** Draws symbols from a model's probabilities. */
import { RefrainError, show } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { Random } from '../../tensor/random.ts'
import { checkInteger, checkNumber } from '../../util/check.ts'

/** How symbols are drawn. */
export interface SamplingOptions {
  /**
   * Probabilities are raised to 1 / temperature: below 1 the likely becomes likelier, 0 always takes the
   * likeliest. Default 0.8.
   */
  temperature?: number
  /** Draw from the so many likeliest only. Default 0: from all. */
  topK?: number
  /**
   * Draw from the likeliest that together have this probability (Holtzman et al. 2020, nucleus sampling).
   * Default 1: from all.
   */
  topP?: number
  /**
   * The log-probability of symbols among the last `repetitionWindow` is multiplied by this (as Keskar et
   * al. 2019 do with scores): above 1 they become rarer. Default 1.
   */
  repetitionPenalty?: number
  /** Default 64. */
  repetitionWindow?: number
  /** The same seed gives the same text. Default 0. */
  seed?: number
}

/** The options' names. */
export const samplingNames = [
  'temperature',
  'topK',
  'topP',
  'repetitionPenalty',
  'repetitionWindow',
  'seed',
]

/** The options with their defaults. Throws `BAD_ARGUMENT`. */
export function checkSampling(where: string, options: SamplingOptions): Required<SamplingOptions> {
  const { temperature = 0.8, topK = 0, topP = 1, repetitionPenalty = 1 } = options
  const { repetitionWindow = 64, seed = 0 } = options
  checkNumber(`${where} 'temperature'`, temperature, 0, 100)
  checkInteger(`${where} 'topK'`, topK, 0)
  checkNumber(`${where} 'topP'`, topP, 0, 1)
  if (topP === 0) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where} 'topP': expected more than 0, got ${show(topP)}`,
      'temperature: 0 always takes the likeliest',
    )
  }
  checkNumber(`${where} 'repetitionPenalty'`, repetitionPenalty, 0.01, 100)
  checkInteger(`${where} 'repetitionWindow'`, repetitionWindow)
  checkInteger(`${where} 'seed'`, seed, 0)
  return { temperature, topK, topP, repetitionPenalty, repetitionWindow, seed }
}

/** Draws from one row of probabilities after the other; allocates nothing while it does. */
export class Sampler {
  readonly #options: Required<SamplingOptions>
  readonly #random: Random
  /** Factor of each symbol's probability: 0 for those that must not be drawn. */
  readonly #allowed: Float64Array
  readonly #weights: Float64Array
  readonly #sorted: Float64Array
  /** The last symbols, as a ring, and how often each of all is among them. */
  readonly #recent: Int32Array
  readonly #counts: Int32Array
  #seen = 0

  /** @param row of several that are drawn side by side; each has random numbers of its own */
  constructor(
    size: number,
    options: Required<SamplingOptions>,
    blocked: readonly number[],
    row = 0,
  ) {
    this.#options = options
    this.#random = new Random(options.seed, `sample ${row}`)
    this.#allowed = new Float64Array(size).fill(1)
    for (const id of blocked) this.#allowed[id] = 0
    this.#weights = new Float64Array(size)
    this.#sorted = new Float64Array(size)
    this.#recent = new Int32Array(options.repetitionWindow)
    this.#counts = new Int32Array(size)
  }

  /** Notes a symbol that is there, from the prompt or drawn. */
  note(id: number): void {
    const at = this.#seen % this.#recent.length
    if (this.#seen >= this.#recent.length) this.#counts[this.#recent[at]]--
    this.#recent[at] = id
    this.#counts[id]++
    this.#seen++
  }

  /** A symbol by the probabilities from `start` on. */
  draw(probabilities: ArrayLike<number>, start: number): number {
    const weights = this.#weights
    const { temperature, topK, topP } = this.#options
    const best = this.#penalize(probabilities, start)
    if (temperature === 0 || !(weights[best] > 0)) return best
    // Relative to the likeliest, so that nothing overflows or vanishes.
    const largest = Math.log(weights[best])
    let sum = 0
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]
      weights[i] = weight > 0 ? Math.exp((Math.log(weight) - largest) / temperature) : 0
      sum += weights[i]
    }
    if ((topK > 0 && topK < weights.length) || topP < 1) sum = this.#cut(sum)
    let left = this.#random.uniform() * sum
    for (let i = 0; i < weights.length; i++) {
      left -= weights[i]
      if (left < 0) return i
    }
    return best
  }

  /** Fills in the probabilities that count; returns the likeliest symbol. */
  #penalize(probabilities: ArrayLike<number>, start: number): number {
    const weights = this.#weights
    const { repetitionPenalty } = this.#options
    let best = 0
    for (let i = 0; i < weights.length; i++) {
      let weight = probabilities[start + i] * this.#allowed[i]
      if (repetitionPenalty !== 1 && this.#counts[i] > 0) weight **= repetitionPenalty
      weights[i] = weight
      if (weight > weights[best] || this.#allowed[best] === 0) best = i
    }
    return best
  }

  /** Leaves the likeliest symbols by `topK` and `topP`; returns the sum of their weights. */
  #cut(total: number): number {
    const { topK, topP } = this.#options
    const weights = this.#weights
    const sorted = this.#sorted
    sorted.set(weights)
    sorted.sort()
    let kept = 0
    let sum = 0
    const most = topK > 0 ? Math.min(topK, sorted.length) : sorted.length
    while (kept < most && (kept === 0 || sum < topP * total)) {
      kept++
      sum += sorted[sorted.length - kept]
    }
    const smallest = sorted[sorted.length - kept]
    // Of equal weights at the edge the first ones stay.
    let ties = kept
    for (let i = 0; i < weights.length; i++) if (weights[i] > smallest) ties--
    sum = 0
    for (let i = 0; i < weights.length; i++) {
      if (weights[i] < smallest || (weights[i] === smallest && ties-- <= 0)) weights[i] = 0
      sum += weights[i]
    }
    return sum
  }
}

/** What {@link drawIds} needs. */
export interface Drawing {
  readonly model: Model
  /** Number of symbols. */
  readonly size: number
  /** Symbols that are never drawn. */
  readonly blocked: readonly number[]
  /** What the rows begin with, at least one symbol; `noted` of them, the last ones, count as repeated. */
  readonly prime: readonly number[]
  readonly noted: number
  readonly rows: number
  readonly sampling: Required<SamplingOptions>
}

/**
 * Draws a symbol for each of some rows, step by step, for ever. The array is the same each time. A row's
 * symbols do not depend on how many rows there are.
 */
export function* drawIds({ model, size, blocked, prime, noted, rows, sampling }: Drawing) {
  const state = model.initialState(rows)
  const ids = new Int32Array(rows)
  const samplers = Array.from({ length: rows }, (_, row) => {
    const sampler = new Sampler(size, sampling, blocked, row)
    for (const id of prime.slice(prime.length - noted)) sampler.note(id)
    return sampler
  })
  let { y } = state.result
  for (const id of prime) y = model.step(ids.fill(id), state).y
  for (;;) {
    for (let row = 0; row < rows; row++) {
      ids[row] = samplers[row].draw(y, row * size)
      samplers[row].note(ids[row])
    }
    yield ids
    y = model.step(ids, state).y
  }
}
