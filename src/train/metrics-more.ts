/**
 * Metrics beyond accuracies and losses, by Keras's names and definitions where Keras has them. A
 * bundle for the browser holds them only if it uses one of these functions or reads models from
 * files; then their names serve as well, as they do in Node.
 */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber } from '../util/check.ts'
import { withAxis } from './loss-axis.ts'
import { axisOf, checkAxis, takesLabels } from './losses.ts'
import {
  argmax,
  byLoss,
  byRow,
  MeanMetric,
  type MetricConfig,
  type MetricKind,
  type RowValue,
} from './metric.ts'
import { addMetrics, make } from './metrics.ts'
import { AucMetric, type AucOptions } from './metrics-auc.ts'
import {
  concordance,
  FScoreMetric,
  type FScoreOptions,
  pearson,
  R2Metric,
  type R2Options,
} from './metrics-scores.ts'
import {
  BestMetric,
  type Counts,
  CountsMetric,
  type PrecisionOptions,
  precisionOf,
  recallOf,
  specificityOf,
} from './metrics-thresholds.ts'

/** Options of these metrics; each takes its own. */
export interface MoreOptions extends PrecisionOptions, AucOptions, FScoreOptions, R2Options {
  /** Of `sensitivityAtSpecificity`, from 0 to 1: the least that counts. */
  readonly specificity?: number
  /** Of `specificityAtSensitivity`. */
  readonly sensitivity?: number
  /** Of `precisionAtRecall`. */
  readonly recall?: number
  /** Of `recallAtPrecision`. */
  readonly precision?: number
  /** Of the top-k accuracies; default 5. */
  readonly k?: number
}

/** Whether fewer than k of a row's predictions are above that of its class. */
function isInTop(p: ArrayLike<number>, start: number, cols: number, label: number, k: number) {
  let above = 0
  for (let c = 0; c < cols; c++) if (p[start + c] > p[start + label]) above++
  return Number(above < k)
}

/** Cross-entropy of the loss's kind of targets. */
const entropy = (finish: (mean: number) => number): MetricKind => ({
  options: ['fromLogits', 'ignoreClass'],
  make(config, loss) {
    const { fromLogits = loss.fromLogits ?? false } = config
    const name = takesLabels(loss) ? 'sparseCategoricalCrossentropy' : 'categoricalCrossentropy'
    return new MeanMetric(config, byLoss({ name, fromLogits }), finish)
  },
})

type Of = (counts: Counts) => number

const thresholded = (of: Of): MetricKind => ({
  options: ['thresholds', 'topK', 'classId'],
  make: (config) => new CountsMetric(config.label ?? config.name, of, config),
})

const counted = (of: Of): MetricKind => ({ ...thresholded(of), options: ['thresholds'] })

const best = (
  of: Of,
  option: 'specificity' | 'sensitivity' | 'recall' | 'precision',
  where: Of,
) => ({
  options: [option, 'numThresholds', 'classId'] as const,
  make: (config: MetricConfig) =>
    new BestMetric(config.label ?? config.name, { of, where, least: config[option]! }, config),
})

const alongRow = (value: RowValue): MetricKind => ({
  labels: false,
  options: ['axis'],
  make: (config) => new MeanMetric(config, byRow(value)),
})

function checkOneOf(where: string, value: unknown, known: readonly unknown[]): void {
  if (known.includes(value)) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected one of ${known.map(show).join(', ')}, got ${show(value)}`,
  )
}

const least = new Set<string>(['specificity', 'sensitivity', 'recall', 'precision'])

function check(where: string, config: MetricConfig): void {
  const { k = 5, numThresholds = 200, average = null, curve = 'ROC' } = config
  checkInteger(`${where} 'k'`, k)
  checkInteger(`${where} 'numThresholds'`, numThresholds, config.name === 'auc' ? 2 : 1)
  for (const option of moreKinds[config.name as keyof typeof moreKinds].options ?? []) {
    if (least.has(option)) checkNumber(`${where} '${option}'`, config[option as 'recall'], 0, 1)
  }
  const { classAggregation = null, numRegressors = 0 } = config
  checkOneOf(`${where} 'classAggregation'`, classAggregation, [
    null,
    'uniformAverage',
    'varianceWeightedAverage',
  ])
  checkInteger(`${where} 'numRegressors'`, numRegressors, 0)
  checkOneOf(`${where} 'average'`, average, [null, 'micro', 'macro', 'weighted'])
  checkAxis(where, axisOf(config))
  checkOneOf(`${where} 'curve'`, curve, ['ROC', 'PR', 'PRGAIN'])
  const { summationMethod = 'interpolation', multiLabel, numLabels, labelWeights = [] } = config
  const methods = ['interpolation', 'minoring', 'majoring']
  checkOneOf(`${where} 'summationMethod'`, summationMethod, methods)
  for (const weight of labelWeights) checkNumber(`${where} 'labelWeights'`, weight, 0)
  if (numLabels === undefined) return
  checkInteger(`${where} 'numLabels'`, numLabels)
  if (multiLabel) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where} 'numLabels': it is for multiLabel: true, got multiLabel ${show(multiLabel)}`,
  )
}

