import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  glorotUniform,
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { activate, columns, linear } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { addPairs, multiplyMatrices } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, suggest } from '../util/check.ts'
import {
  AttentionLayer,
  type AttentionLayerOptions,
  attentionOptionNames,
  sumOver,
} from './attention-layer.ts'
import { featuresOf, layerOptions, type Shape } from './layer.ts'

const scoreNames = ['dot', 'general', 'concat'] as const

/** Options of `luongAttention`. */
export interface LuongAttentionOptions extends AttentionLayerOptions {
  /** 'dot': q·k; 'general': q·W k; 'concat': v·tanh(W [q; k]). Default 'general', the paper's best. */
  score?: (typeof scoreNames)[number]
  /** Width of v, for 'concat'; default the query's. */
  units?: number
  /** Of W; default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
}

class LuongAttention<Scores extends boolean> extends AttentionLayer<Scores> {
  readonly kind = 'luongAttention'
  readonly score: (typeof scoreNames)[number]
  readonly units: number | null
  readonly kernelInitializer: Initializer
  #kernel: Parameter | null = null
  #vector: Parameter | null = null

  constructor(options: LuongAttentionOptions) {
    super('luongAttention', options)
    this.score = options.score ?? 'general'
    if (!scoreNames.includes(this.score)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `luongAttention 'score': unknown score ${show(this.score)}`,
        suggest(String(this.score), scoreNames),
      )
    }
    const { units } = options
    this.units = units === undefined ? null : checkInteger("luongAttention 'units'", units)
    if (units !== undefined && this.score !== 'concat') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `luongAttention 'units': the score '${this.score}' has no such width`,
        "leave it out, or write score: 'concat'",
      )
    }
    this.kernelInitializer = resolveInitializer(
      "luongAttention 'kernelInitializer'",
      options.kernelInitializer ?? 'glorotUniform',
    )
  }

  override options() {
    return {
      ...super.options(),
      score: this.score,
      ...(this.units !== null && { units: this.units }),
      kernelInitializer: initializerConfig(this.kernelInitializer),
    }
  }

  protected override checkWidths(query: number, key: number) {
    if (this.score === 'dot') super.checkWidths(query, key)
  }

  protected override declare([query, value, key = value]: readonly Shape[]) {
    const [ofQuery, ofKey] = [featuresOf(this, query), featuresOf(this, key)]
    const add = (shape: number[]) => this.addWeight('kernel', shape, this.kernelInitializer)
    if (this.score === 'general') this.#kernel = add([ofQuery, ofKey])
    if (this.score === 'concat') {
      const units = this.units ?? ofQuery
      this.#kernel = add([ofQuery + ofKey, units])
      this.#vector = this.addWeight('vector', [units], glorotUniform())
    }
  }

  protected scores(ctx: Context, query: Tensor, key: Tensor): Tensor {
    const kernel = this.#kernel?.value
    if (!kernel) return multiplyMatrices(ctx, query, key, { transposeB: true })
    if (!this.#vector) {
      return multiplyMatrices(ctx, linear(ctx, query, kernel, null), key, { transposeB: true })
    }
    // W [q; k] is the sum of its upper rows' product with q and its lower rows' with k.
    const flat = kernel.view([1, kernel.size])
    const units = kernel.shape[1]
    const rows = (first: number, count: number) =>
      columns(ctx, flat, first * units, count * units).view([count, units])
    const [ofQuery, ofKey] = [query.shape[2], key.shape[2]]
    const pairs = addPairs(
      ctx,
      linear(ctx, query, rows(0, ofQuery), null),
      linear(ctx, key, rows(ofQuery, ofKey), null),
    )
    return sumOver(ctx, activate(ctx, 'tanh', pairs), this.#vector.value)
  }
}

/**
 * Global attention with the scores of Luong et al. 2015: [query [B,Q,D], value [B,K,V], key [B,K,D]] →
 * [B,Q,V]; without a key the value is the key. Weights: 'general' kernel [Dq,Dk]; 'concat' kernel
 * [Dq+Dk,units] and vector [units]; 'dot' none. The value's mask excludes keys, the query's mask makes
 * outputs 0 and stays. The output is the paper's context vector; its attentional state is
 * `dense({ units, activation: 'tanh', useBias: false })` over the query beside it.
 */
export function luongAttention<const Scores extends boolean = false>(
  options: LuongAttentionOptions & { returnAttentionScores?: Scores } = {},
): LuongAttention<Scores> {
  const names = [...attentionOptionNames, 'score', 'units', 'kernelInitializer']
  return new LuongAttention(layerOptions('luongAttention', options, names))
}
