/** Weight tying: an output layer that reads an embedding's table (Press & Wolf 2017). */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { activateSums, linearTransposed } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { Embedding } from './embedding.ts'
import {
  featuresOf,
  type Layer,
  type LayerOptions,
  layerOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

/** Options of `tiedDense`, as `dense` has them. */
export interface TiedDenseOptions extends LayerOptions, WeightRules<'bias'> {
  /** Default 'linear'. */
  activation?: ActivationName
  /** Default true. */
  useBias?: boolean
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike
}

class TiedDense extends SimpleLayer {
  readonly kind = 'tiedDense'
  readonly activation: ActivationName
  readonly useBias: boolean
  readonly biasInitializer: Initializer
  /** The embedding, or its name until `link` finds it. */
  #embedding: Embedding | string
  #bias: Parameter | null = null

  constructor(embedding: Embedding | string, options: TiedDenseOptions) {
    super(options)
    this.#embedding = embedding
    if (embedding instanceof Embedding) embedding.tie()
    this.activation = checkActivation("tiedDense 'activation'", options.activation ?? 'linear')
    this.useBias = options.useBias ?? true
    this.biasInitializer = resolveInitializer(
      "tiedDense 'biasInitializer'",
      options.biasInitializer ?? 'zeros',
    )
  }

  override get tiedTo(): Embedding {
    if (this.#embedding instanceof Embedding) return this.#embedding
    throw new Error(`${this.name}: the embedding '${this.#embedding}' has not been looked up`)
  }

  override link(find: (name: string) => Layer | undefined): void {
    if (typeof this.#embedding !== 'string') return
    const found = find(this.#embedding)
    if (!(found instanceof Embedding)) {
      throw new RefrainError(
        'BAD_FILE',
        `${this.name || this.kind}: expected an embedding named ${show(this.#embedding)}, got ${found?.kind ?? 'none'}`,
      )
    }
    found.tie()
    this.#embedding = found
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return {
      tiedTo: this.tiedTo.name,
      activation: this.activation,
      useBias: this.useBias,
      biasInitializer: initializerConfig(this.biasInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    const { inputDim, outputDim, name, kind } = this.tiedTo
    const features = featuresOf(this, input)
    if (features !== outputDim) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: expected ${outputDim} features, as many as '${name || kind}' ` +
          `gives, got an input of shape ${show([...input])}`,
        `put dense({ units: ${outputDim} }) before it, or give the lstm projection: ${outputDim}`,
      )
    }
    return [...input.slice(0, -1), inputDim]
  }

  protected override declare() {
    if (!this.useBias) return
    this.#bias = this.addWeight('bias', [this.tiedTo.inputDim], this.biasInitializer)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const room = ctx.takeRoom([...x.shape.slice(0, -1), this.tiedTo.inputDim])
    const sums = linearTransposed(ctx, x, this.tiedTo.table, this.#bias?.value ?? null, room)
    const y = activateSums(ctx, this.activation, sums, room)
    y.mask = x.mask
    return y
  }
}

/**
 * y = activation(x·Eᵀ + bias) over the last dimension, E being the table [V,D] of an embedding in the
 * same model: [B,…,D] → [B,…,V]. E is one weight, in the embedding, with both gradients; `trainable` of
 * the embedding decides over it. Weight: bias [V]. Masks go on.
 *
 *     const words = embedding({ inputDim: 10_000, outputDim: 400 })
 *     sequential([
 *       words,
 *       lstm({ units: 1150, returnSequences: true, projection: 400 }),
 *       tiedDense(words, { activation: 'softmax' }),
 *     ])
 */
export function tiedDense(embedding: Embedding, options: TiedDenseOptions = {}): TiedDense {
  if (!(embedding instanceof Embedding)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tiedDense: expected an embedding such as embedding({ inputDim: 9, outputDim: 4 }), got ${show(embedding)}`,
    )
  }
  return new TiedDense(embedding, checked(options))
}

/** The layer that a file describes; `link` gives it its embedding. */
export function tiedDenseByName(tiedTo: string, options: TiedDenseOptions): TiedDense {
  return new TiedDense(tiedTo, checked(options))
}

const checked = (options: TiedDenseOptions) =>
  layerOptions('tiedDense', options, [
    'activation',
    'useBias',
    'biasInitializer',
    ...ruleNames('bias'),
  ])
