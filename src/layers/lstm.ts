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
 * The fused kernels compute this for σ = sigmoid and tanh; any other activation, recurrent dropout and
 * the variants (peepholes, projection, …) run step by step from tensor operations, slower:
 * `lstm-steps.ts` has their equations.
 */
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  ones,
  resolveInitializer,
  zeros,
} from '../tensor/initializers.ts'
import { dropoutMask, multiply } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { checkRate } from './dropout.ts'
import {
  droppedState,
  giveToState,
  otherActivations,
  PackedWeights,
  type PackKind,
  packingBy,
  type Weights,
} from './fused.ts'
import { connect, featuresOf, layerOptions, type Shape, type SymbolicTensor } from './layer.ts'
import { type LstmWeights, lstmSteps } from './lstm-steps.ts'
import {
  RecurrentLayer,
  type RecurrentOptions,
  recurrentOptionNames,
  type SequenceResult,
} from './recurrent.ts'
import { dropInputs } from './steps.ts'

/** Keras 3's options for `LSTM`, with its defaults. */
export interface LstmOptions extends RecurrentOptions {
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
  /**
   * Dropout on the recurrent kernel, one mask for all steps and rows (DropConnect as in AWD-LSTM, Merity
   * et al. 2017); default 0. Stays on the fused path.
   */
  recurrentKernelDropout?: number
  /**
   * Gates see the cell: i and f the one before, o the new one (Gers & Schmidhuber 2000). Weight:
   * peepholeKernel [3U], zeros at first, in the order i, f, o (coupled: [2U], i, o). Default false.
   */
  peephole?: boolean
  /** Width P of h, a projection of the cell's U: PyTorch's `proj_size`. Weight: projectionKernel [U,P]. */
  projection?: number
  /**
   * f = 1 - i, so that there are three gates i, g, o and the kernels' width is 3U (Greff et al. 2017).
   * `unitForgetBias` then is -1 in i's bias, which is the same f. Default false.
   */
  coupledGates?: boolean
  /** Limits the cell to ± this at each step; by default there is no limit. */
  cellClip?: number
  /**
   * Limits what goes into the gates' activations to ± this, after bias and peepholes: ONNX's `clip`. By
   * default there is no limit.
   */
  gateClip?: number
  /**
   * Layer normalisation (Ba et al. 2016) of x·kernel and of h·recurrentKernel, each over all gates'
   * columns together, and of the cell where h is made from it, with ε = 0.001. Weights: inputGain and
   * recurrentGain [4U], cellGain and, with a bias, cellBias [U]. Default false.
   */
  layerNormalization?: boolean
  /**
   * Probability with which elements of h and c keep the value of the step before (Krueger et al. 2016);
   * predictions take the expectation. A number stands for both. Default 0.
   */
  zoneout?: number | { h?: number; c?: number }
}

/** What `apply` returns with `returnState: true`. */
export interface LstmOutputs {
  readonly output: SymbolicTensor
  /** Final output, [B,U], with a projection [B,P]. */
  readonly h: SymbolicTensor
  /** Final cell, [B,U]. */
  readonly c: SymbolicTensor
}

/** Options that the fused kernel does not know, on or off. */
const variantNames = [
  'peephole',
  'projection',
  'coupledGates',
  'cellClip',
  'gateClip',
  'layerNormalization',
  'zoneout',
] as const

/** The names of `LstmOptions`, but for every layer's. */
export const lstmOptionNames = [
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
  'recurrentKernelDropout',
  ...variantNames,
  ...recurrentOptionNames,
]

/** The layer behind `lstm`. */
export class Lstm<State extends boolean = boolean> extends RecurrentLayer<State> {
  readonly kind = 'lstm'
  readonly units: number
  readonly stateNames = ['h', 'c']
  readonly activation: ActivationName
  readonly recurrentActivation: ActivationName
  readonly useBias: boolean
  readonly unitForgetBias: boolean
  readonly dropout: number
  readonly recurrentDropout: number
  readonly recurrentKernelDropout: number
  readonly peephole: boolean
  readonly projection: number | null
  readonly coupledGates: boolean
  readonly cellClip: number | null
  readonly gateClip: number | null
  readonly layerNormalization: boolean
  readonly zoneout: { readonly h: number; readonly c: number }
  readonly #initializers: Record<'kernel' | 'recurrent' | 'bias', Initializer>
  #kernel!: Parameter
  #recurrent!: Parameter
  #bias: Parameter | null = null
  /** Those of the variants, by the names in `LstmWeights`. */
  readonly #extra: Partial<Record<keyof LstmWeights, Parameter>> = {}
  readonly #packed = new PackedWeights()

