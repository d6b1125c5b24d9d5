/** Metrics that stream over batches; names and definitions of Keras 3. */
import { RefrainError, show } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { suggest } from '../util/check.ts'
import { type LossConfig, stepFlags, takesLabels } from './losses.ts'

/** Metrics that `compile` knows by name. */
export type MetricName =
  | 'accuracy'
  | 'binaryAccuracy'
  | 'categoricalAccuracy'
  | 'sparseCategoricalAccuracy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'

/** A value for each row of a batch: rows of `cols` predictions; targets as the loss takes them. */
type RowValue = (
  prediction: ArrayLike<number>,
  target: ArrayLike<number>,
  row: number,
  cols: number,
) => number

/** The first position, from 0, of the largest of `cols` values. */
export function argmax(values: ArrayLike<number>, start: number, cols: number): number {
  let best = 0
  for (let c = 1; c < cols; c++) if (values[start + c] > values[start + best]) best = c
  return best
}

const rowValues: Record<Exclude<MetricName, 'accuracy'>, RowValue> = {
  binaryAccuracy(p, y, row, cols) {
    let right = 0
    for (let i = row * cols; i < (row + 1) * cols; i++) {
      if ((p[i] > 0.5 ? 1 : 0) === y[i]) right++
    }
    return right / cols
  },
  categoricalAccuracy: (p, y, row, cols) =>
    argmax(p, row * cols, cols) === argmax(y, row * cols, cols) ? 1 : 0,
  sparseCategoricalAccuracy: (p, y, row, cols) => (argmax(p, row * cols, cols) === y[row] ? 1 : 0),
  meanSquaredError(p, y, row, cols) {
    let sum = 0
    for (let i = row * cols; i < (row + 1) * cols; i++) sum += (p[i] - y[i]) ** 2
    return sum / cols
  },
  meanAbsoluteError(p, y, row, cols) {
    let sum = 0
    for (let i = row * cols; i < (row + 1) * cols; i++) sum += Math.abs(p[i] - y[i])
    return sum / cols
  },
}

const sameLabel: RowValue = (p, y, row) => (p[row] === y[row] ? 1 : 0)

const short: Record<string, MetricName> = {
  acc: 'accuracy',
  mse: 'meanSquaredError',
  mae: 'meanAbsoluteError',
}

/** The metric's full name; throws `UNKNOWN_OPTION` naming the nearest. */
export function resolveMetric(name: string): MetricName {
  const full = short[name] ?? name
  if (full !== 'accuracy' && !Object.hasOwn(rowValues, full)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `metrics: unknown metric ${show(name)}`,
      suggest(name, ['accuracy', ...Object.keys(rowValues)]),
    )
  }
  return full as MetricName
}

/** Fails if the targets of a loss cannot be a metric's: class numbers or one number an output. */
export function checkMetric(name: MetricName, loss: LossConfig): MetricName {
  const labels = takesLabels(loss)
  if (name === 'accuracy' || labels === (name === 'sparseCategoricalAccuracy')) return name
  throw new RefrainError(
    'BAD_ARGUMENT',
    labels
      ? `metrics: '${name}' needs a target for each output, '${loss.name}' takes class numbers`
      : `metrics: '${name}' needs class numbers, '${loss.name}' takes a target for each output`,
    "'accuracy' becomes the one that fits the loss",
  )
}

/** A weighted mean over the rows seen so far. */
export class Metric {
  readonly name: MetricName
  readonly #loss: LossConfig
  #total = 0
  #weight = 0

  /** 'accuracy' becomes binary, categorical or sparse by the loss and the width of the output. */
  constructor(name: MetricName, loss: LossConfig) {
    this.name = name
    this.#loss = loss
  }

  /** Adds a batch: `prediction` [B,…,C], `target` as the loss takes it, a weight for each row. */
  update(prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    // Labels that a layer has decoded stand by themselves.
    const decoded = prediction.dtype === 'int32'
    const cols = decoded ? 1 : (prediction.shape.at(-1) ?? 1)
    const rows = cols === 0 ? 0 : prediction.size / cols
    const value = decoded ? sameLabel : rowValues[this.#kind(cols)]
    const predicted = prediction.elements
    const wanted = target.dtype === 'int32' ? target.ints : target.values
    const flags = stepFlags(prediction, rows)
    for (let r = 0; r < rows; r++) {
      const weight = (weights ? weights[r] : 1) * (flags ? flags[r] : 1)
      if (weight === 0) continue
      this.#total += weight * value(predicted, wanted, r, cols)
      this.#weight += weight
    }
  }

  #kind(cols: number): Exclude<MetricName, 'accuracy'> {
    if (this.name !== 'accuracy') return this.name
    if (takesLabels(this.#loss)) return 'sparseCategoricalAccuracy'
    if (cols === 1 || this.#loss.name === 'binaryCrossentropy') return 'binaryAccuracy'
    return 'categoricalAccuracy'
  }

  /** The mean; 0 before any row. */
  get result(): number {
    return this.#weight === 0 ? 0 : this.#total / this.#weight
  }

  reset(): void {
    this.#total = 0
    this.#weight = 0
  }

  /** What a checkpoint keeps. */
  get state(): [number, number] {
    return [this.#total, this.#weight]
  }

  set state([total, weight]: [number, number]) {
    this.#total = total
    this.#weight = weight
  }
}
