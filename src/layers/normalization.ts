/** layerNormalization and batchNormalization. */
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { type Counted, type Moments, normalizeColumns, normalizeRows } from '../tensor/normalize.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNumber, sizeOf } from '../util/check.ts'
import { featuresOf, type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'

/** What both normalizations take. */
export interface LayerNormalizationOptions extends LayerOptions {
  /** Added to the variance. Default 0.001. */
  epsilon?: number
  /** Add beta. Default true. */
  center?: boolean
  /** Multiply by gamma. Default true. */
  scale?: boolean
  /** Default 'zeros'. */
  betaInitializer?: InitializerLike
  /** Default 'ones'. */
  gammaInitializer?: InitializerLike
}

const sharedOptions = ['epsilon', 'center', 'scale', 'betaInitializer', 'gammaInitializer']

abstract class Normalization extends SimpleLayer {
  readonly epsilon: number
  readonly center: boolean
  readonly scale: boolean
  readonly betaInitializer: Initializer
  readonly gammaInitializer: Initializer
  protected gamma: Parameter | null = null
  protected beta: Parameter | null = null

  constructor(kind: string, options: LayerNormalizationOptions) {
    super(options)
    this.epsilon = checkNumber(`${kind} 'epsilon'`, options.epsilon ?? 1e-3, 0)
    this.center = options.center ?? true
    this.scale = options.scale ?? true
    const initializer = (name: 'beta' | 'gamma', fallback: InitializerLike) =>
      resolveInitializer(`${kind} '${name}Initializer'`, options[`${name}Initializer`] ?? fallback)
    this.betaInitializer = initializer('beta', 'zeros')
    this.gammaInitializer = initializer('gamma', 'ones')
  }

  override get wholeSequence() {
    return ''
  }

  options(): Record<string, unknown> {
    return {
      epsilon: this.epsilon,
      center: this.center,
      scale: this.scale,
      betaInitializer: initializerConfig(this.betaInitializer),
      gammaInitializer: initializerConfig(this.gammaInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    featuresOf(this, input)
    return input
  }

  protected override declare([input]: readonly Shape[]) {
    const shape = [featuresOf(this, input)]
    if (this.scale) this.gamma = this.addWeight('gamma', shape, this.gammaInitializer)
    if (this.center) this.beta = this.addWeight('beta', shape, this.betaInitializer)
  }
}

class LayerNormalization extends Normalization {
  readonly kind = 'layerNormalization'

  forward(ctx: Context, x: Tensor): Tensor {
    const { gamma, beta, epsilon } = this
    const y = normalizeRows(ctx, x, gamma?.value ?? null, beta?.value ?? null, epsilon)
    y.mask = x.mask
    return y
  }
}

/**
 * Each step's features less their mean, over their standard deviation, times gamma, plus beta: over
 * the last dimension. Weights: gamma [F], beta [F]. Masks pass. Ba et al. 2016; Keras's
 * `LayerNormalization` with its default axis.
 */
export function layerNormalization(options: LayerNormalizationOptions = {}): LayerNormalization {
  const kind = 'layerNormalization'
  return new LayerNormalization(kind, layerOptions(kind, options, sharedOptions))
}

/** Options of `batchNormalization`, beside those that both normalizations take. */
export interface BatchNormalizationOptions extends LayerNormalizationOptions {
  /** How much of the moving statistics stays with each step of training. Default 0.99. */
  momentum?: number
  /** Default 'zeros'. */
  movingMeanInitializer?: InitializerLike
  /** Default 'ones'. */
  movingVarianceInitializer?: InitializerLike
}

/** Keras's epsilon, which keeps a batch without any step from dividing by 0. */
const tiny = 1e-7

class BatchNormalization extends Normalization {
  readonly kind = 'batchNormalization'
  readonly momentum: number
  readonly movingMeanInitializer: Initializer
  readonly movingVarianceInitializer: Initializer
  #mean!: Parameter
  #variance!: Parameter

  constructor(options: BatchNormalizationOptions) {
    super('batchNormalization', options)
    const { movingMeanInitializer = 'zeros', movingVarianceInitializer = 'ones' } = options
    this.momentum = checkNumber("batchNormalization 'momentum'", options.momentum ?? 0.99, 0, 1)
    this.movingMeanInitializer = resolveInitializer(
      "batchNormalization 'movingMeanInitializer'",
      movingMeanInitializer,
    )
    this.movingVarianceInitializer = resolveInitializer(
      "batchNormalization 'movingVarianceInitializer'",
      movingVarianceInitializer,
    )
  }

  override options() {
    return {
      momentum: this.momentum,
      ...super.options(),
      movingMeanInitializer: initializerConfig(this.movingMeanInitializer),
      movingVarianceInitializer: initializerConfig(this.movingVarianceInitializer),
    }
  }

  protected override declare(inputs: readonly Shape[]) {
    super.declare(inputs)
    const shape = [featuresOf(this, inputs[0])]
    const fixed = { trainable: false }
    this.#mean = this.addWeight('movingMean', shape, this.movingMeanInitializer, fixed)
    this.#variance = this.addWeight('movingVariance', shape, this.movingVarianceInitializer, fixed)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const learns = ctx.training && !this.frozen
    const affine = {
      gamma: this.gamma?.value ?? null,
      beta: this.beta?.value ?? null,
      epsilon: this.epsilon,
    }
    const counted = learns ? countedRows(ctx, x) : { weights: null, count: 0 }
    const statistics = learns ? null : this.#moving()
    const { y, moments } = normalizeColumns(ctx, x, affine, statistics, counted)
    if (learns) ctx.afterStep(() => this.#move(moments))
    y.mask = x.mask
    return y
  }

  #moving(): Moments {
    return {
      mean: Float64Array.from(this.#mean.value.values),
      variance: Float64Array.from(this.#variance.value.values),
    }
  }

  #move({ mean, variance }: Moments): void {
    const pairs = [
      [this.#mean, mean],
      [this.#variance, variance],
    ] as const
    for (const [parameter, now] of pairs) {
      const { values } = parameter.value
      for (let c = 0; c < now.length; c++) {
        values[c] = values[c] * this.momentum + now[c] * (1 - this.momentum)
      }
      parameter.version++
    }
  }
}

/** The rows of x that are not masked. */
function countedRows(ctx: Context, x: Tensor): Counted {
  const rows = sizeOf(x.shape.slice(0, -1))
  const { mask } = x
  if (!mask?.lengths) return { weights: null, count: rows }
  const each = rows / mask.valid.size
  const weights = ctx.empty([rows])
  const flags = mask.valid.ints
  const { values } = weights
  for (let r = 0; r < rows; r++) values[r] = flags[Math.floor(r / each)]
  return { weights, count: mask.count * each + tiny }
}

/**
 * Each feature less its mean, over its standard deviation, times gamma, plus beta. In training, mean
 * and variance are those of the batch's steps that are not masked, and the moving statistics, which
 * everything else uses, go a hundredth of the way there with each step of the optimizer. With
 * `trainable: false` training uses the moving ones, too. Weights: gamma, beta, movingMean,
 * movingVariance, each [F]; the last two are not trainable. Masks pass. Ioffe & Szegedy 2015; Keras's
 * `BatchNormalization` with its default axis.
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): BatchNormalization {
  return new BatchNormalization(
    layerOptions('batchNormalization', options, [
      ...sharedOptions,
      'momentum',
      'movingMeanInitializer',
      'movingVarianceInitializer',
    ]),
  )
}
