/**
 * What the attention layers share. Every query looks at all keys and takes a mean of their values:
 *
 *     weights[b,q,:] = softmax over k of score(query[b,q], key[b,k])
 *     output[b,q,:] = Σ_k weights[b,q,k] · value[b,k,:]
 *
 * They differ in the score alone.
 */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Mask } from '../tensor/mask.ts'
import { dropout, linear, scaleRepeated } from '../tensor/ops.ts'
import { multiplyMatrices, softmaxMasked } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkRate } from './dropout.ts'
import {
  checkRank,
  connect,
  featuresOf,
  Layer,
  type LayerOptions,
  type SeedOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'

/** Options that every attention layer takes. */
export interface AttentionLayerOptions extends LayerOptions, SeedOptions {
  /** Share of the weights that is dropped in training; default 0. */
  dropout?: number
  /** A query sees no key after its own place, for self-attention of a decoder. Default false. */
  useCausalMask?: boolean
  /** Also return the weights [B,Q,K]. Default false. */
  returnAttentionScores?: boolean
}

export const attentionOptionNames = ['dropout', 'seed', 'useCausalMask', 'returnAttentionScores']

/** What `apply` returns with `returnAttentionScores: true`. */
export interface AttentionOutputs {
  /** [B,Q,D] */
  readonly output: SymbolicTensor
  /** The weights, after masks and dropout: [B,Q,K]. */
  readonly scores: SymbolicTensor
}

/** Query [B,Q,D], value [B,K,V] and, if it is not the value, key [B,K,D]. */
export type AttentionInputs =
  | readonly [query: SymbolicTensor, value: SymbolicTensor]
  | readonly [query: SymbolicTensor, value: SymbolicTensor, key: SymbolicTensor]

/**
 * Keys that the value's mask excludes have weight 0, and so have all where none is left; outputs of
 * masked queries are 0, and the output keeps the query's mask.
 */
export abstract class AttentionLayer<Scores extends boolean = boolean> extends Layer {
  readonly dropout: number
  readonly useCausalMask: boolean
  readonly returnAttentionScores: boolean

  constructor(kind: string, options: AttentionLayerOptions) {
    super(options)
    this.dropout = checkRate(`${kind} 'dropout'`, options.dropout ?? 0)
    this.useCausalMask = options.useCausalMask ?? false
    this.returnAttentionScores = options.returnAttentionScores ?? false
  }

  /** Scores [B,Q,K] of query [B,Q,D] and key [B,K,D]. */
  protected abstract scores(ctx: Context, query: Tensor, key: Tensor): Tensor
  /** Fails unless queries and keys of these widths go together. */
  protected checkWidths(query: number, key: number): void {
    if (query === key) return
    throw new RefrainError(
      'BAD_SHAPE',
      `${this.name || this.kind}: expected queries and keys of one width, got ${query} and ${key}`,
    )
  }

  options(): Record<string, unknown> {
    return {
      dropout: this.dropout,
      useCausalMask: this.useCausalMask,
      returnAttentionScores: this.returnAttentionScores,
    }
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    const [query, value, key = value] = inputs
    const where = this.name || this.kind
    if (inputs.length < 2 || inputs.length > 3) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected [query, value] or [query, value, key], got ${inputs.length} inputs`,
      )
    }
    for (const shape of inputs) checkRank(this, shape, 3, '[batch, time, features]')
    this.checkWidths(featuresOf(this, query), featuresOf(this, key))
    if (value[1] !== null && key[1] !== null && value[1] !== key[1]) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected as many keys as values, got shapes ${show([...key])} and ` +
          `${show([...value])}`,
      )
    }
    const output = [query[0], query[1], featuresOf(this, value)]
    return this.returnAttentionScores ? [output, [query[0], query[1], value[1]]] : [output]
  }

  /**
   * Joins the layer to [query, value] or [query, value, key]. With `returnAttentionScores: true` the
   * result is `{ output, scores }`, else the output alone.
   */
  apply(inputs: AttentionInputs): Scores extends true ? AttentionOutputs : SymbolicTensor {
    if (!Array.isArray(inputs)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name || this.kind}.apply: expected [query, value] or [query, value, key], got ${show(inputs)}`,
        `for self-attention write ${this.kind}().apply([x, x])`,
      )
    }
    const [output, scores] = connect(this, inputs)
    const result = this.returnAttentionScores ? { output, scores } : output
    return result as Scores extends true ? AttentionOutputs : SymbolicTensor
  }

  call(ctx: Context, [query, value, key = value]: readonly Tensor[]): Tensor[] {
    const scores = this.scores(ctx, query, key)
    const weights = softmaxMasked(ctx, scores, value.mask, this.useCausalMask)
    const kept = ctx.training && this.dropout > 0 ? dropout(ctx, weights, this.dropout) : weights
    const output = zeroMasked(ctx, multiplyMatrices(ctx, kept, value), query.mask)
    output.mask = query.mask
    return this.returnAttentionScores ? [output, kept] : [output]
  }
}

/** y [B,T,F] with zeros at masked steps. */
function zeroMasked(ctx: Context, y: Tensor, mask: Mask | null): Tensor {
  if (!mask?.lengths) return y
  const [b, t, f] = y.shape
  const flags = ctx.empty([b * t, 1])
  ctx.perform(() => flags.values.set(mask.valid.ints))
  return scaleRepeated(ctx, y, flags, [b * t, f, 1])
}

/** Σ_d v[d] · x[…,d] for v [D], or Σ_d x[…,d] without one: x [B,Q,K,D] → [B,Q,K]. */
export function sumOver(ctx: Context, x: Tensor, v: Tensor | null): Tensor {
  const [b, q, k, width] = x.shape
  let factors = v?.view([width, 1])
  if (!factors) {
    factors = ctx.empty([width, 1])
    ctx.kernels.fill(factors.values, 1, width)
  }
  return linear(ctx, x, factors, null).view([b, q, k])
}

/** x · s, for s [] a number. */
export function scaleBy(ctx: Context, x: Tensor, s: Tensor): Tensor {
  return linear(ctx, x.view([x.size, 1]), s.view([1, 1]), null).view(x.shape)
}
