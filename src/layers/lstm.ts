/**
 * The LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
 *
 * For each step t, with z = x_t·W + h_{t-1}·R + b cut into four parts of U columns each, in Keras's
 * and PyTorch's order i, f, g, o:
 *
 *   (1) i_t = σ(z_i)        how much of the new candidate to write
 *   (2) f_t = σ(z_f)        how much of the old cell to keep
 *   (3) g_t = tanh(z_g)     the candidate (Keras calls it c)
 *   (4) o_t = σ(z_o)        how much of the cell to show
 *   (5) c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
 *   (6) h_t = o_t ⊙ tanh(c_t)
 *
 * Backwards, with dh_t = ∂loss/∂h_t (from the output and from step t+1) and dc_t likewise:
 *
 *   (7)  dc_t += dh_t ⊙ o_t ⊙ (1 - tanh²(c_t))
 *   (8)  dz_o = dh_t ⊙ tanh(c_t) ⊙ o_t (1 - o_t)
 *   (9)  dz_i = dc_t ⊙ g_t ⊙ i_t (1 - i_t)
 *   (10) dz_f = dc_t ⊙ c_{t-1} ⊙ f_t (1 - f_t)
 *   (11) dz_g = dc_t ⊙ i_t ⊙ (1 - g_t²)
 *   (12) dc_{t-1} = dc_t ⊙ f_t                      the additive path: no matrix, no squashing
 *   (13) dh_{t-1} = dz·Rᵀ,  dx_t = dz·Wᵀ
 *   (14) dW += x_tᵀ·dz,  dR += h_{t-1}ᵀ·dz,  db += dz
 *
 * The fused kernels compute this for σ = sigmoid and tanh; any other activation, and recurrent
 * dropout, runs step by step from tensor operations (`composed`), slower, with the same meaning.
 */
