/**
 * The convolutional LSTM (Shi et al. 2015): the equations of `lstm.ts` for sequences of images, with
 * convolutions, here *, for products; states and gates are images. With z = x_t * W + h_{t-1} * R + b
 * cut into four parts of F channels each:
 *
 *   i = σ(z_i),  f = σ(z_f),  g = tanh(z_g),  o = σ(z_o)
 *   c_t = f ⊙ c_{t-1} + i ⊙ g,  h_t = o ⊙ tanh(c_t)
 *
 * As in Keras there are no peepholes from the cell, which the paper has. The convolution of the inputs
 * runs for all steps at once, the others step by step.
 */
import { RefrainError, show } from '../errors.ts'
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
  multiply,
  scaleRepeated,
  stepOf,
} from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { convolve, type Windows, windowCount } from '../tensor/patches.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, sizeOf } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { checkRate } from './dropout.ts'
import {
  checkRank,
  connect,
  featuresOf,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import { forgetBias, type LstmOptions, type LstmOutputs } from './lstm.ts'
import {
  checkStates,
  RecurrentLayer,
  type RecurrentOptions,
  recurrentOptionNames,
  type SequenceResult,
} from './recurrent.ts'
import { gateMasks, runSteps } from './steps.ts'
import { checkPadding, checkSize, type Size2d } from './windows.ts'

/** Options that mean what they mean for `lstm`. */
const sharedOptions = [
  'activation',
  'recurrentActivation',
  'useBias',
  'kernelInitializer',
  'recurrentInitializer',
  'biasInitializer',
  'unitForgetBias',
] as const
type SharedOption = (typeof sharedOptions)[number]

/** Keras 3's options for `ConvLSTM2D`, with its defaults. A size is one number or [height, width]. */
export interface ConvLstm2dOptions extends RecurrentOptions, Pick<LstmOptions, SharedOption> {
  /** Channels of the output and of the cell, F. */
  filters: number
  /** Size of the windows over inputs and states. */
  kernelSize: Size2d
  /** From one window over the input to the next; default 1. */
  strides?: Size2d
  /** Of the windows over the input, as for `conv2d`; those over states are 'same'. Default 'valid'. */
  padding?: 'valid' | 'same'
  /** From one pixel of a window over the input to the next; default 1. */
  dilationRate?: Size2d
  /** Dropout on the inputs, a mask for each gate, the same for all steps; default 0. */
  dropout?: number
  /** Dropout on h, a mask for each gate, the same for all steps; default 0. */
  recurrentDropout?: number
}

const optionNames = [
  'filters',
  'kernelSize',
  'strides',
  'padding',
  'dilationRate',
  ...sharedOptions,
  'dropout',
  'recurrentDropout',
  ...recurrentOptionNames,
]

/** The layer behind `convLstm2d`. */
export class ConvLstm2d<State extends boolean = boolean> extends RecurrentLayer<State> {
  readonly kind = 'convLstm2d'
  readonly stateNames = ['h', 'c']
  readonly filters: number
  readonly windows: Windows
  readonly activation: ActivationName
  readonly recurrentActivation: ActivationName
  readonly useBias: boolean
  readonly unitForgetBias: boolean
  readonly dropout: number
  readonly recurrentDropout: number
  readonly #initializers: Record<'kernel' | 'recurrent' | 'bias', Initializer>
  /** [height, width, filters] of outputs and states, once it is built. */
  #frame: readonly number[] = []
  #kernel!: Parameter
  #recurrent!: Parameter
  #bias: Parameter | null = null

  constructor(options: ConvLstm2dOptions) {
    super(options)
    const size = (name: 'kernelSize' | 'strides' | 'dilationRate', normal?: number) =>
      checkSize(`convLstm2d '${name}'`, 2, options[name] ?? normal)
    const activation = (name: 'activation' | 'recurrentActivation', normal: ActivationName) =>
      checkActivation(`convLstm2d '${name}'`, options[name] ?? normal)
    const rate = (name: 'dropout' | 'recurrentDropout') =>
      checkRate(`convLstm2d '${name}'`, options[name] ?? 0)
    const initializer = (name: string, given: InitializerLike) =>
      resolveInitializer(`convLstm2d '${name}'`, given)
    const padding = options.padding ?? 'valid'
    this.filters = checkInteger("convLstm2d 'filters'", options.filters)
    this.windows = {
      size: size('kernelSize'),
      strides: size('strides', 1),
      dilation: size('dilationRate', 1),
      padding: checkPadding("convLstm2d 'padding'", padding, ['valid', 'same']),
    }
    this.activation = activation('activation', 'tanh')
    this.recurrentActivation = activation('recurrentActivation', 'sigmoid')
    this.useBias = options.useBias ?? true
    this.unitForgetBias = options.unitForgetBias ?? true
    this.dropout = rate('dropout')
    this.recurrentDropout = rate('recurrentDropout')
    this.#initializers = {
      kernel: initializer('kernelInitializer', options.kernelInitializer ?? 'glorotUniform'),
      recurrent: initializer('recurrentInitializer', options.recurrentInitializer ?? 'orthogonal'),
      bias: initializer('biasInitializer', options.biasInitializer ?? 'zeros'),
    }
  }

  options() {
    const { size, strides, dilation, padding } = this.windows
    return {
      filters: this.filters,
      kernelSize: size,
      strides,
      padding: padding as 'valid' | 'same',
      dilationRate: dilation,
      activation: this.activation,
      recurrentActivation: this.recurrentActivation,
      useBias: this.useBias,
      kernelInitializer: initializerConfig(this.#initializers.kernel),
      recurrentInitializer: initializerConfig(this.#initializers.recurrent),
      biasInitializer: initializerConfig(this.#initializers.bias),
      unitForgetBias: this.unitForgetBias,
      dropout: this.dropout,
      recurrentDropout: this.recurrentDropout,
      ...this.recurrentOptions(),
    }
  }

  copy(changes: Partial<ConvLstm2dOptions>): ConvLstm2d {
    const { name, trainable } = this
    return new ConvLstm2d({ ...this.options(), name, trainable, ...changes })
  }

  get outputSize() {
    return sizeOf(this.#frame)
  }

  get stateSizes() {
    return [this.outputSize, this.outputSize]
  }

  override outputShapes([x, ...states]: readonly Shape[]): Shape[] {
    checkRank(this, x, 5, '[batch, time, height, width, channels]')
    featuresOf(this, x)
    const final = this.stateShapes(x)
    checkStates(this, states, final)
    const [last] = final
    const output = this.returnSequences ? [x[0], x[1], ...last.slice(1)] : last
    return this.returnState ? [output, ...final] : [output]
  }

  override stateShapes(x: Shape): Shape[] {
    const state = [x[0], ...this.#lengths(x), this.filters]
    return [state, state]
  }

  /** Height and width of the outputs. */
  #lengths([, , ...lengths]: Shape): number[] {
    return ([0, 1] as const).map((axis) => {
      const length = lengths[axis]
      const count = length && windowCount(length, axis, this.windows)
      if (!count) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: expected images of a known size, at least that of a window, ` +
            `got ${show(lengths.slice(0, 2))} for windows of ${show([...this.windows.size])}`,
        )
      }
      return count
    })
  }

  protected override declare([x]: readonly Shape[]) {
    const { kernel, recurrent, bias } = this.#initializers
    const { windows, filters } = this
    const { size } = windows
    const width = 4 * filters
    this.#frame = [...this.#lengths(x), filters]
    this.#kernel = this.addWeight('kernel', [...size, featuresOf(this, x), width], kernel)
    this.#recurrent = this.addWeight('recurrentKernel', [...size, filters, width], recurrent)
    if (this.useBias) {
      const initial = this.unitForgetBias ? forgetBias(bias, false) : bias
      this.#bias = this.addWeight('bias', [width], initial)
    }
  }

  /**
   * Joins the layer to a sequence of images [B,T,H,W,C] and, if given, initial states h and c
   * [B,H',W',F]. With `returnState: true` the result is `{ output, h, c }`, else the output alone.
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

  override call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    const results = super.call(ctx, inputs)
    // `output` has done so for whole sequences.
    return ctx.streaming ? results.map((result) => this.#asFrames(result)) : results
  }

  override output(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    options: { reverse: boolean; zeroMasked: boolean },
  ) {
    const flat = initial.map((state) => state.view([x.shape[0], this.outputSize]))
    const { output, states } = super.output(ctx, x, flat, options)
    return {
      output: this.#asFrames(output),
      states: states.map((state) => this.#asFrames(state)),
    }
  }

  /** Rows of numbers, as which recurrence knows them, as images. */
  #asFrames(rows: Tensor): Tensor {
    const frames = rows.view([...rows.shape.slice(0, -1), ...this.#frame])
    frames.mask = rows.mask
    return frames
  }

  run(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    const [b] = x.shape
    const { filters, outputSize } = this
    const zeros = () => ctx.zeros([b, outputSize])
    const start = initial.length > 0 ? initial : [zeros(), zeros()]
    const fromInput = this.#fromInput(ctx, x)
    const fromState = this.#fromState(ctx, b)
    return runSteps(this, ctx, x, start, reverse, (time, [h, c]) => {
      const sums = stepOf(ctx, fromInput, time).view([b, 4 * outputSize])
      const z = add(ctx, sums, fromState(h)).view([b * (outputSize / filters), 4 * filters])
      const part = (gate: number, name: ActivationName) =>
        activate(ctx, name, columns(ctx, z, gate * filters, filters)).view([b, outputSize])
      const i = part(0, this.recurrentActivation)
      const f = part(1, this.recurrentActivation)
      const g = part(2, this.activation)
      const o = part(3, this.recurrentActivation)
      const cell = add(ctx, multiply(ctx, f, c), multiply(ctx, i, g))
      const shown = multiply(ctx, o, activate(ctx, this.activation, cell))
      return { output: shown, states: [shown, cell], gates: { i, f, g, o } }
    })
  }

  /** The share that x has in the gates' sums, for all steps: [B,T,H'·W'·4F]. */
  #fromInput(ctx: Context, x: Tensor): Tensor {
    const [b, t, ...image] = x.shape
    const size = sizeOf(image)
    const masks = gateMasks(ctx, 4, [b, size], this.dropout)
    const sources = masks?.map((mask) => scaleRepeated(ctx, x, mask, [b, t, size])) ?? [x]
    const images = sources.map((source) => source.view([b * t, ...image]))
    const sums = convolveGates(ctx, images, this.#kernel.value, this.#bias?.value, this.windows)
    return sums.view([b, t, 4 * this.outputSize])
  }

  /** h [B,H'·W'·F] ↦ its share in the gates' sums, [B,H'·W'·4F]. */
  #fromState(ctx: Context, rows: number): (h: Tensor) => Tensor {
    const { outputSize } = this
    const masks = gateMasks(ctx, 4, [rows, outputSize], this.recurrentDropout)
    const windows: Windows = {
      ...this.windows,
      strides: [1, 1],
      dilation: [1, 1],
      padding: 'same',
    }
    const shape = [rows, ...this.#frame]
    return (h) => {
      const sources = masks?.map((mask) => multiply(ctx, h, mask)) ?? [h]
      const images = sources.map((source) => source.view(shape))
      const sums = convolveGates(ctx, images, this.#recurrent.value, undefined, windows)
      return sums.view([rows, 4 * outputSize])
    }
  }
}

/** The convolution of one image for all gates, or of one for each gate, by their part of the kernel. */
function convolveGates(
  ctx: Context,
  images: readonly Tensor[],
  kernel: Tensor,
  bias: Tensor | undefined,
  windows: Windows,
): Tensor {
  if (images.length === 1) return convolve(ctx, images[0], kernel, bias ?? null, windows)
  const width = kernel.shape[3] / images.length
  const sums = images.map((image, gate) => {
    const ofGate = (all: Tensor) => columns(ctx, all, gate * width, width)
    return convolve(ctx, image, ofGate(kernel), bias ? ofGate(bias) : null, windows)
  })
  return concatenate(ctx, sums)
}

/**
 * A convolutional LSTM: [B,T,H,W,C] → [B,H',W',F], or [B,T,H',W',F] with `returnSequences`. Masked steps
 * carry the state over. Weights: kernel [kh,kw,C,4F], recurrentKernel [kh,kw,F,4F], bias [4F], gates i,
 * f, g, o. Height and width must be known. Keras 3's `ConvLSTM2D`, names and defaults included.
 */
export function convLstm2d<const State extends boolean = false>(
  options: ConvLstm2dOptions & { returnState?: State },
): ConvLstm2d<State> {
  return new ConvLstm2d(layerOptions('convLstm2d', options, optionNames))
}
