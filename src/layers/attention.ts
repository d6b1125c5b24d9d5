import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { ones } from '../tensor/initializers.ts'
import { activate } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { addPairs, multiplyMatrices } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { suggest } from '../util/check.ts'
import {
  AttentionLayer,
  type AttentionLayerOptions,
  attentionOptionNames,
  scaleBy,
  sumOver,
} from './attention-layer.ts'
import { layerOptions } from './layer.ts'

const scoreModes = ['dot', 'concat'] as const

/** Keras 3's options for `Attention`, with its defaults. */
export interface AttentionOptions extends AttentionLayerOptions {
  /** 'dot': q·k; 'concat': w Σ tanh(q + k), w a weight. Default 'dot'. */
  scoreMode?: (typeof scoreModes)[number]
  /** A learned factor s: s q·k, or w Σ tanh(s (q + k)). Default false. */
  useScale?: boolean
}

class Attention<Scores extends boolean> extends AttentionLayer<Scores> {
  readonly kind = 'attention'
  readonly scoreMode: (typeof scoreModes)[number]
  readonly useScale: boolean
  #scale: Parameter | null = null
  #concat: Parameter | null = null

  constructor(options: AttentionOptions) {
    super('attention', options)
    this.scoreMode = options.scoreMode ?? 'dot'
    this.useScale = options.useScale ?? false
    if (!scoreModes.includes(this.scoreMode)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `attention 'scoreMode': unknown mode ${show(this.scoreMode)}`,
        suggest(String(this.scoreMode), scoreModes),
      )
    }
  }

  override options() {
    return { ...super.options(), scoreMode: this.scoreMode, useScale: this.useScale }
  }

  protected override declare() {
    if (this.useScale) this.#scale = this.addWeight('scale', [], ones())
    if (this.scoreMode === 'concat') {
      this.#concat = this.addWeight('concatScoreWeight', [], ones())
    }
  }

  protected scores(ctx: Context, query: Tensor, key: Tensor): Tensor {
    const scale = this.#scale?.value
    // The queries are the fewer numbers to scale.
    const scaled = scale ? scaleBy(ctx, query, scale) : query
    if (!this.#concat) return multiplyMatrices(ctx, scaled, key, { transposeB: true })
    const scaledKey = scale ? scaleBy(ctx, key, scale) : key
    const pairs = activate(ctx, 'tanh', addPairs(ctx, scaled, scaledKey))
    return scaleBy(ctx, sumOver(ctx, pairs, null), this.#concat.value)
  }
}

/**
 * Attention by dot products (Luong et al. 2015): [query [B,Q,D], value [B,K,V], key [B,K,D]] → [B,Q,V];
 * without a key the value is the key. The value's mask excludes keys, the query's mask makes outputs 0
 * and stays. Weights: scale [] with `useScale`, concatScoreWeight [] with scoreMode 'concat'. Keras's
 * `Attention`; its call argument `use_causal_mask` is an option here.
 */
export function attention<const Scores extends boolean = false>(
  options: AttentionOptions & { returnAttentionScores?: Scores } = {},
): Attention<Scores> {
  const names = [...attentionOptionNames, 'scoreMode', 'useScale']
  return new Attention(layerOptions('attention', options, names))
}
