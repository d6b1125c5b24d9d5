/** What every metric is: sums that batches are added to, and a result made of them. */
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  countedRows,
  type LossConfig,
  type LossName,
  type LossOptions,
  ownRows,
  rowLosses,
  stepFlags,
} from './losses.ts'
import type { IouOptions } from './metrics-iou.ts'
import type { MoreOptions } from './metrics-more.ts'
import type { SequenceMetricOptions } from './metrics-sequences.ts'

/** The rows of a batch: what was predicted, what was wanted, and how much each row counts. */
export interface Rows {
  readonly rows: number
  readonly cols: number
  readonly predicted: ArrayLike<number>
  /** The target of row r and column c; 1 or 0 where targets are class numbers. */
  wanted(r: number, c: number): number
  /** 0 for masked steps. */
  weight(r: number): number
}

/** A number, or several, over all batches since `reset`. */
export abstract class Metric {
  /** In logs and histories. */
  readonly name: string
  /** Whether rows count by their sample weights, in `fit` and `evaluate`. */
  weighted = false
  /** The dimension that rows lie along; `update` finds it as the last. */
  axis?: number
  /** What the result is made of; its length depends on the first batch for some metrics. */
  protected sums: Float64Array

  constructor(name: string, size: number) {
    this.name = name
    this.sums = new Float64Array(size)
  }

  /**
   * Adds a batch: `prediction` [B,…,C], `target` as the loss takes it, a weight for each row or null.
   * Masked steps do not count.
   */
  abstract update(
    ctx: Context,
    prediction: Tensor,
    target: Tensor,
    weights: Float32Array | null,
  ): void

  /** Over the rows so far; 0 before any. */
  abstract get result(): number | number[]

  /** The result under the metric's name; several results as name_0, name_1, …. */
  get logs(): Record<string, number> {
    const { name, result } = this
    if (typeof result === 'number') return { [name]: result }
    return Object.fromEntries(result.map((value, i) => [`${name}_${i}`, value]))
  }

  /** Forgets all batches. */
  reset(): void {
    this.sums.fill(0)
  }

  /** What a checkpoint keeps. */
  get state(): number[] {
    return Array.from(this.sums)
  }

  set state(sums: readonly number[]) {
    this.sums = Float64Array.from(sums)
  }
}

/** Reads a batch row by row. */
export function rowsOf(prediction: Tensor, target: Tensor, weights: Float32Array | null): Rows {
  // Labels that a layer has decoded have no columns.
  const cols = prediction.dtype === 'int32' ? 1 : (prediction.shape.at(-1) ?? 1)
  const rows = cols === 0 ? 0 : prediction.size / cols
  const flags = stepFlags(prediction, rows)
  const labels = target.dtype === 'int32' ? target.ints : null
  const values = labels ?? target.values
  return {
    rows,
    cols,
    // Probabilities may be computed only when somebody looks at them.
    get predicted() {
      return prediction.elements
    },
    wanted: (r, c) => (labels ? Number(labels[r] === c) : values[r * cols + c]),
    weight: (r) => (weights ? weights[r] : 1) * (flags ? flags[r] : 1),
  }
}

/** The first position, from 0, of the largest of `cols` values. */
export function argmax(values: ArrayLike<number>, start: number, cols: number): number {
  let best = 0
  for (let c = 1; c < cols; c++) if (values[start + c] > values[start + best]) best = c
  return best
}

/** A metric of its own, or any loss, as a metric. */
export type MetricName =
  | 'accuracy'
  | 'binaryAccuracy'
  | 'categoricalAccuracy'
  | 'sparseCategoricalAccuracy'
  | 'topKCategoricalAccuracy'
  | 'sparseTopKCategoricalAccuracy'
  | 'rootMeanSquaredError'
  | 'precision'
  | 'recall'
  | 'f1Score'
  | 'fBetaScore'
  | 'auc'
  | 'truePositives'
  | 'trueNegatives'
  | 'falsePositives'
  | 'falseNegatives'
  | 'sensitivityAtSpecificity'
  | 'specificityAtSensitivity'
  | 'precisionAtRecall'
  | 'recallAtPrecision'
  | 'pearsonCorrelation'
  | 'concordanceCorrelation'
  | 'r2Score'
  | 'iou'
  | 'meanIou'
  | 'oneHotIou'
  | 'oneHotMeanIou'
  | 'binaryIou'
  | 'perplexity'
  | 'bitsPerCharacter'
  | LossName

