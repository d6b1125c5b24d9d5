/**
 * Intersection over union: of the places where a class is or was predicted, the share where both agree. By
 * Keras's names and definitions. A bundle for the browser holds these metrics only if it uses one of their
 * functions or reads models from files; then their names serve as well, as they do in Node.
 */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkNumber } from '../util/check.ts'
import { withAxis } from './loss-axis.ts'
import { argmax, Metric, type MetricConfig, type MetricKind, rowsOf } from './metric.ts'
import { addMetrics } from './metrics.ts'

/** Options of these metrics; each takes its own. */
export interface IouOptions {
  /** How many classes there are. */
  readonly numClasses?: number
  /** The classes whose mean the result is. */
  readonly targetClassIds?: readonly number[]
  /** Targets are class numbers, not one number for each class. Default true. */
  readonly sparseYTrue?: boolean
  /**
   * Outputs are class numbers, as a CRF's are, not a score for each class. Default true; of the metrics of
   * one-hot targets false.
   */
  readonly sparseYPred?: boolean
}

/** Keras's epsilon, which is added to what is divided by. */
const tiny = 1e-7

interface Settings {
  readonly classes: number
  readonly ids: readonly number[]
  readonly ignoreClass: number | null
  /** The class at a place of the targets, and of the outputs; null: the largest of a row's numbers. */
  readonly wanted: ((y: number) => number) | null
  readonly predicted: ((p: number) => number) | null
}

/** A matrix [C,C] of how much was of class y and taken for class p. */
class Iou extends Metric {
  readonly #settings: Settings

