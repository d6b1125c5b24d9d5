import type { Context } from '../tensor/context.ts'
import {
  glorotUniform,
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { activate, linear } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { addPairs } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import {
  AttentionLayer,
  type AttentionLayerOptions,
  attentionOptionNames,
  sumOver,
} from './attention-layer.ts'
import { featuresOf, layerOptions, type Shape } from './layer.ts'

/** Options of `additiveAttention`. */
export interface AdditiveAttentionOptions extends AttentionLayerOptions {
  /** The sum over tanh(…) has learned weights, `scale`. Default true. */
  useScale?: boolean
  /**
   * Width of learned maps of query and key before they are added, as in the paper, where these may be
   * of different widths. Default: none, as in Keras.
   */
  units?: number
  /** Of these maps; default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
}

class AdditiveAttention<Scores extends boolean> extends AttentionLayer<Scores> {
  readonly kind = 'additiveAttention'
  readonly useScale: boolean
  readonly units: number | null
  readonly kernelInitializer: Initializer
  #maps: { query: Parameter; key: Parameter } | null = null
  #scale: Parameter | null = null

  constructor(options: AdditiveAttentionOptions) {
    super('additiveAttention', options)
    this.useScale = options.useScale ?? true
    const { units } = options
    this.units = units === undefined ? null : checkInteger("additiveAttention 'units'", units)
    this.kernelInitializer = resolveInitializer(
      "additiveAttention 'kernelInitializer'",
      options.kernelInitializer ?? 'glorotUniform',
    )
  }

  override options() {
    return {
      ...super.options(),
      useScale: this.useScale,
      ...(this.units !== null && { units: this.units }),
      kernelInitializer: initializerConfig(this.kernelInitializer),
    }
  }

  protected override checkWidths(query: number, key: number) {
    if (this.units === null) super.checkWidths(query, key)
  }

  protected override declare([query, value, key = value]: readonly Shape[]) {
    const width = featuresOf(this, query)
    if (this.units !== null) {
      const map = (name: string, features: number) =>
        this.addWeight(name, [features, this.units!], this.kernelInitializer)
      this.#maps = {
        query: map('queryKernel', width),
        key: map('keyKernel', featuresOf(this, key)),
      }
    }
    if (this.useScale) this.#scale = this.addWeight('scale', [this.units ?? width], glorotUniform())
  }

  protected scores(ctx: Context, query: Tensor, key: Tensor): Tensor {
    const map = (x: Tensor, kernel?: Parameter) => (kernel ? linear(ctx, x, kernel.value, null) : x)
    const pairs = addPairs(ctx, map(query, this.#maps?.query), map(key, this.#maps?.key))
    return sumOver(ctx, activate(ctx, 'tanh', pairs), this.#scale?.value ?? null)
  }
}

/**
 * Additive attention (Bahdanau et al. 2015): [query [B,Q,D], value [B,K,V], key [B,K,D]] → [B,Q,V] with
 * scores Σ_d scale_d tanh(q + k)_d; without a key the value is the key. With `units` the score is the
 * paper's, v·tanh(W q + U k): weights queryKernel [Dq,units], keyKernel [Dk,units]; and scale, its v, of
 * width units. The value's mask excludes keys, the query's mask makes outputs 0 and stays. Without
 * `units` Keras's `AdditiveAttention`; its call argument `use_causal_mask` is an option here.
 */
export function additiveAttention<const Scores extends boolean = false>(
  options: AdditiveAttentionOptions & { returnAttentionScores?: Scores } = {},
): AdditiveAttention<Scores> {
  const names = [...attentionOptionNames, 'useScale', 'units', 'kernelInitializer']
  return new AdditiveAttention(layerOptions('additiveAttention', options, names))
}
