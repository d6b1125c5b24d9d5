/** layerNormalization and batchNormalization. */
import { RefrainError, show } from '../errors.ts'
import { permute } from '../tensor/arrange.ts'
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
import { checkInteger, checkNumber, sizeOf } from '../util/check.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

/** What both normalizations take. */
interface NormalizationOptions extends LayerOptions, WeightRules<'gamma' | 'beta'> {
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

/** Keras 3's options for `LayerNormalization`, with its defaults. */
export interface LayerNormalizationOptions extends NormalizationOptions {
  /**
   * The dimension, or dimensions, over which mean and variance are taken, the batch being 0; negative from
   * the end. gamma and beta have their lengths. Default -1.
   */
  axis?: number | readonly number[]
}

const sharedOptions = [
  'axis',
  'epsilon',
  'center',
  'scale',
  'betaInitializer',
  'gammaInitializer',
  ...ruleNames('gamma', 'beta'),
]

abstract class Normalization extends SimpleLayer {
  /** As given: some may be counted from the end. */
  readonly axes: readonly number[]
  readonly epsilon: number
  readonly center: boolean
  readonly scale: boolean
  readonly betaInitializer: Initializer
  readonly gammaInitializer: Initializer
  protected gamma: Parameter | null = null
  protected beta: Parameter | null = null
  #lengths: readonly number[] | null = null
  #overTime = false

  constructor(kind: string, axes: readonly number[], options: NormalizationOptions) {
    super(options)
    this.axes = axes.map((axis) => checkInteger(`${kind} 'axis'`, axis, -8))
    this.epsilon = checkNumber(`${kind} 'epsilon'`, options.epsilon ?? 1e-3, 0)
    this.center = options.center ?? true
    this.scale = options.scale ?? true
    const initializer = (name: 'beta' | 'gamma', fallback: InitializerLike) =>
      resolveInitializer(`${kind} '${name}Initializer'`, options[`${name}Initializer`] ?? fallback)
    this.betaInitializer = initializer('beta', 'zeros')
    this.gammaInitializer = initializer('gamma', 'ones')
  }

  override get wholeSequence() {
    return this.#overTime ? 'its axis is time' : ''
  }

  options(): Record<string, unknown> {
    return {
      axis: this.axes.length === 1 ? this.axes[0] : this.axes,
      epsilon: this.epsilon,
      center: this.center,
      scale: this.scale,
      betaInitializer: initializerConfig(this.betaInitializer),
      gammaInitializer: initializerConfig(this.gammaInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    const lengths = this.lengthsOf(input)
    if (this.#lengths && show(lengths) !== show([...this.#lengths])) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: the layer's weights are for ${show([...this.#lengths])} along its ` +
          `axis, got an input of shape ${show([...input])}`,
        'a shared layer takes inputs of one width',
      )
    }
    return input
  }

  /** `outputShape` does that. */
  protected override checkFeatures() {}

  /** The dimensions of such an input that `axis` means, in order. */
  protected axesOf(shape: Shape): number[] {
    const rank = shape.length
    const axes = this.axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b)
    if (
      axes.length === 0 ||
      axes.some((axis, i) => axis < 1 || axis >= rank || axis === axes[i - 1])
    ) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name || this.kind} 'axis': expected dimensions after the batch, each once, of an input ` +
          `of shape ${show([...shape])}, got ${show([...this.axes])}`,
        'axis: -1 are the features',
      )
    }
    return axes
  }

  /** The input's lengths along `axis`. */
  protected lengthsOf(shape: Shape): number[] {
    return this.axesOf(shape).map((axis) => {
      const length = shape[axis]
      if (length !== null) return length
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: the dimension ${axis}, along its axis, must be known, got an input ` +
          `of shape ${show([...shape])}`,
        'axis: -1 normalizes the features, of sequences of any length',
      )
    })
  }

  protected override declare([input]: readonly Shape[]) {
    const shape = this.lengthsOf(input)
    this.#lengths = shape
    this.#overTime = input.length > 2 && this.axesOf(input).includes(1)
    if (this.scale) this.gamma = this.addWeight('gamma', shape, this.gammaInitializer)
    if (this.center) this.beta = this.addWeight('beta', shape, this.betaInitializer)
  }

  /** `normalize` of x as rows [N,M] of the numbers along the axis, in x's shape again. */
  protected along(ctx: Context, x: Tensor, normalize: (rows: Tensor) => Tensor): Tensor {
    const axes = this.axesOf(x.shape)
    const others = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
    const order = [...others, ...axes]
    const moved = permute(ctx, x, order)
    const width = sizeOf(axes.map((axis) => x.shape[axis]))
    const normal = normalize(moved.view([x.size / width, width])).view(moved.shape)
    const back = permute(
      ctx,
      normal,
      order.map((_, axis) => order.indexOf(axis)),
    )
    back.mask = x.mask
    this.regularize(ctx, back)
    return back
  }
}

