/** Metrics of what was taken for what: precision, recall, F-score, area under a curve. */
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { Metric, rowsOf } from './metric.ts'

/** What was found and was there, found and not there, there and not found, neither. */
interface Counts {
  readonly tp: number
  readonly fp: number
  readonly fn: number
  readonly tn: number
}

const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b)
const precisionOf = ({ tp, fp }: Counts) => ratio(tp, tp + fp)
const recallOf = ({ tp, fn }: Counts) => ratio(tp, tp + fn)

/** Counts at thresholds, kept as two histograms over the spans between them. */
abstract class ThresholdMetric extends Metric {
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

/** Of what was found, the share that is right; or of what is there, the share that was found. */
export class PrecisionMetric extends ThresholdMetric {
  readonly #wanted: readonly number[]
  readonly #several: boolean
  readonly #of: (counts: Counts) => number

  constructor(name: string, kind: 'precision' | 'recall', options: PrecisionOptions) {
    const { thresholds = options.topK ? -1e10 : 0.5 } = options
    const wanted = [thresholds].flat() as number[]
    super(name, wanted, options)
    this.#wanted = wanted
    this.#several = Array.isArray(thresholds)
    this.#of = kind === 'precision' ? precisionOf : recallOf
  }

  get result(): number | number[] {
    const counts = this.counts()
    const results = this.#wanted.map((threshold) => this.#of(counts[this.positionOf(threshold)]))
    return this.#several ? results : results[0]
  }
}

/** Options of `auc`. */
export interface AucOptions {
  /**
   * Default 'ROC': true against false positives; 'PR': precision against recall; 'PRGAIN': both as gains
   * over calling everything positive (Flach & Kull 2015).
   */
  readonly curve?: 'ROC' | 'PR' | 'PRGAIN'
  /**
   * Between thresholds 'interpolation', the default, means straight lines, in 'PR' Davis & Goadrich's
   * curve; 'minoring' takes the lower of both heights, 'majoring' the higher.
   */
  readonly summationMethod?: 'interpolation' | 'minoring' | 'majoring'
  /** How many thresholds, evenly from 0 to 1. Default 200. */
  readonly numThresholds?: number
  /** Instead: these, from 0 to 1, and the two ends. */
  readonly thresholds?: number | readonly number[]
  /** The mean of an area for each column, instead of one area of all columns together. Default false. */
  readonly multiLabel?: boolean
  /** With `multiLabel`: how many columns there must be. */
  readonly numLabels?: number
  /** How much each column counts; default alike. */
  readonly labelWeights?: readonly number[]
  /** Predictions are logits of a sigmoid. Default false. */
  readonly fromLogits?: boolean
}

/** Keras's area under a curve, a sum over thresholds. */
export class AucMetric extends ThresholdMetric {
  readonly #options: AucOptions

  constructor(name: string, options: AucOptions) {
    const { numThresholds = 200, thresholds, fromLogits, multiLabel = false } = options
    const last = numThresholds - 1
    const even = Array.from({ length: last - 1 }, (_, i) => (i + 1) / last)
    const inner = thresholds === undefined ? even : ([thresholds].flat() as number[])
    const value = (p: number) => Math.min(Math.max(fromLogits ? 1 / (1 + Math.exp(-p)) : p, 0), 1)
    const labelWeights = multiLabel ? undefined : options.labelWeights
    super(name, [-1e-7, ...inner, 1 + 1e-7], { value, byColumn: multiLabel, labelWeights })
    this.#options = options
  }

  override update(ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null) {
    const { numLabels, labelWeights } = this.#options
    const wanted = numLabels ?? labelWeights?.length
    const cols = prediction.shape.at(-1)
    if (wanted !== undefined && cols !== wanted) {
      const rows = prediction.shape.slice(0, -1)
      throw shapeError(`metric '${this.name}'`, [...rows, wanted], prediction.shape)
    }
    super.update(ctx, prediction, target, weights)
  }

  get result(): number {
    const { labelWeights } = this.#options
    let [sum, all] = [0, 0]
    for (let column = 0; column < this.columns; column++) {
      // Columns counted together have been weighed already.
      const share = this.columns > 1 ? (labelWeights?.[column] ?? 1) : 1
      sum += share * this.#area(this.counts(column))
      all += share
    }
    return ratio(sum, all)
  }

  #area(counts: readonly Counts[]): number {
    const { curve = 'ROC', summationMethod = 'interpolation' } = this.#options
    let area = 0
    for (let i = 0; i + 1 < counts.length; i++) {
      const [here, next] = [counts[i], counts[i + 1]]
      if (curve === 'PR' && summationMethod === 'interpolation') {
        area += prArea(here, next)
        continue
      }
      const [[x, y], [nextX, nextY]] = [here, next].map(curves[curve])
      area += (x - nextX) * heights[summationMethod](y, nextY)
    }
    return area
  }
}

