/** layerNormalization, and what it shares with batchNormalization. */
import { RefrainError, show } from '../errors.ts'
import { permute } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { normalizeRows } from '../tensor/normalize.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkNumber, sizeOf } from '../util/check.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

/** What both normalizations take. */
export interface NormalizationOptions extends LayerOptions, WeightRules<'gamma' | 'beta'> {
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

/** The names of these options, and `axis`. */
export const sharedOptions = [
  'axis',
  'epsilon',
  'center',
  'scale',
  'betaInitializer',
  'gammaInitializer',
  ...ruleNames('gamma', 'beta'),
]

/** The base of both: axes, gamma and beta. */
export abstract class Normalization extends SimpleLayer {
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