class LayerNormalization extends Normalization {
  readonly kind = 'layerNormalization'

  forward(ctx: Context, x: Tensor): Tensor {
    const { gamma, beta, epsilon } = this
    return this.along(ctx, x, (rows) =>
      normalizeRows(ctx, rows, gamma?.value ?? null, beta?.value ?? null, epsilon),
    )
  }
}

/**
 * Each step's features less their mean, over their standard deviation, times gamma, plus beta; with
 * another `axis` the numbers along that. Weights: gamma and beta, [F] each. Masks pass and, as in Keras,
 * change no mean. Ba et al. 2016; Keras's `LayerNormalization`.
 */
export function layerNormalization(options: LayerNormalizationOptions = {}): LayerNormalization {
  const kind = 'layerNormalization'
  const given = layerOptions(kind, options, sharedOptions)
  const { axis = -1 } = given
  return new LayerNormalization(kind, Array.isArray(axis) ? axis : [axis as number], given)
}

/** Keras 3's options for `BatchNormalization`, with its defaults. */
export interface BatchNormalizationOptions extends NormalizationOptions {
  /**
   * The dimension that keeps statistics and weights of its own for each place, the batch being 0;
   * negative from the end. Default -1.
   */
  axis?: number
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
    super('batchNormalization', [options.axis ?? -1], options)
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
    const shape = this.lengthsOf(inputs[0])
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
    const counted = learns ? this.#counted(ctx, x) : { weights: null, count: 0 }
    const statistics = learns ? null : this.#moving()
    return this.along(ctx, x, (rows) => {
      const { y, moments } = normalizeColumns(ctx, rows, affine, statistics, counted)
      if (learns) ctx.afterStep(() => this.#move(moments))
      return y
    })
  }

  /** The rows of `along` that are not masked. */
  #counted(ctx: Context, x: Tensor): Counted {
    const [axis] = this.axesOf(x.shape)
    const rows = x.size / x.shape[axis]
    const outer = ctx.unfolded?.mask
    const mask = x.mask ?? (outer && rows % outer.valid.size === 0 ? outer : null)
    if (!mask?.lengths) return { weights: null, count: rows }
    if (axis === 1 && mask === x.mask) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name} 'axis': statistics of each time step cannot leave out masked steps`,
        'axis: -1 takes those of the features',
      )
    }
    const each = rows / mask.valid.size
    const weights = ctx.empty([rows])
    const flags = mask.valid.ints
    const { values } = weights
    for (let r = 0; r < rows; r++) values[r] = flags[Math.floor(r / each)]
    return { weights, count: mask.count * each + tiny }
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

/**
 * Each feature less its mean, over its standard deviation, times gamma, plus beta. In training, mean
 * and variance are those of the batch's steps that are not masked, and the moving statistics, which
 * everything else uses, go a hundredth of the way there with each step of the optimizer. With
 * `trainable: false` training uses the moving ones, too. Weights: gamma, beta, movingMean,
 * movingVariance, each [F]; the last two are not trainable. With another `axis` it is not the features
 * that are taken apart but what lies along that. Masks pass. Ioffe & Szegedy 2015; Keras's
 * `BatchNormalization`.
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