  constructor(name: string, settings: Settings) {
    super(name, settings.classes ** 2)
    this.#settings = settings
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor, weights: Float32Array | null): void {
    const { classes, ignoreClass } = this.#settings
    const { rows, weight } = rowsOf(prediction, target, weights)
    const decoded = prediction.dtype === 'int32'
    const p = classesOf(prediction, decoded ? Math.trunc : this.#settings.predicted)
    const y = classesOf(target, target.dtype === 'int32' ? Math.trunc : this.#settings.wanted)
    if (p.length !== y.length) {
      const wanted = prediction.shape.slice(0, p.length === prediction.size ? undefined : -1)
      const error = shapeError(`metric '${this.name}': targets`, wanted, target.shape)
      throw new RefrainError(
        'BAD_SHAPE',
        error.message,
        'sparseYTrue: false takes one number for each class, sparseYPred: false a score for each',
      )
    }
    const places = p.length / rows
    for (let i = 0; i < p.length; i++) {
      const inside = (id: number) => id >= 0 && id < classes
      if (!inside(p[i]) || !inside(y[i]) || y[i] === ignoreClass) continue
      this.sums[y[i] * classes + p[i]] += weight(Math.floor(i / places))
    }
  }

  get result(): number {
    const { classes, ids } = this.#settings
    const all = Array.from({ length: classes }, (_, i) => i)
    const sum = (at: (i: number) => number) => all.reduce((total, i) => total + this.sums[at(i)], 0)
    let [total, found] = [0, 0]
    for (const id of ids) {
      const both = this.sums[id * classes + id]
      const either = sum((i) => id * classes + i) + sum((i) => i * classes + id) - both
      if (either <= 1e-9) continue
      total += both / (either + tiny)
      found++
    }
    return total / (found + tiny)
  }
}

/** The class at each place: each number's, or the largest of each row's. */
function classesOf(x: Tensor, each: ((value: number) => number) | null): number[] {
  const values = x.elements
  if (each) return Array.from(values, each)
  const cols = x.shape.at(-1) ?? 1
  return Array.from({ length: x.size / cols }, (_, row) => argmax(values, row * cols, cols))
}

function check(where: string, { name, numClasses, targetClassIds, threshold }: MetricConfig): void {
  const { options = [] } = iouKinds[name as keyof typeof iouKinds] as MetricKind
  if (threshold !== undefined) checkNumber(`${where} 'threshold'`, threshold)
  if (options.includes('numClasses')) checkInteger(`${where} 'numClasses'`, numClasses)
  if (!options.includes('targetClassIds')) return
  if (targetClassIds === undefined && name === 'binaryIou') return
  const classes = numClasses ?? 2
  const fits = (id: unknown) =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < classes
  if (Array.isArray(targetClassIds) && targetClassIds.length > 0 && targetClassIds.every(fits))
    return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where} 'targetClassIds': expected class numbers from 0 to ${classes - 1}, got ${show(targetClassIds)}`,
  )
}

const dense = ['numClasses', 'ignoreClass', 'sparseYPred', 'axis'] as const

/** A metric of classes; `oneHot`: targets have one number for each class, and so have outputs by default. */
const kind = (options: MetricKind['options'], oneHot: boolean): MetricKind => ({
  ...(oneHot && { labels: false }),
  options,
  make({ name, label = name, ...config }) {
    const { numClasses: classes = 0, ignoreClass = null, sparseYTrue = true } = config
    const { targetClassIds: ids = Array.from({ length: classes }, (_, i) => i) } = config
    return new Iou(label, {
      ...{ classes, ids, ignoreClass },
      wanted: oneHot || !sparseYTrue ? null : Math.trunc,
      predicted: (config.sparseYPred ?? !oneHot) ? Math.trunc : null,
    })
  },
  check,
})

/** The metrics of this file, by name. */
export const iouKinds = {
  iou: kind([...dense, 'sparseYTrue', 'targetClassIds'], false),
  meanIou: kind([...dense, 'sparseYTrue'], false),
  oneHotIou: kind([...dense, 'targetClassIds'], true),
  oneHotMeanIou: kind(dense, true),
  binaryIou: {
    labels: false,
    options: ['targetClassIds', 'threshold'],
    make({ name, label = name, targetClassIds: ids = [0, 1], threshold = 0.5 }) {
      const predicted = (p: number) => Number(p >= threshold!)
      return new Iou(label, { classes: 2, ids, ignoreClass: null, wanted: Math.trunc, predicted })
    },
    check,
  },
} satisfies Record<string, MetricKind>
addMetrics(iouKinds)

type Own<Optional extends keyof MetricConfig> = Pick<MetricConfig, Optional | 'label' | 'weighted'>
type Needed<Name extends keyof IouOptions> = Required<Pick<IouOptions, Name>>
type Dense = Own<'ignoreClass' | 'sparseYPred' | 'axis'> & Needed<'numClasses'>

/**
 * The mean intersection over union of the classes `targetClassIds`: right / (right + wrongly found + missed),
 * over all places of all batches. Numbers that are no class do not count. Keras's `IoU`.
 */
export const iou = (options: Dense & Own<'sparseYTrue'> & Needed<'targetClassIds'>): MetricConfig =>
  withAxis({ ...options, name: 'iou' })
/** The same of all classes that were seen. Keras's `MeanIoU`. */
export const meanIou = (options: Dense & Own<'sparseYTrue'>): MetricConfig =>
  withAxis({ ...options, name: 'meanIou' })
/** `iou` of targets, and outputs, of one number for each class. Keras's `OneHotIoU`. */
export const oneHotIou = (options: Dense & Needed<'targetClassIds'>): MetricConfig =>
  withAxis({ ...options, name: 'oneHotIou' })
/** `meanIou` of targets, and outputs, of one number for each class. Keras's `OneHotMeanIoU`. */
export const oneHotMeanIou = (options: Dense): MetricConfig =>
  withAxis({ ...options, name: 'oneHotMeanIou' })
/**
 * The same of targets of 0 and 1 and outputs that are 1 from `threshold` (0.5) on; of the classes 0 and 1.
 * Keras's `BinaryIoU`.
 */
export const binaryIou = (options: Own<'targetClassIds' | 'threshold'> = {}): MetricConfig => ({
  ...options,
  name: 'binaryIou',
})
