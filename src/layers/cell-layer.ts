/** What gru and simpleRnn share: Keras's options, three weights, and weights packed for a kernel. */
import type { Kernels } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { checkRate } from './dropout.ts'
import { droppedState, PackedWeights, type Packing, type Weights } from './fused.ts'
import { connect, featuresOf, type Shape, type SymbolicTensor } from './layer.ts'
import {
  RecurrentLayer,
  type RecurrentOptions,
  recurrentOptionNames,
  type SequenceResult,
} from './recurrent.ts'
import { dropInputs } from './steps.ts'

/** Options of Keras 3's recurrent layers with one state, with its defaults. */
export interface CellOptions extends RecurrentOptions {
  /** Width of the state and of the output, U. */
  units: number
  /** Of the candidate or the state; default 'tanh'. */
  activation?: ActivationName
  /** Default true. */
  useBias?: boolean
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
  /** Default 'orthogonal'. */
  recurrentInitializer?: InitializerLike
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike
  /** Dropout on the inputs, one mask for all steps; default 0. */
  dropout?: number
  /** Dropout on h, one mask a gate for all steps; default 0. Leaves the fused path in training. */
  recurrentDropout?: number
}

/** What `apply` returns with `returnState: true`. */
export interface CellOutputs {
  readonly output: SymbolicTensor
  /** Final output, [B,U]. */
  readonly h: SymbolicTensor
}

/** The names of `CellOptions`, for `layerOptions`. */
export const cellOptionNames = [
  'units',
  'activation',
  'useBias',
  'kernelInitializer',
  'recurrentInitializer',
  'biasInitializer',
  'dropout',
  'recurrentDropout',
  ...recurrentOptionNames,
]

/** A recurrent layer of a kernel [I,G·U], a recurrent kernel [U,G·U] and a bias, for G gates. */
export abstract class CellLayer<State extends boolean = boolean> extends RecurrentLayer<State> {
  readonly stateNames = ['h']
  readonly units: number
  readonly activation: ActivationName
  readonly useBias: boolean
  readonly dropout: number
  readonly recurrentDropout: number
  /** Number of gates, G. */
  protected abstract readonly gates: number
  protected kernel!: Parameter
  protected recurrent!: Parameter
  protected bias: Parameter | null = null
  readonly #packed = new PackedWeights()
  readonly #initializers: Record<'kernel' | 'recurrent' | 'bias', Initializer>

  /** @param kind the layer's kind, for errors */
  constructor(kind: string, options: CellOptions) {
    super(options)
    const initializer = (name: string, given: InitializerLike) =>
      resolveInitializer(`${kind} '${name}'`, given)
    this.units = checkInteger(`${kind} 'units'`, options.units)
    this.activation = checkActivation(`${kind} 'activation'`, options.activation ?? 'tanh')
    this.useBias = options.useBias ?? true
    this.dropout = checkRate(`${kind} 'dropout'`, options.dropout ?? 0)
    this.recurrentDropout = checkRate(`${kind} 'recurrentDropout'`, options.recurrentDropout ?? 0)
    this.#initializers = {
      kernel: initializer('kernelInitializer', options.kernelInitializer ?? 'glorotUniform'),
      recurrent: initializer('recurrentInitializer', options.recurrentInitializer ?? 'orthogonal'),
      bias: initializer('biasInitializer', options.biasInitializer ?? 'zeros'),
    }
  }

  options(): Record<string, unknown> {
    return {
      units: this.units,
      activation: this.activation,
      useBias: this.useBias,
      kernelInitializer: initializerConfig(this.#initializers.kernel),
      recurrentInitializer: initializerConfig(this.#initializers.recurrent),
      biasInitializer: initializerConfig(this.#initializers.bias),
      dropout: this.dropout,
      recurrentDropout: this.recurrentDropout,
      ...this.recurrentOptions(),
    }
  }

  get outputSize() {
    return this.units
  }

  get stateSizes() {
    return [this.units]
  }

  /**
   * Joins the layer to a sequence [B,T,I] and, if given, an initial state [B,U]. With
   * `returnState: true` the result is `{ output, h }`, else the output alone.
   */
  apply(
    x: SymbolicTensor,
    options: { initialState?: { h: SymbolicTensor } } = {},
  ): State extends true ? CellOutputs : SymbolicTensor {
    const { initialState } = options
    const [output, h] = connect(this, initialState ? [x, initialState.h] : [x])
    const result = this.returnState ? { output, h } : output
    return result as State extends true ? CellOutputs : SymbolicTensor
  }

  protected override declare([x]: readonly Shape[]) {
    const { kernel, recurrent, bias } = this.#initializers
    const width = this.gates * this.units
    this.kernel = this.addWeight('kernel', [featuresOf(this, x), width], kernel)
    this.recurrent = this.addWeight('recurrentKernel', [this.units, width], recurrent)
    if (this.useBias) this.bias = this.addWeight('bias', this.biasShape, bias)
  }

  /** The bias's shape. */
  protected get biasShape(): readonly number[] {
    return [this.gates * this.units]
  }

  /** The values of kernel, recurrent kernel and bias. */
  protected get weights(): Weights {
    return [this.kernel.value, this.recurrent.value, this.bias?.value ?? null]
  }

  /** What a fused kernel is asked for: sizes, packed weights, what flows where, the steps that count. */
  protected begin(ctx: Context, x: Tensor, h0: Tensor | null) {
    const [b, t, inputs] = x.shape
    const { units, weights } = this
    if (inputs !== this.kernel.shape[0]) {
      throw shapeError(`${this.name} input`, [b, t, this.kernel.shape[0]], x.shape)
    }
    const sources = [x, h0, ...weights]
    const keep = ctx.recording && sources.some((source) => source?.tracked)
    const packed = this.#packed.of(
      ctx,
      [this.kernel, this.recurrent, this.bias],
      keep ? (x.tracked ? 2 : 1) : 0,
      this.packing(ctx.backend.kernels),
    )
    const { times = null, lengths = null, order = null } = x.mask ?? {}
    return { b, t, inputs, units, weights, sources, keep, packed, times, lengths, order }
  }

  run(ctx: Context, x: Tensor, initial: readonly Tensor[], reverse: boolean): SequenceResult {
    if (this.path(ctx.training).fused && !ctx.onStep) {
      return this.fused(ctx, dropInputs(ctx, x, this.dropout), initial[0] ?? null, reverse)
    }
    const start = initial.length > 0 ? initial : [ctx.zeros([x.shape[0], this.units])]
    return this.composed(ctx, x, start, reverse)
  }

  override path(training: boolean): { fused: boolean; reason: string } {
    const dropped = training && this.recurrentDropout > 0
    const reason = this.notFused || (dropped ? droppedState : '')
    return { fused: reason === '', reason }
  }

  /** Why the fused kernel does not compute these options; '' if it does. */
  protected abstract get notFused(): string

  /** How the fused kernel wants the weights. */
  protected abstract packing(kernels: Kernels): Packing

  /** The layer's equations by its fused kernel, all steps of all rows in one call. */
  protected abstract fused(
    ctx: Context,
    x: Tensor,
    h0: Tensor | null,
    reverse: boolean,
  ): SequenceResult

  /** The layer's equations step by step on the tape. */
  protected abstract composed(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
  ): SequenceResult
}