/** Options of all metrics; each takes its own. */
export interface MetricOptions
  extends MoreOptions,
    IouOptions,
    Omit<LossOptions, 'reduction'>,
    SequenceMetricOptions {}

/** A metric and its options, as it stands in files. */
export interface MetricConfig extends MetricOptions {
  readonly name: MetricName | (string & {})
  /** In logs and histories instead of the name. */
  readonly label?: string
  /** Rows count by their sample weights, which else are for the loss alone. Default false. */
  readonly weighted?: boolean
  /** Makes a metric of your own class. Files do not hold it. */
  readonly make?: (config: MetricConfig, loss: LossConfig) => Metric
}

/** A batch, and how much each of its rows counts. */
interface Batch {
  readonly ctx: Context
  readonly prediction: Tensor
  readonly target: Tensor
  readonly cols: number
  readonly shares: Float64Array
}

/** What the mean is taken of: a value for each row of a batch; rows that do not count get a share of 0. */
export type Reader = (batch: Batch) => (row: number) => number

/** A value for each row: rows of `cols` predictions; targets as the loss takes them. */
export type RowValue = (
  p: ArrayLike<number>,
  y: ArrayLike<number>,
  row: number,
  cols: number,
) => number

export const byRow =
  (value: RowValue): Reader =>
  ({ prediction, target, cols }) => {
    const p = prediction.elements
    const y = target.dtype === 'int32' ? target.ints : target.values
    return (row) => value(p, y, row, cols)
  }

export const byLoss =
  (loss: LossConfig): Reader =>
  ({ ctx, prediction, target, shares }) => {
    countedRows(loss, prediction, target)?.forEach((counts, row) => {
      if (!counts) shares[row] = 0
    })
    const counted = ctx.empty([shares.length])
    counted.values.set(shares.map((share) => (share === 0 ? 0 : 1)))
    const { values } = rowLosses(ctx, loss, prediction, target, counted, false)
    return (row) => values[row]
  }

/** A weighted mean over rows, or a function of it. */
export class MeanMetric extends Metric {
  readonly #reader: Reader
  readonly #finish: (mean: number) => number
  readonly #ignoreClass: number | null

  constructor(
    { name, label = name, ignoreClass = null }: MetricConfig,
    reader: Reader,
    finish = (mean: number) => mean,
  ) {
    super(label, 2)
    this.#reader = reader
    this.#finish = finish
    this.#ignoreClass = ignoreClass
  }

  update(ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { rows, cols, weight } = rowsOf(prediction, target, weights)
    const shares = new Float64Array(rows)
    for (let r = 0; r < rows; r++) {
      const ignored = this.#ignoreClass !== null && target.ints[r] === this.#ignoreClass
      shares[r] = ignored ? 0 : weight(r)
    }
    const value = this.#reader({ ctx, prediction, target, cols, shares })
    for (let r = 0; r < rows; r++) {
      if (shares[r] === 0) continue
      this.sums[0] += shares[r] * value(r)
      this.sums[1] += shares[r]
    }
  }

  get result(): number {
    const [total, weight] = this.sums
    return weight === 0 ? 0 : this.#finish(total / weight)
  }
}

/** The mean of a loss over its rows. */
export class LossMetric extends MeanMetric {
  readonly #loss: LossConfig

  constructor(config: MetricConfig, loss: LossConfig) {
    super(config, byLoss(loss))
    this.#loss = loss
  }

  override update(
    ctx: Context,
    prediction: Tensor,
    target: Tensor,
    weights: Float32Array | null,
  ): void {
    const rows = ownRows(ctx, this.#loss, { prediction, target, weights })
    super.update(ctx, rows.prediction, rows.target, rows.weights)
  }
}

/** How a metric is made. */
export interface MetricKind {
  /** Whether targets must be class numbers, or must not; undefined: either will do. */
  readonly labels?: boolean
  /** False if targets need not be as many as the steps. */
  readonly stepwise?: boolean
  readonly options?: readonly (keyof MetricOptions)[]
  readonly make: (config: MetricConfig, loss: LossConfig) => Metric
  /** Fails on options that will not do; `where` begins the message. */
  check?: (where: string, config: MetricConfig) => void
}
