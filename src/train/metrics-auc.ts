/** The area under a curve. */
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { type Counts, precisionOf, ratio, recallOf, ThresholdMetric } from './metrics-thresholds.ts'

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
