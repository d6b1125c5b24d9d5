import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { activateSums, linear } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { featuresOf, type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

export interface DenseOptions extends LayerOptions, WeightRules<'kernel' | 'bias'> {
  /** Width of the output. */
  units: number
  /** Default 'linear'. */
  activation?: ActivationName
  /** Default true. */
  useBias?: boolean
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike
}

class Dense extends SimpleLayer {
  readonly kind = 'dense'
  readonly units: number
  readonly activation: ActivationName
  readonly useBias: boolean
  readonly kernelInitializer: Initializer
  readonly biasInitializer: Initializer
  #kernel!: Parameter
  #bias: Parameter | null = null

  constructor(options: DenseOptions) {
    super(options)
    this.units = checkInteger("dense 'units'", options.units)
    this.activation = checkActivation("dense 'activation'", options.activation ?? 'linear')
    this.useBias = options.useBias ?? true
    this.kernelInitializer = resolveInitializer(
      "dense 'kernelInitializer'",
      options.kernelInitializer ?? 'glorotUniform',
    )
    this.biasInitializer = resolveInitializer(
      "dense 'biasInitializer'",
      options.biasInitializer ?? 'zeros',
    )
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return {
      units: this.units,
      activation: this.activation,
      useBias: this.useBias,
      kernelInitializer: initializerConfig(this.kernelInitializer),
      biasInitializer: initializerConfig(this.biasInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    featuresOf(this, input)
    return [...input.slice(0, -1), this.units]
  }

  protected override declare([input]: readonly Shape[]) {
    const shape = [featuresOf(this, input), this.units]
    this.#kernel = this.addWeight('kernel', shape, this.kernelInitializer)
    if (this.useBias) this.#bias = this.addWeight('bias', [this.units], this.biasInitializer)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const room = ctx.takeRoom([...x.shape.slice(0, -1), this.units])
    const sums = linear(ctx, x, this.#kernel.value, this.#bias?.value ?? null, room)
    const y = activateSums(ctx, this.activation, sums, room)
    y.mask = x.mask
    return y
  }
}

/**
 * y = activation(x·kernel + bias) over the last dimension: [B,…,I] → [B,…,units].
 * Weights: kernel [I,units], bias [units]. Keras's `Dense`.
 */
export function dense(options: DenseOptions): Dense {
  return new Dense(
    layerOptions('dense', options, [
      'units',
      'activation',
      'useBias',
      'kernelInitializer',
      'biasInitializer',
      ...ruleNames('kernel', 'bias'),
    ]),
  )
}