  constructor(options: LstmOptions) {
    super(options)
    this.units = checkInteger("lstm 'units'", options.units)
    this.activation = checkActivation("lstm 'activation'", options.activation ?? 'tanh')
    this.recurrentActivation = checkActivation(
      "lstm 'recurrentActivation'",
      options.recurrentActivation ?? 'sigmoid',
    )
    this.useBias = options.useBias ?? true
    this.unitForgetBias = options.unitForgetBias ?? true
    this.dropout = checkRate("lstm 'dropout'", options.dropout ?? 0)
    this.recurrentDropout = checkRate("lstm 'recurrentDropout'", options.recurrentDropout ?? 0)
    this.recurrentKernelDropout = checkRate(
      "lstm 'recurrentKernelDropout'",
      options.recurrentKernelDropout ?? 0,
    )
    this.peephole = options.peephole ?? false
    const { projection = null, cellClip = null, gateClip = null } = options
    this.projection = projection === null ? null : checkInteger("lstm 'projection'", projection)
    this.coupledGates = options.coupledGates ?? false
    this.cellClip = cellClip === null ? null : checkNumber("lstm 'cellClip'", cellClip, 0)
    this.gateClip = gateClip === null ? null : checkNumber("lstm 'gateClip'", gateClip, 0)
    this.layerNormalization = options.layerNormalization ?? false
    this.zoneout = zoneoutRates(options.zoneout ?? 0)
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
      ...(this.recurrentKernelDropout > 0 && {
        recurrentKernelDropout: this.recurrentKernelDropout,
      }),
      ...Object.fromEntries(this.#variants.map((name) => [name, this[name]])),
      ...this.recurrentOptions(),
    }
  }

