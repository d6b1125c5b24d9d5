import type { Context } from '../tensor/context.ts'
import { Random } from '../tensor/random.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { checkRate } from './dropout.ts'
import {
  type LayerOptions,
  layerOptions,
  plainOptions,
  type SeedOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

/** Options of {@link tokenDropout}. */
export interface TokenDropoutOptions extends LayerOptions, SeedOptions {
  /** Share of the ids replaced in training, from 0 to below 1. */
  rate: number
  /** The id that stands for unknown tokens; default 1, as `Vocabulary` has it. */
  unknown?: number
  /** Smaller ids stay; default 2. With ids by frequency, rare tokens alone can be dropped. */
  from?: number
}

class TokenDropout extends SimpleLayer {
  readonly kind = 'tokenDropout'
  readonly rate: number
  readonly unknown: number
  readonly from: number

  constructor(options: TokenDropoutOptions) {
    super(options)
    this.rate = checkRate("tokenDropout 'rate'", options.rate)
    this.unknown = checkInteger("tokenDropout 'unknown'", options.unknown ?? 1, 0)
    this.from = checkInteger("tokenDropout 'from'", options.from ?? 2, 0)
  }

  override get inputType(): DType {
    return 'int32'
  }

  override get outputType(): DType {
    return 'int32'
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { rate: this.rate, unknown: this.unknown, from: this.from }
  }

  outputShape(input: Shape): Shape {
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.rate === 0) return x
    const { seed, step } = ctx.random
    const random = new Random(seed, `tokenDropout ${step} ${ctx.nextStream()}`)
    const y = ctx.empty(x.shape, 'int32')
    const [ids, out] = [x.ints, y.ints]
    for (let i = 0; i < ids.length; i++) {
      const dropped = ids[i] >= this.from && random.uniform() < this.rate
      out[i] = dropped ? this.unknown : ids[i]
    }
    y.mask = x.mask
    return y
  }
}

/**
 * In training, replaces a share of token ids by that of unknown tokens, so that its vector is trained
 * and the model learns to do without the token; otherwise does nothing. int32 of any shape → the same.
 * Iyyer et al. 2015; for rare tokens alone Lample et al. 2016.
 */
export function tokenDropout(options: TokenDropoutOptions): TokenDropout {
  return new TokenDropout(
    layerOptions('tokenDropout', options, ['rate', 'unknown', 'from', 'seed'], plainOptions),
  )
}
