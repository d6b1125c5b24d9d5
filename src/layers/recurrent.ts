/** What recurrent layers share: running a sequence in a direction, states, masked outputs. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { reverseMask } from '../tensor/mask.ts'
import { reverseTime, scaleRepeated } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Layer, type LayerOptions } from './layer.ts'

/** What one pass over a batch of sequences gives. */
export interface SequenceResult {
  /** [B,T,U], each step's output at the time index it belongs to; masked steps are undefined. */
  readonly sequence: Tensor
  /** The final states, each [B,U]; the first is the final output. */
  readonly states: Tensor[]
}

/** A layer that `bidirectional` can run both ways. */
export abstract class RecurrentLayer extends Layer {
  readonly units: number
  readonly returnSequences: boolean
  readonly returnState: boolean
  readonly goBackwards: boolean
  /** Number of state tensors: 2 for the LSTM (h, c). */
  abstract readonly stateCount: number

  constructor(
    options: LayerOptions & {
      returnSequences?: boolean
      returnState?: boolean
      goBackwards?: boolean
    },
    units: number,
  ) {
    super(options)
    this.units = units
    this.returnSequences = options.returnSequences ?? false
    this.returnState = options.returnState ?? false
    this.goBackwards = options.goBackwards ?? false
  }

  /** Runs all valid steps, from the last to the first with `reverse`. */
  abstract run(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
  ): SequenceResult
  /** A new, unbuilt layer with the same options but for `changes`. */
  abstract copy(changes: object): RecurrentLayer

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
    const { sequence, states } = this.run(ctx, x, initial, options.reverse)
    if (!this.returnSequences) {
      return { output: zeroEmptyRows(ctx, x, states[0], initial), states }
    }
    const output = holdMasked(ctx, sequence, x, options)
    output.mask = x.mask
    return { output, states }
  }
}

/** Fails unless there are no initial states or all of them, each [B,U]; kernels trust their sizes. */
export function checkStates(
  layer: Layer,
  x: Tensor,
  initial: readonly Tensor[],
  count: number,
  units: number,
): void {
  if (initial.length !== 0 && initial.length !== count) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${layer.name || layer.kind}: expected ${count} initial states or none, got ${initial.length}`,
    )
  }
  const wanted = [x.shape[0], units]
  for (const { shape } of initial) {
    if (shape.length !== 2 || shape.some((length, axis) => length !== wanted[axis])) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${layer.name || layer.kind}: expected an initial state of shape ${show(wanted)}, ` +
          `got ${show([...shape])}`,
      )
    }
  }
}

/** Keras gives 0, not the initial state, as the output of a row whose steps are all masked. */
function zeroEmptyRows(ctx: Context, x: Tensor, last: Tensor, initial: readonly Tensor[]): Tensor {
  const lengths = x.mask?.lengths?.ints
  if (initial.length === 0 || !lengths?.includes(0)) return last
  const [rows, units] = last.shape
  const flags = ctx.empty([rows, 1])
  flags.values.set(x.mask!.lengths!.ints.map((length) => (length === 0 ? 0 : 1)))
  return scaleRepeated(ctx, last, flags, [rows, units, 1])
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
