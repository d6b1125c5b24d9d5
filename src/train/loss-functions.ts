/** The losses' functions, by Keras's names in camelCase: each makes a configuration for `compile`. */
import { withAxis } from './loss-axis.ts'
import type { LossConfig, LossOptions } from './losses.ts'

type Reduced = Pick<LossOptions, 'reduction'>
type Entropy = Pick<LossOptions, 'fromLogits' | 'labelSmoothing' | 'axis' | 'reduction'>

/** Cross-entropy of independent yes-or-no targets; mean over the dimension `axis`, the last. */
export const binaryCrossentropy = (options: Entropy = {}): LossConfig =>
  withAxis({ ...options, name: 'binaryCrossentropy' })
/** Cross-entropy of one-hot (or soft) targets, whose classes lie along the dimension `axis`, the last. */
export const categoricalCrossentropy = (options: Entropy = {}): LossConfig =>
  withAxis({ ...options, name: 'categoricalCrossentropy' })
/**
 * Cross-entropy of class numbers, which have the output's shape without its dimension `axis`, the last.
 * Its label smoothing is that of the one-hot targets.
 */
export const sparseCategoricalCrossentropy = (
  options: Entropy & Pick<LossOptions, 'ignoreClass'> = {},
): LossConfig => withAxis({ ...options, name: 'sparseCategoricalCrossentropy' })
/** Mean of the squared differences over the last dimension. */
export const meanSquaredError = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'meanSquaredError',
})
/** Mean of the absolute differences over the last dimension. */
export const meanAbsoluteError = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'meanAbsoluteError',
})
/** Mean of 100 |y - p| / |y| over the last dimension; |y| at least 1e-7. */
export const meanAbsolutePercentageError = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'meanAbsolutePercentageError',
})
/** Mean of (log(1 + y) - log(1 + p))² over the last dimension; for numbers above 0. */
export const meanSquaredLogarithmicError = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'meanSquaredLogarithmicError',
})
/** Squared error halved, but linear where it is above `delta`: outliers pull less (Huber 1964). */
export const huber = (options: Reduced & Pick<LossOptions, 'delta'> = {}): LossConfig => ({
  ...options,
  name: 'huber',
})
/** Mean of log(cosh(p - y)): about the squared error halved, far away the absolute one. */
export const logCosh = (options: Reduced = {}): LossConfig => ({ ...options, name: 'logCosh' })
/** Mean of p - y log p: of counts y whose rate p is predicted. */
export const poisson = (options: Reduced = {}): LossConfig => ({ ...options, name: 'poisson' })
/** Mean of max(1 - y p, 0); targets are -1 and 1, or 0 and 1, which count as -1 and 1. */
export const hinge = (options: Reduced = {}): LossConfig => ({ ...options, name: 'hinge' })
/** Mean of max(1 - y p, 0)²; targets as in `hinge`. */
export const squaredHinge = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'squaredHinge',
})
/** max(0, 1 + max((1 - y) p) - Σ y p) of one-hot targets. */
export const categoricalHinge = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'categoricalHinge',
})
/** Σ y log(y / p) over the last dimension: of two distributions (Kullback & Leibler 1951). */
export const klDivergence = (options: Reduced = {}): LossConfig => ({
  ...options,
  name: 'klDivergence',
})
/**
 * Minus the cosine of the angle between target and prediction, vectors along the dimension `axis`, the
 * last: -1 is best. As a metric it is without the minus.
 */
export const cosineSimilarity = (options: Reduced & Pick<LossOptions, 'axis'> = {}): LossConfig =>
  withAxis({ ...options, name: 'cosineSimilarity' })
/**
 * The pinball loss (Koenker & Bassett 1978), mean over the quantiles: the best prediction for 0.9 is
 * what nine of ten targets lie below. The model has one output for each quantile; targets are one
 * number [B] or [B,1] (or [B,T], [B,T,1]), or one for each output.
 */
export const quantile = (
  options: Reduced & { readonly quantiles: readonly number[] },
): LossConfig => ({ ...options, name: 'quantile' })
/** Binary cross-entropy in which what is nearly right counts little (Lin et al. 2017). */
export const binaryFocalCrossentropy = (
  options: Entropy & Pick<LossOptions, 'gamma' | 'alpha' | 'applyClassBalancing'> = {},
): LossConfig => withAxis({ ...options, name: 'binaryFocalCrossentropy' })
/** Categorical cross-entropy in which what is nearly right counts little (Lin et al. 2017). */
export const categoricalFocalCrossentropy = (
  options: Entropy & Pick<LossOptions, 'gamma' | 'alpha'> = {},
): LossConfig => withAxis({ ...options, name: 'categoricalFocalCrossentropy' })
