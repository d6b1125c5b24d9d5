import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { concatenate, multiply, weightedSum } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { suggest } from '../util/check.ts'
import {
  connect,
  inside,
  Layer,
  type LayerOptions,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import { checkStates, RecurrentLayer, shapesOf } from './recurrent.ts'

/** How the two directions' outputs are joined; 'none', or Keras's null, keeps both. */
export type MergeMode = 'concat' | 'sum' | 'mul' | 'ave' | 'none' | null

const mergeModes = ['concat', 'sum', 'mul', 'ave', 'none']

export interface BidirectionalOptions extends LayerOptions {
  /** Default 'concat'. */
  mergeMode?: MergeMode
  /**
   * The layer that reads from the end, any recurrent one with `goBackwards: true` and the other's
   * `returnSequences` and `returnState`; by default one like the other.
   */
  backwardLayer?: RecurrentLayer
}

/** What `apply` returns with `returnState: true`. */
export interface BidirectionalOutputs {
  readonly output: SymbolicTensor
  /** The forward layer's final states, then the backward layer's. */
  readonly states: readonly SymbolicTensor[]
}

/** What `apply` returns with `mergeMode: 'none'`. */
export interface DirectionOutputs {
  readonly forward: SymbolicTensor
  readonly backward: SymbolicTensor
}

/** What `apply` returns, by `returnState` and whether the outputs stay apart. */
export type BidirectionalResult<State, Apart> = Apart extends true
  ? State extends true
    ? DirectionOutputs & Pick<BidirectionalOutputs, 'states'>
    : DirectionOutputs
  : State extends true
    ? BidirectionalOutputs
    : SymbolicTensor

/** The layer behind `bidirectional`. */
export class Bidirectional<
  State extends boolean = boolean,
  Apart extends boolean = boolean,
> extends Layer {
  readonly kind = 'bidirectional'
  readonly forward: RecurrentLayer
  readonly backward: RecurrentLayer
  readonly mergeMode: NonNullable<MergeMode>
  readonly #separate: boolean

  constructor(layer: RecurrentLayer, options: BidirectionalOptions) {
    super({ ...options, inputShape: options.inputShape ?? layer.inputShape ?? undefined })
    this.forward = layer.copy({ ...layer.rules, name: 'forward' })
    const { backwardLayer = layer } = options
    this.backward = backwardLayer.copy({ ...backwardLayer.rules, name: 'backward' })
    this.#separate = backwardLayer !== layer
    const { mergeMode = 'concat' } = options
    this.mergeMode = mergeMode ?? 'none'
    if (!mergeModes.includes(this.mergeMode)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `bidirectional 'mergeMode': unknown mode ${show(this.mergeMode)}`,
        suggest(String(this.mergeMode), mergeModes),
      )
    }
  }

  override get children() {
    return [
      { role: 'forward', layer: this.forward },
      { role: 'backward', layer: this.backward },
    ]
  }

  override get wholeSequence() {
    return 'it also reads the sequence from its end'
  }

  options() {
    return {
      layer: this.forward.config,
      ...(this.#separate && { backwardLayer: this.backward.config }),
      mergeMode: this.mergeMode,
    }
  }

  override build(inputs: readonly Shape[]): void {
    inside(this, () => {
      this.forward.build(inputs.slice(0, 1))
      this.backward.build(inputs.slice(0, 1))
    })
    super.build(inputs)
  }

  outputShapes([x, ...initial]: readonly Shape[]): Shape[] {
    const both = [this.forward, this.backward]
    const shapes = inside(this, () => both.map((layer) => layer.outputShapes([x])))
    const [[one, ...states], [other, ...otherStates]] = shapes
    checkStates(this, initial, this.#stateShapes(x))
    const [width, otherWidth] = [one, other].map((shape) => shape[shape.length - 1]!)
    const { mergeMode } = this
    if (width !== otherWidth && mergeMode !== 'concat' && mergeMode !== 'none') {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: mergeMode '${mergeMode}' expected outputs of one width, ` +
          `got ${width} and ${otherWidth}`,
        "mergeMode: 'concat' joins outputs of any widths",
      )
    }
    const merged = [...one.slice(0, -1), mergeMode === 'concat' ? width + otherWidth : width]
    return [...(mergeMode === 'none' ? [one, other] : [merged]), ...states, ...otherStates]
  }

  /** The forward layer's states, then the backward layer's. */
  #stateShapes(x: Shape): Shape[] {
    return [...this.forward.stateShapes(x), ...this.backward.stateShapes(x)]
  }

  /**
   * Joins the layer to a sequence [B,T,I] and, if given, initial states: the forward layer's, then the
   * backward layer's. The result is the output; with `returnState: true` in the layer inside
   * `{ output, states }`; with `mergeMode: 'none'` there are `forward` and `backward` for the output.
   */
  apply(
    x: SymbolicTensor,
    { initialState = [] }: { initialState?: readonly SymbolicTensor[] } = {},
  ): BidirectionalResult<State, Apart> {
    const results = connect(this, [x, ...initialState])
    const apart = this.mergeMode === 'none'
    const [output, backward] = results
    const outputs = apart ? { forward: output, backward } : { output }
    const states = results.slice(apart ? 2 : 1)
    const all = this.forward.returnState ? { ...outputs, states } : apart ? outputs : output
    return all as BidirectionalResult<State, Apart>
  }

  call(ctx: Context, [x, ...initial]: readonly Tensor[]): Tensor[] {
    checkStates(this, shapesOf(initial), this.#stateShapes(x.shape))
    const half = initial.length === 0 ? 0 : this.forward.stateSizes.length
    // As Keras: masked steps of a bidirectional sequence are zeros.
    const zeroMasked = this.forward.returnSequences
    const run = (layer: RecurrentLayer, before: readonly Tensor[], reverse: boolean) => {
      const { output, states } = ctx.seeded(layer, () =>
        layer.output(ctx, x, before, { reverse, zeroMasked }),
      )
      layer.regularize(ctx, layer.returnState ? [output, ...states] : [output])
      return { output, states }
    }
    const forward = run(this.forward, initial.slice(0, half), false)
    const backward = run(this.backward, initial.slice(half), true)
    const outputs = this.#merge(ctx, [forward.output, backward.output])
    for (const output of outputs) output.mask = forward.output.mask
    return this.forward.returnState ? [...outputs, ...forward.states, ...backward.states] : outputs
  }

  #merge(ctx: Context, both: Tensor[]): Tensor[] {
    switch (this.mergeMode) {
      case 'concat':
        return [concatenate(ctx, both)]
      case 'sum':
        return [weightedSum(ctx, both, [1, 1])]
      case 'ave':
        return [weightedSum(ctx, both, [0.5, 0.5])]
      case 'mul':
        return [multiply(ctx, both[0], both[1])]
      case 'none':
        return both
    }
  }
}

/**
 * Runs copies of a recurrent layer over the sequence in both directions (Schuster & Paliwal 1997)
 * and joins their outputs. Weights: the forward layer's, then the backward layer's. Keras's
 * `Bidirectional`.
 */
export function bidirectional<State extends boolean, const Mode extends MergeMode = 'concat'>(
  layer: RecurrentLayer<State>,
  options: BidirectionalOptions & { mergeMode?: Mode } = {},
): Bidirectional<State, Mode extends 'none' | null ? true : false> {
  if (!(layer instanceof RecurrentLayer)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `bidirectional: expected a recurrent layer such as lstm({ units: 64 }), got ${show(layer)}`,
    )
  }
  if (layer.goBackwards) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'bidirectional: expected a layer without goBackwards',
      'it reads the sequence in both directions anyway',
    )
  }
  const given = layerOptions('bidirectional', options, ['mergeMode', 'backwardLayer'])
  checkBackward(layer, given.backwardLayer)
  return new Bidirectional(layer, given)
}

/** Keras's conditions. */
function checkBackward(forward: RecurrentLayer, backward: unknown): void {
  if (backward === undefined) return
  const problem = () => {
    if (!(backward instanceof RecurrentLayer)) {
      return `a recurrent layer such as lstm({ units: 64, goBackwards: true }), got ${show(backward)}`
    }
    if (!backward.goBackwards) return 'a layer with goBackwards: true'
    const shared = ['returnSequences', 'returnState', 'stateful'] as const
    const other = shared.find((option) => backward[option] !== forward[option])
    return other && `${other}: ${forward[other]}, as the other layer has it`
  }
  const expected = problem()
  if (expected) {
    throw new RefrainError('BAD_ARGUMENT', `bidirectional 'backwardLayer': expected ${expected}`)
  }
}
