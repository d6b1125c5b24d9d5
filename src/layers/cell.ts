/** Cells, each a step of a recurrence, and `rnn`, which takes a cell along a sequence. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { stepOf } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  checkRank,
  connect,
  Layer,
  type LayerOptions,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import {
  checkStates,
  RecurrentLayer,
  type RecurrentOptions,
  type SequenceResult,
  sequenceOptionNames,
  shapesOf,
} from './recurrent.ts'
import { runSteps, type StepOutput } from './steps.ts'

/** x [B,I] and the states before ↦ the output and the states after. */
export type CellStep = (x: Tensor, states: readonly Tensor[]) => StepOutput

/**
 * A step of a recurrence: x [B,I] and states to an output and new states. It is a layer with the states
 * as further inputs and outputs, but mostly used by `rnn`.
 */
export abstract class Cell extends Layer {
  /** Width of the output. */
  abstract readonly outputSize: number
  /** Width of each state. */
  abstract readonly stateSizes: readonly number[]
  /** A name for each state. */
  abstract readonly stateNames: readonly string[]

  /**
   * The step for one pass over sequences of B rows. What all steps have in common, such as dropout
   * masks, is made here.
   */
  abstract begin(ctx: Context, rows: number): CellStep
  /** A new, unbuilt cell with the same options. */
  abstract copy(): Cell

  outputShapes([x, ...states]: readonly Shape[]): Shape[] {
    checkRank(this, x, 2, '[batch, features]')
    const final = this.#stateShapes(x)
    checkStates(this, states, final)
    return [[x[0], this.outputSize], ...final]
  }

  #stateShapes([batch]: Shape): Shape[] {
    return this.stateSizes.map((size) => [batch, size])
  }

  /** Joins the cell to x [B,I] and to states, zeros if there are none: its output, then its states. */
  applyAll(x: SymbolicTensor, states: readonly SymbolicTensor[] = []): SymbolicTensor[] {
    return connect(this, [x, ...states])
  }

  call(ctx: Context, [x, ...given]: readonly Tensor[]): Tensor[] {
    checkStates(this, shapesOf(given), this.#stateShapes(x.shape))
    const [rows] = x.shape
    const zeros = () => this.stateSizes.map((size) => ctx.zeros([rows, size]))
    const { output, states } = this.begin(ctx, rows)(x, given.length > 0 ? given : zeros())
    return [output, ...states]
  }

  override get wholeSequence() {
    return 'a cell has no sequence: use rnn(cell)'
  }

  override path() {
    return stepByStep
  }
}

const stepByStep = { fused: false, reason: 'rnn: cells run step by step' }

/** Options of `rnn`: those of a recurrent layer that a cell has not. */
export type RnnOptions = LayerOptions & Pick<RecurrentOptions, (typeof sequenceOptionNames)[number]>

/** What `apply` returns with `returnState: true`. */
export interface RnnOutputs {
  readonly output: SymbolicTensor
  /** The final states, [B,size] each, in the cell's order. */
  readonly states: readonly SymbolicTensor[]
}

/** The layer behind `rnn`. */
export class Rnn<State extends boolean = boolean> extends RecurrentLayer<State> {
  readonly kind = 'rnn'
  readonly cell: Cell

  constructor(cell: Cell, options: RnnOptions) {
    super(options)
    this.cell = cell
    this.cell.name ||= cell.kind
  }

  get outputSize() {
    return this.cell.outputSize
  }

  get stateSizes() {
    return this.cell.stateSizes
  }

  get stateNames() {
    return this.cell.stateNames
  }

  /** The output of a cell need not be one of its states. */
  protected override get outputState() {
    return -1
  }

  override get children() {
    return [{ role: 'cell', layer: this.cell }]
  }

  override path() {
    return stepByStep
  }

  options() {
    return { cell: this.cell.config, ...this.recurrentOptions() }
  }

  copy(changes: Partial<RnnOptions>): Rnn {
    const { name, trainable } = this
    return new Rnn(this.cell.copy(), { ...this.recurrentOptions(), name, trainable, ...changes })
  }

  protected override declare([[batch, , features]]: readonly Shape[]) {
    this.cell.build([[batch, features]])
  }

  /**
   * Joins the layer to a sequence [B,T,I] and, if given, initial states [B,size], in the cell's order.
   * With `returnState: true` the result is `{ output, states }`, else the output alone.
   */
  apply(
    x: SymbolicTensor,
    { initialState = [] }: { initialState?: readonly SymbolicTensor[] } = {},
  ): State extends true ? RnnOutputs : SymbolicTensor {
    const [output, ...states] = connect(this, [x, ...initialState])
    const result = this.returnState ? { output, states } : output
    return result as State extends true ? RnnOutputs : SymbolicTensor
  }

  run(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
    before: Tensor | null = null,
  ): SequenceResult {
    const [rows] = x.shape
    const step = this.cell.begin(ctx, rows)
    const start = initial.length > 0 ? initial : this.stateSizes.map((n) => ctx.zeros([rows, n]))
    const at = (time: number, states: readonly Tensor[]) => step(stepOf(ctx, x, time), states)
    return runSteps(this, ctx, x, start, reverse, at, before)
  }
}

/**
 * Takes a cell along a sequence: [B,T,I] → [B,U], or [B,T,U] with `returnSequences`. The cell is one of
 * `defineCell`, `lstmCell`, `stackedRnnCells`. Masked steps keep states and output. Keras's `RNN`.
 *
 *     rnn(stackedRnnCells([lstmCell({ units: 64 }), lstmCell({ units: 32 })]), { returnState: true })
 *
 * Steps are tensor operations, one after the other: where `lstm` computes the same, it is many times
 * faster.
 */
export function rnn<const State extends boolean = false>(
  cell: Cell,
  options: RnnOptions & { returnState?: State } = {},
): Rnn<State> {
  if (!(cell instanceof Cell)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `rnn: expected a cell such as lstmCell({ units: 64 }), got ${show(cell)}`,
      Array.isArray(cell) ? 'write rnn(stackedRnnCells([…]))' : '',
    )
  }
  return new Rnn(cell, layerOptions('rnn', options, sequenceOptionNames))
}