  /** The variants in use. */
  get #variants() {
    const { h, c } = this.zoneout
    return variantNames.filter((name) =>
      name === 'zoneout' ? h > 0 || c > 0 : this[name] !== null && this[name] !== false,
    )
  }

  /** Of h: U, or the projection. */
  get outputSize() {
    return this.projection ?? this.units
  }

  get stateSizes() {
    return [this.outputSize, this.units]
  }

  copy(changes: Partial<LstmOptions>): Lstm {
    const { name, trainable } = this
    return new Lstm({ ...this.options(), name, trainable, ...changes })
  }

  protected override declare([x]: readonly Shape[]) {
    const { kernel, recurrent, bias } = this.#initializers
    const { units, outputSize, coupledGates } = this
    const gates = (coupledGates ? 3 : 4) * units
    const add = (name: keyof LstmWeights, shape: number[], initializer: Initializer) => {
      this.#extra[name] = this.addWeight(name, shape, initializer)
    }
    this.#kernel = this.addWeight('kernel', [featuresOf(this, x), gates], kernel)
    this.#recurrent = this.addWeight('recurrentKernel', [outputSize, gates], recurrent)
    if (this.useBias) {
      const initial = this.unitForgetBias ? forgetBias(bias, coupledGates) : bias
      this.#bias = this.addWeight('bias', [gates], initial)
    }
    if (this.projection !== null) add('projectionKernel', [units, outputSize], kernel)
    if (this.peephole) add('peepholeKernel', [gates - units], zeros())
    if (this.layerNormalization) {
      add('inputGain', [gates], ones())
      add('recurrentGain', [gates], ones())
      add('cellGain', [units], ones())
      if (this.useBias) add('cellBias', [units], zeros())
    }
  }

  /**
   * Joins the layer to a sequence [B,T,I] and, if given, initial states h and c, [B,U] (h with a
   * projection [B,P]). With `returnState: true` the result is `{ output, h, c }`, else the output alone.
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

  run(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    const kernel = this.#kernel.value
    const recurrentKernel = this.#dropWeights(ctx, this.#recurrent.value)
    const bias = this.#bias?.value ?? null
    if (this.path(ctx.training).fused && !ctx.onStep) {
      const source = dropInputs(ctx, x, this.dropout)
      return this.#fused(ctx, source, initial, reverse, [kernel, recurrentKernel, bias])
    }
    const extra = Object.entries(this.#extra).map(([name, { value }]) => [name, value])
    const weights = { kernel, recurrentKernel, bias, ...Object.fromEntries(extra) }
    const start =
      initial.length > 0 ? initial : this.stateSizes.map((size) => ctx.zeros([x.shape[0], size]))
    return lstmSteps(this, ctx, x, start, reverse, weights)
  }

  /** The recurrent kernel under its mask in training, itself otherwise. */
  #dropWeights(ctx: Context, weights: Tensor): Tensor {
    const rate = this.recurrentKernelDropout
    if (!ctx.training || rate === 0) return weights
    return multiply(ctx, weights, dropoutMask(ctx, weights.shape, rate))
  }

  override path(training: boolean): { fused: boolean; reason: string } {
    const variants = this.#variants
    if (variants.length > 0) {
      const reason = `${variants.join(', ')}: the fused kernel has only the plain equations`
      return { fused: false, reason }
    }
    const dropped = training && this.recurrentDropout > 0
    const reason =
      otherActivations(this.activation, this.recurrentActivation) || (dropped ? droppedState : '')
    return { fused: reason === '', reason }
  }

  #pack(ctx: Context, weights: Weights, backward: PackKind): Tensor {
    const { lstmPackSize, lstmPack } = ctx.backend.kernels
    const packing = packingBy(lstmPackSize, lstmPack, weights, this.units)
    if (weights[1] === this.#recurrent.memory) {
      return this.#packed.of(ctx, [this.#kernel, this.#recurrent, this.#bias], backward, packing)
    }
    // Under a mask of this step.
    const packed = ctx.empty([packing.size(backward)])
    packing.pack(packed, backward)
    return packed
  }

  /** Equations (1) to (14) by the fused kernels, all steps of all rows in one call. */
  #fused(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
    weights: Weights,
  ): SequenceResult {
    const { kernels } = ctx
    const [b, t, inputs] = x.shape
    const units = this.units
    if (inputs !== this.#kernel.shape[0]) {
      throw shapeError(`${this.name} input`, [b, t, this.#kernel.shape[0]], x.shape)
    }
    const [h0 = null, c0 = null] = initial
    const sources = [x, h0, c0, ...weights]
    const keep = ctx.recording && sources.some((source) => source?.tracked)
    const packed = this.#pack(ctx, weights, keep ? (x.tracked ? 2 : 1) : 0)
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
      const { gradients, adds } = ctx.gradientsOf([x, ...weights])
      const [dx, dKernel, dRecurrent, dBias] = gradients
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
      giveToState(ctx, h0, dhState)
      giveToState(ctx, c0, dcState)
    })
    return { sequence: h, last: hLast, states: [hLast, cLast] }
  }
}

/** A rate for h and one for c. */
function zoneoutRates(zoneout: number | { h?: number; c?: number }): { h: number; c: number } {
  const isPair = typeof zoneout === 'object' && zoneout !== null
  if (isPair) checkOptions("lstm 'zoneout'", zoneout, ['h', 'c'])
  const { h = 0, c = 0 } = isPair ? zoneout : { h: zoneout, c: zoneout }
  return { h: checkRate("lstm 'zoneout'", h), c: checkRate("lstm 'zoneout'", c) }
}

/** Ones for the forget gate, the second quarter; coupled, -1 for the input gate: σ(1) = 1 - σ(-1). */
export function forgetBias(bias: Initializer, coupled: boolean): Initializer {
  return {
    ...bias,
    fill(out, shape, random, backend) {
      bias.fill(out, shape, random, backend)
      if (coupled) out.fill(-1, 0, out.length / 3)
      else out.fill(1, out.length / 4, out.length / 2)
    },
  }
}

/**
 * A layer of LSTM cells: [B,T,I] → [B,U], or [B,T,U] with `returnSequences`. Masked steps carry the
 * state over. Weights: kernel [I,4U], recurrentKernel [U,4U], bias [4U], gates i, f, g, o, then those
 * of the variants. Keras 3's `LSTM`, names and defaults included; the variants are the papers'.
 */
export function lstm<const State extends boolean = false>(
  options: LstmOptions & { returnState?: State },
): Lstm<State> {
  return new Lstm(layerOptions('lstm', options, lstmOptionNames))
}
