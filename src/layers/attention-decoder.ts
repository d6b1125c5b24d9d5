import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { glorotUniform } from '../tensor/initializers.ts'
import { type Mask, makeMask } from '../tensor/mask.ts'
import { activate, concatenate, dropout, linear, stackSteps, stepOf } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { multiplyMatrices, softmaxMasked } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { checkRate } from './dropout.ts'
import {
  checkRank,
  connect,
  featuresOf,
  Layer,
  type LayerOptions,
  layerOptions,
  type SeedOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import { type Lstm, lstm } from './lstm.ts'

/** Options of `attentionDecoder`. */
export interface AttentionDecoderOptions extends LayerOptions, SeedOptions {
  /** Width of the LSTM, U. */
  units: number
  /** Width of the attentional vector, W. Default: U. */
  width?: number
  /**
   * Each step reads the attentional vector of the step before beside its input ("input feeding"), so
   * that it knows what was looked at. Steps then run one after the other. Default true.
   */
  inputFeeding?: boolean
  /** Dropout on the attentional vector, before it is fed on; default 0. */
  dropout?: number
}

/** What `apply` returns. */
export interface AttentionDecoderOutputs {
  /** Attentional vectors, [B,T,W]. */
  readonly output: SymbolicTensor
  /** Final output of the LSTM, [B,U]. */
  readonly h: SymbolicTensor
  /** Final cell, [B,U]. */
  readonly c: SymbolicTensor
  /** Where each step looked: [B,T,S], rows that sum to 1. */
  readonly scores: SymbolicTensor
}

/** What a decoder looks at, and what its queries are compared with. */
export interface Memory {
  /** [B,S,M] with its mask. */
  readonly values: Tensor
  /** [B,S,U] */
  readonly keys: Tensor
}

/** A decoder's state after a step; `fed` is the attentional vector [B,W], null without input feeding. */
export interface DecoderState {
  readonly h: Tensor
  readonly c: Tensor
  readonly fed: Tensor | null
}

/** The layer behind `attentionDecoder`. */
export class AttentionDecoder extends Layer {
  readonly kind = 'attentionDecoder'
  readonly units: number
  readonly width: number
  readonly inputFeeding: boolean
  readonly dropout: number
  readonly #lstm: Lstm
  #keyKernel!: Parameter
  #outputKernel!: Parameter

  constructor(options: AttentionDecoderOptions) {
    super(options)
    this.units = checkInteger("attentionDecoder 'units'", options.units)
    this.width = checkInteger("attentionDecoder 'width'", options.width ?? options.units)
    this.inputFeeding = options.inputFeeding ?? true
    this.dropout = checkRate("attentionDecoder 'dropout'", options.dropout ?? 0)
    this.#lstm = lstm({ units: this.units, returnSequences: true, returnState: true, name: 'lstm' })
  }

  override get children() {
    return [{ role: 'lstm', layer: this.#lstm }]
  }

  options() {
    const { units, width, inputFeeding, dropout } = this
    return { units, width, inputFeeding, dropout }
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    const [x, memory, ...states] = inputs
    const where = this.name || this.kind
    if (inputs.length !== 2 && inputs.length !== 4) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected a sequence, a memory and, if given, states h and c, ` +
          `got ${inputs.length} inputs`,
      )
    }
    checkRank(this, x, 3, '[batch, time, features]')
    checkRank(this, memory, 3, '[batch, time, features] for the memory')
    for (const state of states) {
      if (state.length !== 2 || state[1] !== this.units) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${where}: expected an initial state of shape ${show([null, this.units])}, ` +
            `got ${show([...state])}`,
        )
      }
    }
    const state = [x[0], this.units]
    return [[x[0], x[1], this.width], state, state, [x[0], x[1], memory[1]]]
  }

  protected override declare([x, memory]: readonly Shape[]) {
    const { units, width } = this
    const features = featuresOf(this, x) + (this.inputFeeding ? width : 0)
    const ofMemory = featuresOf(this, memory)
    this.#lstm.build([[x[0], x[1], features]])
    this.#keyKernel = this.addWeight('keyKernel', [ofMemory, units], glorotUniform())
    const both = [units + ofMemory, width]
    this.#outputKernel = this.addWeight('outputKernel', both, glorotUniform())
  }

  /** Joins the layer to a sequence [B,T,I], a memory [B,S,M] and, if given, initial states [B,U]. */
  apply(
    x: SymbolicTensor,
    memory: SymbolicTensor,
    options: { initialState?: { h: SymbolicTensor; c: SymbolicTensor } } = {},
  ): AttentionDecoderOutputs {
    const { initialState } = options
    const states = initialState ? [initialState.h, initialState.c] : []
    const [output, h, c, scores] = connect(this, [x, memory, ...states])
    return { output, h, c, scores }
  }

  call(ctx: Context, [x, memory, ...initial]: readonly Tensor[]): Tensor[] {
    const [rows] = x.shape
    const [h, c] = initial.length > 0 ? initial : [0, 1].map(() => ctx.zeros([rows, this.units]))
    const seen = this.memory(ctx, memory)
    const { output, state, scores } = this.steps(ctx, x, seen, { h, c, fed: null })
    output.mask = x.mask
    return [output, state.h, state.c, scores]
  }

  /** What steps need of the memory [B,S,M], computed once for all of them. */
  memory(ctx: Context, values: Tensor): Memory {
    return { values, keys: linear(ctx, values, this.#keyKernel.value, null) }
  }

  /**
   * Steps of x [R,T,I] from a state of R rows. The memory has B rows, and R/B rows of x one after the
   * other look at each: the hypotheses of a sentence.
   */
  steps(
    ctx: Context,
    x: Tensor,
    memory: Memory,
    state: DecoderState,
  ): { output: Tensor; state: DecoderState; scores: Tensor } {
    if (!this.inputFeeding) {
      const result = this.#lstm.output(ctx, x, [state.h, state.c], {
        reverse: false,
        zeroMasked: false,
      })
      const [h, c] = result.states
      return { ...this.#attend(ctx, result.output, memory), state: { h, c, fed: null } }
    }
    const [rows, steps, features] = x.shape
    let { h, c, fed } = state
    fed ??= ctx.zeros([rows, this.width])
    const outputs: Tensor[] = []
    const scores: Tensor[] = []
    for (let t = 0; t < steps; t++) {
      const own = steps === 1 ? x.view([rows, features]) : stepOf(ctx, x, t)
      const joined = concatenate(ctx, [own, fed]).view([rows, 1, features + this.width])
      joined.mask = maskOfStep(ctx, x.mask, t)
      const { last, states } = this.#lstm.run(ctx, joined, [h, c], false)
      ;[h, c] = states
      const looked = this.#attend(ctx, last.view([rows, 1, this.units]), memory)
      fed = looked.output.view([rows, this.width])
      outputs.push(fed)
      scores.push(looked.scores.view([rows, memory.values.shape[1]]))
    }
    const output = stackSteps(ctx, outputs)
    return { output, state: { h, c, fed }, scores: stackSteps(ctx, scores) }
  }

  /** Attentional vectors [R,T,W] of queries [R,T,U], and where they looked, [R,T,S]. */
  #attend(ctx: Context, queries: Tensor, { values, keys }: Memory) {
    const [rows, steps] = queries.shape
    const [groups, seen, wide] = values.shape
    const query = queries.view([groups, (rows / groups) * steps, this.units])
    const compared = multiplyMatrices(ctx, query, keys, { transposeB: true })
    const weights = softmaxMasked(ctx, compared, values.mask)
    const found = multiplyMatrices(ctx, weights, values).view([rows, steps, wide])
    const both = concatenate(ctx, [queries, found])
    const vectors = activate(ctx, 'tanh', linear(ctx, both, this.#outputKernel.value, null))
    const drop = ctx.training && this.dropout > 0
    const output = drop ? dropout(ctx, vectors, this.dropout) : vectors
    return { output, scores: weights.view([rows, steps, seen]) }
  }
}

/** The mask of step t alone, [B,1]. */
function maskOfStep(ctx: Context, mask: Mask | null, t: number): Mask | null {
  if (!mask?.lengths) return null
  const { rows, steps, valid } = mask
  const flags = ctx.empty([rows, 1], 'int32')
  for (let b = 0; b < rows; b++) flags.ints[b] = valid.ints[b * steps + t]
  return makeMask(ctx.arena, flags)
}

/**
 * A decoder with attention, as Luong et al. 2015 have it: an LSTM reads x [B,T,I]; at each step its h
 * asks a memory m [B,S,M], such as an encoder's outputs, and h and what it found make the attentional
 * vector ã:
 *
 *     α_s = softmax over s of h · (m_s·K),   ã = tanh([h; Σ α_s m_s]·O)
 *
 * With `inputFeeding` the LSTM reads [x_t; ã_{t-1}]. Weights: keyKernel K [M,U], outputKernel O [U+M,W],
 * then the LSTM's. The memory's mask excludes its steps; at masked steps of x states and outputs stay as
 * they were (with dropout, outputs up to its draws), and the output keeps x's mask.
 *
 *     const { output } = attentionDecoder({ units: 256 }).apply(words, memory, { initialState: { h, c } })
 */
export function attentionDecoder(options: AttentionDecoderOptions): AttentionDecoder {
  return new AttentionDecoder(
    layerOptions('attentionDecoder', options, [
      'units',
      'width',
      'inputFeeding',
      'dropout',
      'seed',
    ]),
  )
}
