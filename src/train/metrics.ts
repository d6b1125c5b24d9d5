/** Metrics that stream over batches; names and definitions of Keras 3. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions, nearest, suggest } from '../util/check.ts'
import { type CustomLoss, defineLoss } from './define-loss.ts'
import {
  axisOf,
  isLossName,
  type LossConfig,
  lossNames,
  resolveLoss,
  takesLabels,
} from './losses.ts'
import {
  argmax,
  byLoss,
  byRow,
  LossMetric,
  MeanMetric,
  type Metric,
  type MetricConfig,
  type MetricKind,
  type MetricName,
  type MetricOptions,
  type Reader,
} from './metric.ts'
import { isStepwise } from './sequence-losses.ts'

const binaryAccuracyAt = (threshold: number) =>
  byRow((p, y, row, cols) => {
    let right = 0
    for (let i = row * cols; i < (row + 1) * cols; i++) {
      if ((p[i] > threshold ? 1 : 0) === y[i]) right++
    }
    return right / cols
  })
const isLargest = byRow((p, y, row, cols) =>
  Number(argmax(p, row * cols, cols) === argmax(y, row * cols, cols)),
)
/** Labels that a layer has decoded stand by themselves. */
const isSame = byRow((p, y, row) => Number(p[row] === y[row]))
const isClass = byRow((p, y, row, cols) => Number(argmax(p, row * cols, cols) === y[row]))

const mean = (labels: boolean, reader: Reader): MetricKind => ({
  labels,
  make: (config) => new MeanMetric(config, reader),
})

/** Metrics that every model knows by name. */
const core = {
  accuracy: {
    make: (config, loss) =>
      new MeanMetric(config, (batch) => {
        if (batch.prediction.dtype === 'int32') return isSame(batch)
        if (takesLabels(loss)) return isClass(batch)
        const binary = batch.cols === 1 || loss.name.startsWith('binary')
        return (binary ? binaryAccuracyAt(0.5) : isLargest)(batch)
      }),
  },
  binaryAccuracy: {
    labels: false,
    options: ['threshold'],
    make: (config) => new MeanMetric(config, binaryAccuracyAt(config.threshold ?? 0.5)),
  },
  categoricalAccuracy: mean(false, isLargest),
  sparseCategoricalAccuracy: mean(true, isClass),
  rootMeanSquaredError: {
    labels: false,
    make: (config) => new MeanMetric(config, byLoss({ name: 'meanSquaredError' }), Math.sqrt),
  },
} satisfies Record<string, MetricKind>

const known: Record<string, MetricKind> = { ...core }

/** Makes metrics known by their names. */
export function addMetrics(kinds: Record<string, MetricKind>): void {
  Object.assign(known, kinds)
}

/** All names known. */
export const metricNames = (): string[] => [...new Set([...Object.keys(known), ...lossNames()])]

type Options<Name extends keyof MetricOptions> = Pick<MetricConfig, Name | 'label' | 'weighted'>

/** The function of a metric's name. */
export const make =
  <Name extends keyof MetricOptions>(name: MetricName) =>
  (options: Options<Name> = {} as Options<Name>): MetricConfig => ({ ...options, name })

/** The share of predictions on the right side of `threshold` (0.5). */
export const binaryAccuracy = /* @__PURE__ */ make<'threshold'>('binaryAccuracy')
/** The share of rows whose largest prediction stands where the largest target stands. */
export const categoricalAccuracy = /* @__PURE__ */ make<never>('categoricalAccuracy')
/** The share of rows whose largest prediction is that of their class number. */
export const sparseCategoricalAccuracy = /* @__PURE__ */ make<never>('sparseCategoricalAccuracy')
/** √ of the mean squared error over all rows. */
export const rootMeanSquaredError = /* @__PURE__ */ make<never>('rootMeanSquaredError')

/** A metric of your own: the weighted mean over rows of `value`, as in `defineLoss`. */
export function defineMetric(options: {
  name: string
  labels?: boolean
  value: CustomLoss['value']
}): MetricConfig {
  checkOptions('defineMetric', options, ['name', 'labels', 'value'])
  const { name, labels, value } = options
  const loss = defineLoss({ name, labels, value, gradient: () => {} })
  return { name, make: (config) => new MeanMetric(config, byLoss(loss)) }
}

const short: Record<string, MetricName> = {
  acc: 'accuracy',
  mse: 'meanSquaredError',
  mae: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError',
  msle: 'meanSquaredLogarithmicError',
  rmse: 'rootMeanSquaredError',
}

const kindOf = (name: string): MetricKind | null =>
  Object.hasOwn(known, name) ? known[name] : null

/** The metric of a name or configuration; throws `UNKNOWN_OPTION` naming the nearest. */
export function resolveMetric(wanted: string | MetricConfig): MetricConfig {
  const config = typeof wanted === 'string' ? { name: short[wanted] ?? wanted } : wanted
  if (config?.make) return config
  const kind = kindOf(config?.name)
  if (kind) {
    const where = `metric '${config.name}'`
    checkOptions(where, config, ['name', 'label', 'weighted', ...(kind.options ?? [])])
    kind.check?.(where, config)
    return config
  }
  if (!isLossName(config?.name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `metrics: unknown metric ${show(config?.name ?? wanted)}`,
      suggestMetric(String(config?.name ?? wanted)),
    )
  }
  resolveLoss(lossOf(config), ['name'])
  return config
}

/** The nearest name, or all that are no losses. */
function suggestMetric(name: string): string {
  const all = metricNames()
  return suggest(name, nearest(name, all) ? all : Object.keys(known))
}

/** The loss that a metric of its name is. */
function lossOf({ label: _, weighted: __, ...loss }: MetricConfig): LossConfig {
  return loss as LossConfig
}

/** Fails if the targets of a loss cannot be a metric's: class numbers or one number an output. */
export function checkMetric(config: MetricConfig, loss: LossConfig): MetricConfig {
  const { name } = config
  const labels = takesLabels(loss)
  if (!isStepwise(loss) && !config.make && kindOf(name)?.stepwise !== false) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `metrics: '${name}' needs a target for each step, labels of '${loss.name}' have none`,
      'use labelErrorRate()',
    )
  }
  const needed = config.make ? undefined : (kindOf(name) ?? { labels: takesLabels(config) }).labels
  if (needed === undefined || needed === labels) return config
  throw new RefrainError(
    'BAD_ARGUMENT',
    labels
      ? `metrics: '${name}' needs a target for each output, '${loss.name}' takes class numbers`
      : `metrics: '${name}' needs class numbers, '${loss.name}' takes a target for each output`,
    "'accuracy' becomes the one that fits the loss",
  )
}

/** A metric to add batches to. */
export function makeMetric(config: MetricConfig, loss: LossConfig): Metric {
  const make = config.make ?? kindOf(config.name)?.make
  const metric = make?.(config, loss) ?? new LossMetric(config, lossOf(config))
  metric.weighted = config.weighted ?? false
  metric.axis = axisOf(config) ?? axisOf(loss)
  return metric
}
