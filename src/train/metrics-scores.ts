/** Metrics of columns and rows as they are: F-score, R², correlations. */
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Metric, type RowValue, rowsOf } from './metric.ts'
import { ratio } from './metrics-thresholds.ts'

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

/** Options of `r2Score`. */
export interface R2Options {
  /**
   * 'uniformAverage', the default: the mean over columns; 'varianceWeightedAverage': that mean by the
   * variance of their targets; null: a result for each column.
   */
  readonly classAggregation?: 'uniformAverage' | 'varianceWeightedAverage' | null
  /** How many numbers a prediction is made of, for the adjusted R²; 0, the default: the plain one. */
  readonly numRegressors?: number
}

/** 1 - Σ (y - p)² / Σ (y - mean y)² of each column. */
export class R2Metric extends Metric {
  readonly #options: R2Options

  constructor(name: string, options: R2Options) {
    super(name, 1)
    this.#options = options
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { rows, cols, predicted, wanted, weight } = rowsOf(prediction, target, weights)
    const counts = rowsOf(prediction, target, null).weight
    if (this.sums.length !== 1 + 4 * cols) this.sums = new Float64Array(1 + 4 * cols)
    const { sums } = this
    for (let r = 0; r < rows; r++) {
      const share = weight(r)
      // As in Keras: all numbers, whatever their weight.
      sums[0] += counts(r) * cols
      for (let c = 0; share !== 0 && c < cols; c++) {
        const y = wanted(r, c)
        sums[4 * c + 1] += share
        sums[4 * c + 2] += share * y
        sums[4 * c + 3] += share * y * y
        sums[4 * c + 4] += share * (y - predicted[r * cols + c]) ** 2
      }
    }
  }

  get result(): number | number[] {
    const { classAggregation = 'uniformAverage', numRegressors = 0 } = this.#options
    const cols = (this.sums.length - 1) / 4
    const degrees = this.sums[0] - 1
    const adjusted = (score: number) =>
      numRegressors === 0 || numRegressors >= degrees
        ? score
        : 1 - ((1 - score) * degrees) / (degrees - numRegressors)
    const scores: number[] = []
    let [mean, weighted, all] = [0, 0, 0]
    for (let c = 0; c < cols; c++) {
      const [count, sum, squares, residual] = this.sums.subarray(4 * c + 1, 4 * c + 5)
      const total = count === 0 ? 0 : squares - (sum * sum) / count
      const score = count === 0 ? 0 : 1 - residual / total
      // As in Keras: of targets that are all alike.
      scores.push(score === -Infinity ? 0 : score)
      mean += scores[c] / cols
      weighted += total * scores[c]
      all += total
    }
    if (classAggregation === null) return scores.map(adjusted)
    return adjusted(classAggregation === 'uniformAverage' ? mean : ratio(weighted, all))
  }
}

/** The correlation of target and prediction along a row (Pearson); 0 where one of them does not vary. */
export const pearson: RowValue = (p, y, row, cols) => {
  const { covariance, variances } = moments(p, y, row * cols, cols)
  return ratio(covariance, Math.sqrt(variances[0] * variances[1]))
}

/** Their agreement: correlation that also falls with the distance of means and spreads (Lin 1989). */
export const concordance: RowValue = (p, y, row, cols) => {
  const { covariance, variances, means } = moments(p, y, row * cols, cols)
  const apart = (means[0] - means[1]) ** 2
  return (2 * covariance) / (variances[0] + variances[1] + apart + 1e-7)
}

function moments(p: ArrayLike<number>, y: ArrayLike<number>, start: number, cols: number) {
  const means = [p, y].map((values) => {
    let sum = 0
    for (let c = start; c < start + cols; c++) sum += values[c] / cols
    return sum
  })
  const product = (a: number, b: number) => {
    const [one, other] = [[p, y][a], [p, y][b]]
    let sum = 0
    for (let c = start; c < start + cols; c++) {
      sum += ((one[c] - means[a]) * (other[c] - means[b])) / cols
    }
    return sum
  }
  return { means, variances: [product(0, 0), product(1, 1)], covariance: product(0, 1) }
}
