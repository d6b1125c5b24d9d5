/** Metrics of what was taken for what at thresholds: counts, precision, recall, one at a value of another. */
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Metric, rowsOf } from './metric.ts'

/** What was found and was there, found and not there, there and not found, neither. */
export interface Counts {
  readonly tp: number
  readonly fp: number
  readonly fn: number
  readonly tn: number
}

export const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b)
export const precisionOf = ({ tp, fp }: Counts) => ratio(tp, tp + fp)
export const recallOf = ({ tp, fn }: Counts) => ratio(tp, tp + fn)
export const specificityOf = ({ tn, fp }: Counts) => ratio(tn, tn + fp)

/** Counts at thresholds, kept as two histograms over the spans between them. */
export abstract class ThresholdMetric extends Metric {
  /** Ascending. */
  readonly #thresholds: readonly number[]
  readonly #topK: number | null
  readonly #classId: number | null
  readonly #value: (p: number) => number
  readonly #byColumn: boolean
  readonly #labelWeights: readonly number[] | null

  constructor(
    name: string,
    thresholds: readonly number[],
    options: {
      topK?: number | null
      classId?: number | null
      value?: (p: number) => number
      /** Counts of their own for each column. */
      byColumn?: boolean
      labelWeights?: readonly number[]
    },
  ) {
    super(name, options.byColumn ? 0 : 2 * (thresholds.length + 1))
    this.#thresholds = thresholds.toSorted((a, b) => a - b)
    this.#topK = options.topK ?? null
    this.#classId = options.classId ?? null
    this.#value = options.value ?? ((p) => p)
    this.#byColumn = options.byColumn ?? false
    this.#labelWeights = options.labelWeights ?? null
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { rows, cols, predicted, wanted, weight } = rowsOf(prediction, target, weights)
    const classId = this.#classId
    const [from, to] = classId === null ? [0, cols] : [classId, classId + 1]
    if (this.#byColumn && this.columns !== cols) {
      this.sums = new Float64Array(cols * this.#perColumn)
    }
    for (let r = 0; r < rows; r++) {
      const share = weight(r)
      if (share === 0) continue
      for (let c = from; c < to; c++) {
        const p = this.#value(predicted[r * cols + c])
        const span = this.#isAmong(predicted, r, cols, c) ? this.#spanOf(p) : 0
        const start = this.#byColumn ? c * this.#perColumn : 0
        const own = share * (this.#labelWeights?.[c] ?? 1)
        this.sums[start + 2 * span + (wanted(r, c) === 0 ? 0 : 1)] += own
      }
    }
  }

  /** Whether column c is one of the row's `topK` largest, the first of equals. */
  #isAmong(p: ArrayLike<number>, r: number, cols: number, c: number): boolean {
    if (this.#topK === null) return true
    let before = 0
    for (let i = 0; i < cols; i++) {
      const other = p[r * cols + i]
      if (other > p[r * cols + c] || (other === p[r * cols + c] && i < c)) before++
    }
    return before < this.#topK
  }

  /** How many thresholds are below p. */
  #spanOf(p: number): number {
    let [low, high] = [0, this.#thresholds.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (p > this.#thresholds[middle]) low = middle + 1
      else high = middle
    }
    return low
  }

  /** How many sums a column has. */
  get #perColumn(): number {
    return 2 * (this.#thresholds.length + 1)
  }

  /** How many columns have counts of their own; 1 where all are counted together. */
  protected get columns(): number {
    return this.sums.length / this.#perColumn
  }

  /** The counts of a column at threshold i of the ascending ones, for each i. */
  protected counts(column = 0): Counts[] {
    const spans = this.#thresholds.length + 1
    const sums = this.sums.subarray(column * 2 * spans, (column + 1) * 2 * spans)
    const found: Counts[] = []
    let [tp, fp, fn, tn] = [0, 0, 0, 0]
    for (let s = 0; s < spans; s++) {
      tp += sums[2 * s + 1]
      fp += sums[2 * s]
    }
    for (let s = 0; s < spans - 1; s++) {
      const [negative, positive] = sums.subarray(2 * s, 2 * s + 2)
      tp -= positive
      fn += positive
      fp -= negative
      tn += negative
      found.push({ tp, fp, fn, tn })
    }
    return found
  }

  protected positionOf(threshold: number): number {
    return this.#thresholds.indexOf(threshold)
  }
}

/** Options of `precision` and `recall`. */
export interface PrecisionOptions {
  /** Above which a prediction counts as yes; several give several results. Default 0.5. */
  readonly thresholds?: number | readonly number[]
  /** Only the k largest predictions of a row count as yes; thresholds then have no default. */
  readonly topK?: number | null
  /** Only this column counts. */
  readonly classId?: number | null
}

/** A function of the counts at each of some thresholds. */
export class CountsMetric extends ThresholdMetric {
  readonly #wanted: readonly number[]
  readonly #several: boolean
  readonly #of: (counts: Counts) => number

  constructor(name: string, of: (counts: Counts) => number, options: PrecisionOptions) {
    const { thresholds = options.topK ? -1e10 : 0.5 } = options
    const wanted = [thresholds].flat() as number[]
    super(name, wanted, options)
    this.#wanted = wanted
    this.#several = Array.isArray(thresholds)
    this.#of = of
  }

  get result(): number | number[] {
    const counts = this.counts()
    const results = this.#wanted.map((threshold) => this.#of(counts[this.positionOf(threshold)]))
    return this.#several ? results : results[0]
  }
}

/** The best of one share among the thresholds at which another is high enough; 0 if there is none. */
export class BestMetric extends ThresholdMetric {
  readonly #least: number
  readonly #of: (counts: Counts) => number
  readonly #where: (counts: Counts) => number

  constructor(
    name: string,
    shares: { of: (counts: Counts) => number; where: (counts: Counts) => number; least: number },
    { numThresholds = 200, classId }: { numThresholds?: number; classId?: number | null },
  ) {
    const even = Array.from({ length: numThresholds }, (_, i) => i / (numThresholds - 1))
    super(name, numThresholds === 1 ? [0.5] : even, { classId })
    this.#of = shares.of
    this.#where = shares.where
    this.#least = shares.least
  }

  get result(): number {
    const enough = this.counts().filter((counts) => this.#where(counts) >= this.#least)
    return Math.max(0, ...enough.map(this.#of))
  }
}