import type { Backend } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import {
  activate,
  add,
  columns,
  concatenate,
  dropoutMask,
  linear,
  multiply,
  scaleRepeated,
  stackSteps,
  stepOf,
} from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { allocateTensor, shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { checkRate } from './dropout.ts'
import {
  checkRank,
  connect,
  featuresOf,
  type LayerOptions,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import { checkStates, RecurrentLayer, type SequenceResult, toProcessingOrder } from './recurrent.ts'

/** Keras 3's options for `LSTM`, with its defaults. */
export interface LstmOptions extends LayerOptions {
  /** Width of the cell and of the output, U. */
  units: number
  /** Of the candidate and the shown cell; default 'tanh'. */
  activation?: ActivationName
  /** Of the gates; default 'sigmoid'. */
  recurrentActivation?: ActivationName
  /** Default true. */
  useBias?: boolean
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
  /** Default 'orthogonal'. */
  recurrentInitializer?: InitializerLike
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike
  /** Ones in the forget gate's bias at the start; default true (Jozefowicz et al. 2015). */
  unitForgetBias?: boolean
  /** Dropout on the inputs, one mask for all steps; default 0. */
  dropout?: number
  /** Dropout on h, one mask a gate for all steps; default 0. Leaves the fused path in training. */
  recurrentDropout?: number
  /** All outputs [B,T,U] instead of the last [B,U]; default false. */
  returnSequences?: boolean
  /** Also return the final states h and c; default false. */
  returnState?: boolean
  /** Read the sequence from its end; outputs come in the order of processing. Default false. */
  goBackwards?: boolean
}

/** What `apply` returns with `returnState: true`. */
export interface LstmOutputs {
  readonly output: SymbolicTensor
  /** Final output, [B,U]. */
  readonly h: SymbolicTensor
  /** Final cell, [B,U]. */
  readonly c: SymbolicTensor
}

const optionNames = [
  'units',
  'activation',
  'recurrentActivation',
  'useBias',
  'kernelInitializer',
  'recurrentInitializer',
  'biasInitializer',
  'unitForgetBias',
  'dropout',
  'recurrentDropout',
  'returnSequences',
  'returnState',
  'goBackwards',
]

/** The layer behind `lstm`. */
export class Lstm<State extends boolean = boolean> extends RecurrentLayer {
  readonly kind = 'lstm'
  readonly stateCount = 2
  readonly activation: ActivationName
  readonly recurrentActivation: ActivationName
  readonly useBias: boolean
  readonly unitForgetBias: boolean
  readonly dropout: number
  readonly recurrentDropout: number
  readonly #initializers: Record<'kernel' | 'recurrent' | 'bias', Initializer>
  #kernel!: Parameter
  #recurrent!: Parameter
  #bias: Parameter | null = null
  #packed: { tensor: Tensor; version: number; backend: Backend; backward: number } | null = null

  constructor(options: LstmOptions) {
    super(options, checkInteger("lstm 'units'", options.units))
    this.activation = checkActivation("lstm 'activation'", options.activation ?? 'tanh')
    this.recurrentActivation = checkActivation(
      "lstm 'recurrentActivation'",
      options.recurrentActivation ?? 'sigmoid',
    )
    this.useBias = options.useBias ?? true
    this.unitForgetBias = options.unitForgetBias ?? true
    this.dropout = checkRate("lstm 'dropout'", options.dropout ?? 0)
    this.recurrentDropout = checkRate("lstm 'recurrentDropout'", options.recurrentDropout ?? 0)
    this.#initializers = {
      kernel: resolveInitializer(
        "lstm 'kernelInitializer'",
        options.kernelInitializer ?? 'glorotUniform',
      ),
      recurrent: resolveInitializer(
        "lstm 'recurrentInitializer'",
        options.recurrentInitializer ?? 'orthogonal',
      ),
      bias: resolveInitializer("lstm 'biasInitializer'", options.biasInitializer ?? 'zeros'),
    }
  }

  options() {
    return {
      units: this.units,
      activation: this.activation,
      recurrentActivation: this.recurrentActivation,
      useBias: this.useBias,
      kernelInitializer: initializerConfig(this.#initializers.kernel),
      recurrentInitializer: initializerConfig(this.#initializers.recurrent),
      biasInitializer: initializerConfig(this.#initializers.bias),
      unitForgetBias: this.unitForgetBias,
      dropout: this.dropout,
      recurrentDropout: this.recurrentDropout,
      returnSequences: this.returnSequences,
      returnState: this.returnState,
      goBackwards: this.goBackwards,
    }
  }

  copy(changes: Partial<LstmOptions>): Lstm {
    const { name, trainable } = this
    return new Lstm({ ...this.options(), name, trainable, ...changes })
  }

  outputShapes([x, ...states]: readonly Shape[]): Shape[] {
    checkRank(this, x, 3, '[batch, time, features]')
    featuresOf(this, x)
    for (const state of states) checkRank(this, state, 2, '[batch, units] for an initial state')
    const last: Shape = [x[0], this.units]
    const output = this.returnSequences ? [x[0], x[1], this.units] : last
    return this.returnState ? [output, last, last] : [output]
  }

  protected override declare([x]: readonly Shape[]) {
    const { kernel, recurrent, bias } = this.#initializers
    const gates = 4 * this.units
    this.#kernel = this.addWeight('kernel', [featuresOf(this, x), gates], kernel)
    this.#recurrent = this.addWeight('recurrentKernel', [this.units, gates], recurrent)
    if (this.useBias) {
      this.#bias = this.addWeight('bias', [gates], this.unitForgetBias ? forgetBias(bias) : bias)
    }
  }

  /**
   * Joins the layer to a sequence [B,T,I] and, if given, initial states [B,U]. With
   * `returnState: true` the result is `{ output, h, c }`, else the output alone.
   */
  apply(
    x: SymbolicTensor,
    options: { initialState?: { h: SymbolicTensor; c: SymbolicTensor } } = {},
  ): State extends true ? LstmOutputs : SymbolicTensor {
    const { initialState } = options
    const inputs = initialState ? [x, initialState.h, initialState.c] : [x]
    const [output, h, c] = connect(this, inputs)
    const result = this.returnState ? { output, h, c } : output
    return result as State extends true ? LstmOutputs : SymbolicTensor
  }

  override get wholeSequence() {
    return this.goBackwards ? 'goBackwards reads the sequence from its end' : ''
  }

  call(ctx: Context, [x, ...initial]: readonly Tensor[]): Tensor[] {
    if (ctx.streaming) return this.#step(ctx, x)
    checkStates(this, x, initial, this.stateCount, this.units)
    const reverse = this.goBackwards
    const result = this.output(ctx, x, initial, { reverse, zeroMasked: false })
    const output =
      reverse && this.returnSequences ? toProcessingOrder(ctx, result.output) : result.output
    return this.returnState ? [output, ...result.states] : [output]
  }

  /** One step of a stream. Where it is masked the state stays and is the output, as in a sequence. */
  #step(ctx: Context, x: Tensor): Tensor[] {
    const rows = x.shape[0]
    const run = (before: Tensor[]) => this.run(ctx, x, before, false).states
    const states = ctx.carry(this, ['h', 'c'], [rows, this.units], run)
    const [h] = states
    if (!this.returnSequences) return this.returnState ? [h, ...states] : [h]
    const output = h.view([rows, 1, this.units])
    output.mask = x.mask
    return this.returnState ? [output, ...states] : [output]
  }

  run(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    const path = this.path(ctx.training)
    return path.fused
      ? this.#fused(ctx, this.#dropInputs(ctx, x), initial, reverse)
      : this.#composed(ctx, x, initial, reverse)
  }

  override path(training: boolean): { fused: boolean; reason: string } {
    if (this.activation !== 'tanh' || this.recurrentActivation !== 'sigmoid') {
      const pair = `activation '${this.activation}', recurrentActivation '${this.recurrentActivation}'`
      return { fused: false, reason: `${pair}: the fused kernel has tanh and sigmoid` }
    }
    if (training && this.recurrentDropout > 0) {
      return { fused: false, reason: 'recurrentDropout: the fused kernel has no masks on h' }
    }
    return { fused: true, reason: '' }
  }

  #dropInputs(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.dropout === 0) return x
    const [b, t, features] = x.shape
    const dropped = scaleRepeated(ctx, x, dropoutMask(ctx, [b, features], this.dropout), [
      b,
      t,
      features,
    ])
    dropped.mask = x.mask
    return dropped
  }

  /**
   * The weights as the kernels want them, for the backward pass too if there may be one (`backward` as
   * in `lstmPack`); rearranged again only after they have changed.
   */
  #pack({ backend }: Context, backward: 0 | 1 | 2): Tensor {
    const kernel = this.#kernel.value
    const [inputs] = kernel.shape
    const old = this.#packed?.backend === backend ? this.#packed : null
    if (old?.version === this.#version) {
      if (old.backward >= backward) return old.tensor
      // A stream's steps hold views of the old one, which they give up when the version changes.
      this.#kernel.version++
    }
    const { kernels, heap } = backend
    // Where the layer stands twice in a graph, one of its inputs may have a gradient and one none.
    const kinds = backward === 0 ? 0 : Math.max(backward, old?.backward ?? 0)
    const size = kernels.lstmPackSize(inputs, this.units, kinds)
    const fits = old !== null && old.tensor.size >= size
    const tensor = fits ? old.tensor : allocateTensor(heap, [size])
    kernels.lstmPack(
      kernel.values,
      this.#recurrent.value.values,
      this.#bias?.value.values ?? null,
      tensor.values,
      inputs,
      this.units,
      kinds,
    )
    this.#packed = { tensor, version: this.#version, backend, backward: kinds }
    return tensor
  }

  /** Counts changes of the weights. */
  get #version(): number {
    return this.#kernel.version + this.#recurrent.version + (this.#bias?.version ?? 0)
  }

  /** Equations (1) to (14) by the fused kernels, all steps of all rows in one call. */
  #fused(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    const { kernels } = ctx
    const [b, t, inputs] = x.shape
    const units = this.units
    if (inputs !== this.#kernel.shape[0]) {
      throw shapeError(`${this.name} input`, [b, t, this.#kernel.shape[0]], x.shape)
    }
    const [h0 = null, c0 = null] = initial
    const weights = [this.#kernel, this.#recurrent, this.#bias].map((p) => p?.value ?? null)
    const sources = [x, h0, c0, ...weights]
    const keep = ctx.recording && sources.some((source) => source?.tracked)
    const packed = this.#pack(ctx, keep ? (x.tracked ? 2 : 1) : 0)
    const h = ctx.empty([b, t, units])
    const c = keep ? ctx.empty([b, t, units]) : null
    const gates = keep ? ctx.empty([b, t, 4 * units]) : null
    const hLast = ctx.empty([b, units])
    const cLast = ctx.empty([b, units])
    const scratchSize = kernels.lstmScratchSize(b, t, inputs, units)
    const scratch = ctx.empty([scratchSize])
    const { times, lengths, order } = x.mask ?? { times: null, lengths: null, order: null }
    const direction = reverse ? 1 : 0
    kernels.lstmForward(
      x.values,
      packed.values,
      h0?.values ?? null,
      c0?.values ?? null,
      times?.ints ?? null,
      lengths?.ints ?? null,
      order?.ints ?? null,
      h.values,
      c?.values ?? null,
      gates?.values ?? null,
      hLast.values,
      cLast.values,
      scratch.values,
      b,
      t,
      inputs,
      units,
      direction,
    )
    ctx.recordAll([h, hLast, cLast], sources, () => {
      const dh = ctx.hasGradient(h) ? ctx.gradientOf(h) : null
      const dhState = ctx.gradientOf(hLast)
      const dcState = ctx.gradientOf(cLast)
      let adds = 0
      const [dx, dKernel, dRecurrent, dBias] = [x, ...weights].map((source, i) => {
        let gradient: Tensor | null = null
        ctx.give(source, (found, add) => {
          gradient = found
          adds |= add << i
        })
        return gradient as Tensor | null
      })
      kernels.lstmBackward(
        x.values,
        packed.values,
        h0?.values ?? null,
        c0?.values ?? null,
        times?.ints ?? null,
        lengths?.ints ?? null,
        order?.ints ?? null,
        h.values,
        c!.values,
        gates!.values,
        dh?.values ?? null,
        dhState.values,
        dcState.values,
        dx?.values ?? null,
        dKernel?.values ?? null,
        dRecurrent?.values ?? null,
        dBias?.values ?? null,
        scratch.values,
        b,
        t,
        inputs,
        units,
        direction,
        adds,
      )
      for (const [state, gradient] of [
        [h0, dhState],
        [c0, dcState],
      ] as const) {
        if (!state?.tracked) continue
        const dState = ctx.gradientOf(state)
        kernels.addScaled(gradient.values, dState.values, 1, state.size)
      }
    })
    return { sequence: h, states: [hLast, cLast] }
  }

  /** Equations (1) to (6), step by step on the tape: any activation, and recurrent dropout. */
  #composed(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    const [b, t, features] = x.shape
    const units = this.units
    const kernel = this.#kernel.value
    const recurrent = this.#recurrent.value
    const bias = this.#bias?.value ?? null
    const gateMasks = (rate: number, width: number) =>
      ctx.training && rate > 0 ? [0, 1, 2, 3].map(() => dropoutMask(ctx, [b, width], rate)) : null
    // Keras: with recurrent dropout the input, too, has a mask for each gate.
    const perGate = ctx.training && this.recurrentDropout > 0
    const inputMasks = perGate ? gateMasks(this.dropout, features) : null
    const stateMasks = gateMasks(this.recurrentDropout, units)
    const source = perGate ? x : this.#dropInputs(ctx, x)
    /** v·w + bias for all four gates, each with its own mask on v. */
    const product = (w: Tensor, masks: Tensor[] | null, b: Tensor | null) => {
      if (!masks) return (v: Tensor) => linear(ctx, v, w, b)
      const ofGate = (all: Tensor, gate: number) => columns(ctx, all, gate * units, units)
      // Cut once for all steps.
      const gates = masks.map((mask, gate) => ({
        mask,
        weights: ofGate(w, gate),
        bias: b && ofGate(b, gate),
      }))
      return (v: Tensor) =>
        concatenate(
          ctx,
          gates.map(({ mask, weights, bias }) =>
            linear(ctx, multiply(ctx, v, mask), weights, bias),
          ),
        )
    }
    const fromInput = product(kernel, inputMasks, bias)
    const fromState = product(recurrent, stateMasks, null)
    let [h, c] = initial.length > 0 ? initial : [ctx.zeros([b, units]), ctx.zeros([b, units])]
    const outputs: Tensor[] = new Array(t)
    for (let s = 0; s < t; s++) {
      const time = reverse ? t - 1 - s : s
      const z = add(ctx, fromInput(stepOf(ctx, source, time)), fromState(h))
      const part = (gate: number, name: ActivationName) =>
        activate(ctx, name, columns(ctx, z, gate * units, units))
      const i = part(0, this.recurrentActivation)
      const f = part(1, this.recurrentActivation)
      const g = part(2, this.activation)
      const o = part(3, this.recurrentActivation)
      const cell = add(ctx, multiply(ctx, f, c), multiply(ctx, i, g))
      const shown = multiply(ctx, o, activate(ctx, this.activation, cell))
      c = keepMasked(ctx, cell, c, x, time)
      h = keepMasked(ctx, shown, h, x, time)
      outputs[time] = h
    }
    return { sequence: stackSteps(ctx, outputs), states: [h, c] }
  }
}

/** New values where the step counts, old ones where it is masked. */
function keepMasked(ctx: Context, now: Tensor, before: Tensor, x: Tensor, time: number): Tensor {
  if (!x.mask?.lengths) return now
  const [rows, units] = now.shape
  const steps = x.mask.steps
  const valid = x.mask.valid
  const side = (source: Tensor, wanted: number) => {
    const flags = ctx.empty([rows, 1])
    ctx.perform(() => {
      const { values } = flags
      const flagged = valid.ints
      for (let b = 0; b < rows; b++) values[b] = flagged[b * steps + time] === wanted ? 1 : 0
    })
    return scaleRepeated(ctx, source, flags, [rows, units, 1])
  }
  return add(ctx, side(now, 1), side(before, 0))
}

/** Ones for the forget gate, the second quarter; the rest as `bias` says. */
function forgetBias(bias: Initializer): Initializer {
  return {
    ...bias,
    fill(out, shape, random, backend) {
      bias.fill(out, shape, random, backend)
      out.fill(1, out.length / 4, out.length / 2)
    },
  }
}

/**
 * A layer of LSTM cells: [B,T,I] → [B,U], or [B,T,U] with `returnSequences`. Masked steps carry the
 * state over. Weights: kernel [I,4U], recurrentKernel [U,4U], bias [4U], gates i, f, g, o. Keras 3's
 * `LSTM`, names and defaults included.
 */
export function lstm<const O extends LstmOptions>(
  options: O,
): Lstm<O extends { returnState: true } ? true : false> {
  return new Lstm(layerOptions('lstm', options, optionNames))
}
