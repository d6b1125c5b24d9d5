/**
 * Metrics beyond accuracies and losses, by Keras's names and definitions where Keras has them. A
 * bundle for the browser holds them only if it uses one of these functions or reads models from
 * files; then their names serve as well, as they do in Node.
 */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber } from '../util/check.ts'
import { checkAxis, takesLabels } from './losses.ts'
import { argmax, byLoss, byRow, MeanMetric, type MetricConfig, type MetricKind } from './metric.ts'
import { addMetrics, make } from './metrics.ts'
import {
  AucMetric,
  type AucOptions,
  FScoreMetric,
  type FScoreOptions,
  PrecisionMetric,
  type PrecisionOptions,
  R2Metric,
} from './metrics-confusion.ts'

/** Options of these metrics; each takes its own. */
export interface MoreOptions extends PrecisionOptions, AucOptions, FScoreOptions {
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

const thresholded = (kind: 'precision' | 'recall'): MetricKind => ({
  options: ['thresholds', 'topK', 'classId'],
  make: (config) => new PrecisionMetric(config.label ?? kind, kind, config),
})

function checkOneOf(where: string, value: unknown, known: readonly unknown[]): void {
  if (known.includes(value)) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected one of ${known.map(show).join(', ')}, got ${show(value)}`,
  )
}

function check(where: string, config: MetricConfig): void {
  const { k = 5, numThresholds = 200, average = null, curve = 'ROC' } = config
  checkInteger(`${where} 'k'`, k)
  checkInteger(`${where} 'numThresholds'`, numThresholds, 2)
  checkOneOf(`${where} 'average'`, average, [null, 'micro', 'macro', 'weighted'])
  checkAxis(where, config.axis)
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
  precision: thresholded('precision'),
  recall: thresholded('recall'),
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
  r2Score: { labels: false, make: ({ label = 'r2Score' }) => new R2Metric(label) },
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
/** 1 - Σ (y - p)² / Σ (y - mean y)²; mean over outputs. */
export const r2Score = make<never>('r2Score')
/** e to the mean cross-entropy: how many classes the model is torn between. */
export const perplexity = make<'fromLogits' | 'ignoreClass'>('perplexity')
/** Mean cross-entropy in bits: of a model of characters, the bits that each takes. */
export const bitsPerCharacter = make<'fromLogits' | 'ignoreClass'>('bitsPerCharacter')