/** The metrics of this file, by name. */
export const moreKinds = {
  topKCategoricalAccuracy: {
    labels: false,
    options: ['k'],
    make: (config) =>
      new MeanMetric(
        config,
        byRow((p, y, row, cols) =>
          isInTop(p, row * cols, cols, argmax(y, row * cols, cols), config.k ?? 5),
        ),
      ),
  },
  sparseTopKCategoricalAccuracy: {
    labels: true,
    options: ['k'],
    make: (config) =>
      new MeanMetric(
        config,
        byRow((p, y, row, cols) => isInTop(p, row * cols, cols, y[row], config.k ?? 5)),
      ),
  },
  precision: thresholded(precisionOf),
  recall: thresholded(recallOf),
  truePositives: counted(({ tp }) => tp),
  trueNegatives: counted(({ tn }) => tn),
  falsePositives: counted(({ fp }) => fp),
  falseNegatives: counted(({ fn }) => fn),
  sensitivityAtSpecificity: best(recallOf, 'specificity', specificityOf),
  specificityAtSensitivity: best(specificityOf, 'sensitivity', recallOf),
  precisionAtRecall: best(precisionOf, 'recall', recallOf),
  recallAtPrecision: best(recallOf, 'precision', precisionOf),
  f1Score: {
    options: ['average', 'threshold'],
    make: (config) => new FScoreMetric(config.label ?? config.name, config),
  },
  fBetaScore: {
    options: ['average', 'threshold', 'beta'],
    make: (config) => new FScoreMetric(config.label ?? config.name, config),
  },
  auc: {
    options: [
      'curve',
      'summationMethod',
      'numThresholds',
      'thresholds',
      'multiLabel',
      'numLabels',
      'labelWeights',
      'fromLogits',
    ],
    make: (config) => new AucMetric(config.label ?? config.name, config),
  },
  cosineSimilarity: {
    labels: false,
    options: ['axis'],
    make: (config) => new MeanMetric(config, byLoss({ name: 'cosineSimilarity' }), (x) => -x),
  },
  r2Score: {
    labels: false,
    options: ['classAggregation', 'numRegressors'],
    make: (config) => new R2Metric(config.label ?? config.name, config),
  },
  pearsonCorrelation: alongRow(pearson),
  concordanceCorrelation: alongRow(concordance),
  perplexity: entropy(Math.exp),
  bitsPerCharacter: entropy((nats) => nats / Math.LN2),
} satisfies Record<string, MetricKind>

for (const kind of Object.values(moreKinds) as MetricKind[]) kind.check = check
addMetrics(moreKinds)

/** The share of rows whose class is among the `k` (5) largest predictions. */
export const topKCategoricalAccuracy = make<'k'>('topKCategoricalAccuracy')
/** The same of class numbers. */
export const sparseTopKCategoricalAccuracy = make<'k'>('sparseTopKCategoricalAccuracy')
/** Of what was predicted above `thresholds` (0.5), the share that is true; of all columns together. */
export const precision = make<keyof PrecisionOptions>('precision')
/** Of what is true, the share that was predicted above `thresholds` (0.5). */
export const recall = make<keyof PrecisionOptions>('recall')
/** The harmonic mean of precision and recall; by default one for each class. */
export const f1Score = make<'average' | 'threshold'>('f1Score')
/** (1 + β²) precision · recall / (β² precision + recall). */
export const fBetaScore = make<keyof FScoreOptions>('fBetaScore')
/**
 * Area under the ROC curve, or that of precision against recall, by 200 thresholds; of all columns together, or
 * with `multiLabel` the mean over columns. Keras's `AUC`.
 */
export const auc = make<keyof AucOptions>('auc')
/** How many were rightly predicted above `thresholds` (0.5), by their weights. */
export const truePositives = make<'thresholds'>('truePositives')
/** How many were rightly predicted at most `thresholds` (0.5). */
export const trueNegatives = make<'thresholds'>('trueNegatives')
/** How many were wrongly predicted above `thresholds` (0.5). */
export const falsePositives = make<'thresholds'>('falsePositives')
/** How many were wrongly predicted at most `thresholds` (0.5). */
export const falseNegatives = make<'thresholds'>('falseNegatives')

type Best<Option extends keyof MoreOptions> = Pick<MetricConfig, 'label' | 'weighted'> &
  Pick<MoreOptions, 'numThresholds' | 'classId'> &
  Required<Pick<MoreOptions, Option>>

/** The function of a metric that needs an option. */
const needing =
  <Option extends keyof MoreOptions>(name: MetricConfig['name']) =>
  (options: Best<Option>): MetricConfig => ({ ...options, name })

/** The best sensitivity, which is recall, where specificity is at least this, by `numThresholds` (200). */
export const sensitivityAtSpecificity = needing<'specificity'>('sensitivityAtSpecificity')
/** The best specificity, tn / (tn + fp), where sensitivity is at least this. */
export const specificityAtSensitivity = needing<'sensitivity'>('specificityAtSensitivity')
/** The best precision where recall is at least this. */
export const precisionAtRecall = needing<'recall'>('precisionAtRecall')
/** The best recall where precision is at least this. */
export const recallAtPrecision = needing<'precision'>('recallAtPrecision')
/**
 * 1 - Σ (y - p)² / Σ (y - mean y)², of columns as `classAggregation` says; with `numRegressors` adjusted
 * for their number.
 */
export const r2Score = make<keyof R2Options>('r2Score')
/** The correlation of target and prediction along each row's dimension `axis`, the last; mean over rows. */
export const pearsonCorrelation = (
  options: Pick<MetricConfig, 'axis' | 'label' | 'weighted'> = {},
): MetricConfig => withAxis({ ...options, name: 'pearsonCorrelation' })
/** The same, less where means or spreads differ (Lin 1989). */
export const concordanceCorrelation = (
  options: Pick<MetricConfig, 'axis' | 'label' | 'weighted'> = {},
): MetricConfig => withAxis({ ...options, name: 'concordanceCorrelation' })
/** e to the mean cross-entropy: how many classes the model is torn between. */
export const perplexity = make<'fromLogits' | 'ignoreClass'>('perplexity')
/** Mean cross-entropy in bits: of a model of characters, the bits that each takes. */
export const bitsPerCharacter = make<'fromLogits' | 'ignoreClass'>('bitsPerCharacter')