/** Points of the curves. */
const curves: Record<string, (counts: Counts) => [x: number, y: number]> = {
  ROC: (counts) => [ratio(counts.fp, counts.fp + counts.tn), recallOf(counts)],
  PR: (counts) => [recallOf(counts), precisionOf(counts)],
  PRGAIN({ tp, fp, fn, tn }) {
    // As in Keras: no true positives are no recall gained, and fewer than by chance are none, too.
    if (tp === 0) return [0, 1]
    const odds = ratio(tp + fn, tn + fp)
    return [Math.max(0, 1 - odds * (fn / tp)), 1 - odds * (fp / tp)]
  },
}

const heights = {
  interpolation: (y: number, next: number) => (y + next) / 2,
  minoring: Math.min,
  majoring: Math.max,
}

/** Between two points precision is not linear in recall (Davis & Goadrich 2006). */
function prArea(here: Counts, next: Counts): number {
  const [p, q] = [here.tp + here.fp, next.tp + next.fp]
  const slope = ratio(here.tp - next.tp, Math.max(p - q, 0))
  const intercept = next.tp - slope * q
  const grown = p > 0 && q > 0 ? p / q : 1
  return ratio(slope * (here.tp - next.tp + intercept * Math.log(grown)), next.tp + next.fn)
}

/** Options of `f1Score` and `fBetaScore`. */
export interface FScoreOptions {
  /**
   * 'micro' counts all classes together, 'macro' is the mean over classes, 'weighted' that mean by
   * the classes' frequency; null, the default, gives a result for each class.
   */
  readonly average?: 'micro' | 'macro' | 'weighted' | null
  /** Above which a prediction counts as yes; null, the default: the largest of a row does. */
  readonly threshold?: number | null
  /** How much recall counts against precision. Default 1. */
  readonly beta?: number
}

/** (1 + β²) precision · recall / (β² precision + recall), by class. */
export class FScoreMetric extends Metric {
  readonly #options: FScoreOptions

  constructor(name: string, options: FScoreOptions) {
    super(name, 0)
    this.#options = options
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { rows, cols, predicted, wanted, weight } = rowsOf(prediction, target, weights)
    const { average = null, threshold = null } = this.#options
    const classes = average === 'micro' ? 1 : cols
    if (this.sums.length !== 3 * classes) this.sums = new Float64Array(3 * classes)
    for (let r = 0; r < rows; r++) {
      const share = weight(r)
      if (share === 0) continue
      let most = -Infinity
      for (let c = 0; c < cols; c++) most = Math.max(most, predicted[r * cols + c])
      for (let c = 0; c < cols; c++) {
        const p = predicted[r * cols + c]
        const yes = threshold === null ? p >= most && Math.abs(p) > 1e-9 : p > threshold
        const y = wanted(r, c)
        const at = 3 * (c % classes)
        this.sums[at] += yes ? share * y : 0
        this.sums[at + 1] += yes ? share * (1 - y) : 0
        this.sums[at + 2] += share * y
      }
    }
  }

  get result(): number | number[] {
    const epsilon = 1e-7
    const { average = null, beta = 1 } = this.#options
    const classes = this.sums.length / 3
    const frequencies: number[] = []
    const scores = Array.from({ length: classes }, (_, c) => {
      const [tp, fp, there] = this.sums.subarray(3 * c, 3 * c + 3)
      frequencies.push(there)
      const precision = tp / (tp + fp + epsilon)
      const recall = tp / (there + epsilon)
      return ((1 + beta ** 2) * precision * recall) / (beta ** 2 * precision + recall + epsilon)
    })
    if (average === null) return scores
    if (classes === 0) return 0
    const all = frequencies.reduce((sum, n) => sum + n, epsilon)
    const shareOf = (c: number) => (average === 'weighted' ? frequencies[c] / all : 1 / classes)
    return scores.reduce((sum, score, c) => sum + score * shareOf(c), 0)
  }
}

/** 1 - Σ (y - p)² / Σ (y - mean y)², the mean over columns (Keras's uniform average). */
export class R2Metric extends Metric {
  constructor(name: string) {
    super(name, 0)
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { rows, cols, predicted, wanted, weight } = rowsOf(prediction, target, weights)
    if (this.sums.length !== 4 * cols) this.sums = new Float64Array(4 * cols)
    for (let r = 0; r < rows; r++) {
      const share = weight(r)
      for (let c = 0; share !== 0 && c < cols; c++) {
        const y = wanted(r, c)
        this.sums[4 * c] += share
        this.sums[4 * c + 1] += share * y
        this.sums[4 * c + 2] += share * y * y
        this.sums[4 * c + 3] += share * (y - predicted[r * cols + c]) ** 2
      }
    }
  }

  get result(): number {
    const cols = this.sums.length / 4
    let score = 0
    for (let c = 0; c < cols; c++) {
      const [count, sum, squares, residual] = this.sums.subarray(4 * c, 4 * c + 4)
      const total = squares - (sum * sum) / count
      const own = 1 - residual / total
      if (count > 0 && own !== -Infinity) score += own / cols
    }
    return score
  }
}
