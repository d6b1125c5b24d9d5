/** What recurrent layers share: running a sequence in a direction, states, masked outputs. */
import { RefrainError, show } from '../errors.ts'
import type { Context, StateSlot } from '../tensor/context.ts'
import { zeros } from '../tensor/initializers.ts'
import { reverseMask } from '../tensor/mask.ts'
import { reverseTime, scaleRepeated } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { repeatRows } from '../tensor/row-ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  type CarriedState,
  checkRank,
  featuresOf,
  Layer,
  type LayerOptions,
  type SeedOptions,
  type Shape,
} from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

/** Options of every recurrent layer. */
export interface RecurrentOptions
  extends LayerOptions,
    SeedOptions,
    WeightRules<'kernel' | 'recurrent' | 'bias'> {
  /** All outputs [B,T,U] instead of the last [B,U]; default false. */
  returnSequences?: boolean
  /** Also return the final states; default false. */
  returnState?: boolean
  /** Read the sequence from its end; outputs come in the order of processing. Default false. */
  goBackwards?: boolean
  /**
   * Masked steps show zeros instead of the output before them, as they do in `bidirectional` anyway; needs
   * `returnSequences`. Default false.
   */
  zeroOutputForMask?: boolean
  /**
   * States that no input gives start from weights, initialH and initialC of an LSTM, [size] each and
   * zeros at first, instead of from zeros. Where a stream's first steps are masked, they show this
   * state, where a sequence has zeros. Default false.
   */
  learnInitialState?: boolean
  /**
   * Each batch's rows go on where those of the batch before ended, in `fit`, `evaluate` and
   * `predict`, until `model.resetStates()`; all batches are of one size, and `fit` does not shuffle.
   * Default false.
   */
  stateful?: boolean
  /**
   * This times the mean of (h_{t+1} - h_t)², over all pairs of steps that are not masked, is added
   * to the loss (Merity et al. 2017, β of AWD-LSTM); needs `returnSequences`. Default: nothing.
   */
  temporalActivityRegularizer?: number
}

/** The names of those that a single step has not. */
export const sequenceOptionNames = [
  'returnSequences',
  'returnState',
  'goBackwards',
  'zeroOutputForMask',
  'learnInitialState',
  'stateful',
  'temporalActivityRegularizer',
] as const

/** The names of `RecurrentOptions`, for `layerOptions`. */
export const recurrentOptionNames = [
  ...sequenceOptionNames,
  'seed',
  ...ruleNames('kernel', 'recurrent', 'bias'),
]

/** What one pass over a batch of sequences gives. */
export interface SequenceResult {
  /** [B,T,U], each step's output at the time index it belongs to; masked steps are undefined. */
  readonly sequence: Tensor
  /** [B,U], each row's output at its last valid step; anything for a row without one. */
  readonly last: Tensor
  /** The final states, [B,size] each. */
  readonly states: Tensor[]
  /** Of layers that run step by step: the gates of the last step. */
  readonly gates?: Readonly<Record<string, Tensor>>
}

/** A layer that `bidirectional` can run both ways. */
export abstract class RecurrentLayer<State extends boolean = boolean> extends Layer {
  readonly returnSequences: boolean
  readonly returnState: State
  readonly goBackwards: boolean
  readonly zeroOutputForMask: boolean
  readonly learnInitialState: boolean
  override readonly stateful: boolean
  #initial: readonly Parameter[] = []
  /** Width of the output, U. */
  abstract readonly outputSize: number
  /** Width of each state; LSTM: h's and c's. */
  abstract readonly stateSizes: readonly number[]
  /** A name for each state; LSTM: h and c. */
  abstract readonly stateNames: readonly string[]

  constructor(options: RecurrentOptions) {
    super(options)
    this.returnSequences = options.returnSequences ?? false
    this.returnState = (options.returnState ?? false) as State
    this.goBackwards = options.goBackwards ?? false
    this.zeroOutputForMask = options.zeroOutputForMask ?? false
    this.learnInitialState = options.learnInitialState ?? false
    this.stateful = options.stateful ?? false
    const needsSteps = (option: string, what: string) => {
      if (this.returnSequences) return
      throw new RefrainError('BAD_ARGUMENT', `'${option}' ${what}`, 'add returnSequences: true')
    }
    if (this.rules.temporalActivityRegularizer) {
      needsSteps('temporalActivityRegularizer', 'compares the outputs of neighbouring steps')
    }
    if (this.zeroOutputForMask) {
      needsSteps(
        'zeroOutputForMask',
        'is about the outputs of masked steps: the last output is of a step that counts',
      )
    }
  }

