import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { Random } from '../tensor/random.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { checkRate } from './dropout.ts'
import {
  checkRank,
  connect,
  Layer,
  type LayerOptions,
  layerOptions,
  type SeedOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'

/** Options of {@link scheduledSampling}. */
export interface ScheduledSamplingOptions extends LayerOptions, SeedOptions {
  /** Share of the ids replaced in training, from 0 to below 1. */
  rate: number
}

/** The place of the largest of `count` values from `start` on, counted from there. */
function largest(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0
  for (let i = 1; i < count; i++) if (values[start + i] > values[start + best]) best = i
  return best
}

class ScheduledSampling extends Layer {
  readonly kind = 'scheduledSampling'
  readonly rate: number

  constructor(options: ScheduledSamplingOptions) {
    super(options)
    this.rate = checkRate("scheduledSampling 'rate'", options.rate)
  }

  override get inputType(): DType {
    return 'int32'
  }

  override inputTypeOf(i: number): DType {
    return i === 0 ? 'int32' : 'float'
  }

  override get outputType(): DType {
    return 'int32'
  }

  options() {
    return { rate: this.rate }
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    const [ids, probabilities] = inputs
    if (inputs.length !== 2) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: expected ids and probabilities, got ${show(inputs.length)} inputs`,
      )
    }
    checkRank(this, ids, 2, '[batch, time] for the ids')
    checkRank(this, probabilities, 3, '[batch, time, ids] for the probabilities')
    return [ids]
  }

  /** Joins the layer to ids [B,T] and what was predicted from them, [B,T,V]. */
  apply(ids: SymbolicTensor, probabilities: SymbolicTensor): SymbolicTensor {
    return connect(this, [ids, probabilities])[0]
  }

  call(ctx: Context, [ids, probabilities]: readonly Tensor[]): Tensor[] {
    if (!ctx.training || this.rate === 0) return [ids]
    const { seed, step } = ctx.random
    const random = new Random(seed, `scheduledSampling ${step} ${ctx.nextStream()}`)
    const [rows, steps] = ids.shape
    const mixed = ctx.empty(ids.shape, 'int32')
    // The largest logit is that of the largest probability, and is there already.
    const { values } = probabilities.logits?.tensor ?? probabilities
    const width = values.length / (rows * steps)
    const [given, out] = [ids.ints, mixed.ints]
    for (let i = 0; i < given.length; i++) {
      const sampled = i % steps > 0 && random.uniform() < this.rate && given[i] !== 0
      out[i] = sampled ? largest(values, (i - 1) * width, width) : given[i]
    }
    mixed.mask = ids.mask
    return [mixed]
  }
}

/**
 * In training, replaces a share of the ids that a decoder reads, all but the first and padding (0), by
 * what it predicts in their place, so that it learns to go on after its own mistakes; otherwise does
 * nothing. The predictions are those of a first pass over the ids as they are (Mihaylova & Martins
 * 2019, after Bengio et al. 2015): ids [B,T] int32 and their probabilities [B,T,V] → [B,T]. No gradient
 * flows through it.
 *
 *     const ids = scheduledSampling({ rate: 0.25 }).apply(target, decode(target))
 *     const next = decode(ids)
 */
export function scheduledSampling(options: ScheduledSamplingOptions): ScheduledSampling {
  return new ScheduledSampling(layerOptions('scheduledSampling', options, ['rate', 'seed']))
}