  /**
   * Runs all valid steps, from the last to the first with `reverse`. `before` is the output of the step
   * before the first, for streams of layers without an `outputState`; zeros if null.
   */
  abstract run(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
    before?: Tensor | null,
  ): SequenceResult
  /** A new, unbuilt layer with the same options but for `changes`. */
  abstract copy(changes: object): RecurrentLayer

  /** Which of the states is also the output; -1: none need be. */
  protected get outputState(): number {
    return 0
  }

  /** The options that this class reads, as they stand in files. */
  protected recurrentOptions() {
    const { returnSequences, returnState, goBackwards } = this
    const { zeroOutputForMask, learnInitialState, stateful, seed } = this
    return {
      returnSequences,
      returnState,
      goBackwards,
      ...(zeroOutputForMask && { zeroOutputForMask }),
      ...(learnInitialState && { learnInitialState }),
      ...(stateful && { stateful }),
      ...(seed !== null && { seed }),
    }
  }

  override build(inputs: readonly Shape[]): void {
    const fresh = !this.built
    super.build(inputs)
    if (!fresh || !this.learnInitialState) return
    this.#initial = this.stateNames.map((name, i) => {
      const title = name[0].toUpperCase() + name.slice(1)
      return this.addWeight(`initial${title}`, [this.stateSizes[i]], zeros())
    })
  }

  outputShapes([x, ...states]: readonly Shape[]): Shape[] {
    checkRank(this, x, 3, '[batch, time, features]')
    featuresOf(this, x)
    const final = this.stateShapes(x)
    checkStates(this, states, final)
    const last: Shape = [x[0], this.outputSize]
    const output = this.returnSequences ? [x[0], x[1], this.outputSize] : last
    return this.returnState ? [output, ...final] : [output]
  }

  /** The states' shapes for an input of this shape. */
  stateShapes([batch]: Shape): Shape[] {
    return this.stateSizes.map((size) => [batch, size])
  }

  override get wholeSequence() {
    return this.goBackwards ? 'goBackwards reads the sequence from its end' : ''
  }

  call(ctx: Context, [x, ...initial]: readonly Tensor[]): Tensor[] {
    if (ctx.streaming) return this.#step(ctx, x)
    checkStates(this, shapesOf(initial), this.stateShapes(x.shape))
    const reverse = this.goBackwards
    const zeroMasked = this.zeroOutputForMask
    const result = this.output(ctx, x, initial, { reverse, zeroMasked })
    const output =
      reverse && this.returnSequences ? toProcessingOrder(ctx, result.output) : result.output
    return this.returnState ? [output, ...result.states] : [output]
  }

  /** One step of a stream. Where it is masked states and output stay, as in a sequence. */
  #step(ctx: Context, x: Tensor): Tensor[] {
    const [rows] = x.shape
    const slots: StateSlot[] = this.stateSizes.map((width, i) => {
      const start = this.#initial[i]
      return { name: this.stateNames[i], width, start: start && (() => start.value.values) }
    })
    const count = slots.length
    const keepsOutput = this.outputState < 0 && x.mask !== null
    if (keepsOutput) slots.push({ name: 'output', width: this.outputSize })
    let last!: Tensor
    const carried = ctx.carry(this, slots, rows, (before) => {
      const result = this.run(ctx, x, before.slice(0, count), false, before[count])
      last = result.last
      return keepsOutput ? [...result.states, last] : result.states
    })
    const states = carried.slice(0, count)
    if (!this.returnSequences) return this.returnState ? [last, ...states] : [last]
    const zeros = this.zeroOutputForMask && x.mask?.lengths
    const shown = zeros ? zeroRows(ctx, last, zeros) : last
    const output = shown.view([rows, 1, this.outputSize])
    output.mask = x.mask
    return this.returnState ? [output, ...states] : [output]
  }

  /**
   * The layer's output: with `returnSequences` all steps in time order, masked steps holding the
   * output before them (zeros with `zeroMasked`), else the last one; zeros for a row without steps.
   */
  output(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    options: { reverse: boolean; zeroMasked: boolean },
  ): { output: Tensor; states: Tensor[] } {
    const [rows] = x.shape
    const learned = () => this.#initial.map(({ value }) => repeatRows(ctx, value, rows))
    const carries = ctx.carries || (this.stateful && !ctx.onStep)
    const begin = () => (carries && this.carried ? this.#goOn(ctx, rows, this.carried) : learned())
    const start = initial.length > 0 ? initial : begin()
    const { sequence, last, states } = ctx.within(this, () =>
      this.run(ctx, x, start, options.reverse),
    )
    if (carries && !ctx.onStep) {
      this.carried = states.map(({ shape, values }) => ({ shape, values: values.slice() }))
    }
    const output = this.returnSequences
      ? holdMasked(ctx, sequence, x, options)
      : zeroEmptyRows(ctx, x, last, start)
    if (this.returnSequences) output.mask = x.mask
    const beta = this.rules.temporalActivityRegularizer as number | undefined
    if (beta) ctx.penalize(output, (dy) => differences(output, beta, dy))
    return { output, states }
  }

  /** The states in which the batch before ended. */
  #goOn(ctx: Context, rows: number, carried: readonly CarriedState[]): Tensor[] {
    return carried.map(({ shape, values }) => {
      if (shape[0] !== rows) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: a stateful layer expected ${shape[0]} rows, as in the batch ` +
            `before, got ${rows}`,
          'use a batchSize that divides the number of rows, or call model.resetStates() before',
        )
      }
      const state = ctx.empty(shape)
      state.values.set(values)
      return state
    })
  }
}

/** Fails unless there are no initial states or one of each of these shapes; kernels trust them. */
export function checkStates(
  layer: Layer,
  states: readonly Shape[],
  wanted: readonly Shape[],
): void {
  const where = layer.name || layer.kind
  if (states.length !== 0 && states.length !== wanted.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected ${wanted.length} initial states or none, got ${states.length}`,
    )
  }
  states.forEach((shape, i) => {
    const same = (length: number | null, axis: number) =>
      length === wanted[i][axis] || length === null || wanted[i][axis] === null
    if (shape.length === wanted[i].length && shape.every(same)) return
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected an initial state of shape ${show([...wanted[i]])}, got ${show([...shape])}`,
    )
  })
}

/** The shapes of tensors. */
export const shapesOf = (tensors: readonly Tensor[]): Shape[] => tensors.map(({ shape }) => shape)

/** beta · the mean of (h_{t+1} - h_t)² over neighbouring steps [B,T,U], and its gradient. */
function differences(h: Tensor, beta: number, gradient: Tensor | null): number {
  const [rows, steps, units] = h.shape
  const valid = h.mask?.lengths ? h.mask.valid.ints : null
  const follows = (step: number) =>
    step % steps < steps - 1 && (!valid || (valid[step] === 1 && valid[step + 1] === 1))
  let pairs = 0
  for (let step = 0; step < rows * steps; step++) if (follows(step)) pairs++
  const factor = beta / Math.max(1, pairs * units)
  const { values } = h
  const slope = gradient?.values
  let sum = 0
  for (let step = 0; step < rows * steps; step++) {
    if (!follows(step)) continue
    for (let i = step * units; i < (step + 1) * units; i++) {
      const change = values[i + units] - values[i]
      sum += change * change
      if (!slope) continue
      slope[i] -= 2 * factor * change
      slope[i + units] += 2 * factor * change
    }
  }
  return factor * sum
}

/** Keras gives 0, not the initial state, as the output of a row whose steps are all masked. */
function zeroEmptyRows(ctx: Context, x: Tensor, last: Tensor, initial: readonly Tensor[]): Tensor {
  const lengths = x.mask?.lengths
  return initial.length > 0 && lengths?.ints.includes(0) ? zeroRows(ctx, last, lengths) : last
}

/** y [B,U] with zeros in rows of length 0. */
function zeroRows(ctx: Context, y: Tensor, lengths: Tensor): Tensor {
  const [rows, units] = y.shape
  const flags = ctx.empty([rows, 1])
  ctx.perform(() => {
    for (let r = 0; r < rows; r++) flags.values[r] = lengths.ints[r] === 0 ? 0 : 1
  })
  return scaleRepeated(ctx, y, flags, [rows, units, 1])
}

/** Gives masked steps their output; works in place, `sequence` belongs to the layer. */
function holdMasked(
  ctx: Context,
  sequence: Tensor,
  x: Tensor,
  { reverse, zeroMasked }: { reverse: boolean; zeroMasked: boolean },
): Tensor {
  const { mask } = x
  if (!mask?.lengths) return sequence
  const [b, t, u] = sequence.shape
  const flags = [reverse ? 1 : 0, zeroMasked ? 1 : 0] as const
  const { kernels } = ctx
  kernels.holdMasked(sequence.values, mask.valid.ints, b, t, u, ...flags)
  const output = sequence.view(sequence.shape)
  return ctx.record(output, [sequence], () => {
    const dy = ctx.gradientOf(sequence)
    kernels.holdMaskedBackward(dy.values, mask.valid.ints, b, t, u, ...flags)
  })
}

/** An output in time order, put in the order of processing from last to first; its mask follows. */
export function toProcessingOrder(ctx: Context, output: Tensor): Tensor {
  const reversed = reverseTime(ctx, output)
  reversed.mask = output.mask && reverseMask(ctx.arena, output.mask)
  return reversed
}
