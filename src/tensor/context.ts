import type { Backend, Kernels } from '../kernels/kernels.ts'
import type { Arena } from './arena.ts'
import type { Mask } from './mask.ts'
import { hash32 } from './random.ts'
import type { DType, Tensor } from './tensor.ts'

/** The random numbers of one training step: a seed, and a counter that is the step's number. */
export interface StepRandom {
  readonly seed: number
  readonly step: number
}

/** One state of a layer: a name, different from the layer's others, and its width. */
export interface StateSlot {
  readonly name: string
  readonly width: number
  /** What a stream starts from, [width]; zeros without it. */
  readonly start?: () => ArrayLike<number>
}

/** One step of a recurrent layer. */
export interface RecurrentStep {
  /** After the step, [B,U] each. */
  readonly states: readonly Tensor[]
  /** [B,U] by name, in the order in which they are computed. */
  readonly gates: Readonly<Record<string, Tensor>>
  /** Of the layer's input. */
  readonly mask: Mask | null
}

/**
 * What every operation needs: the kernels, the step's memory, whether this is training, and the tape
 * that remembers how to go back. Passed as the first argument; there is no global state.
 */
export class Context {
  readonly kernels: Kernels
  readonly arena: Arena
  readonly backend: Backend
  /** Dropout acts only in training. */
  readonly training: boolean
  random: StepRandom
  /** What layers have added to the loss so far; null where nobody asks. */
  penalty: number | null
  /** Recurrent layers go on from where the last batch ended, as if all of them were stateful. */
  readonly carries: boolean
  readonly #tape: (() => void)[] | null
  readonly #afterStep: (() => void)[] = []
  /** Where steps stand as rows of a batch, for `timeDistributed`: the batch's rows, and its mask. */
  unfolded: { readonly rows: number; readonly mask: Mask | null } | null = null
  #stream = 0
  /** Above those of `nextStream`. */
  #freshStream = 2 ** 30
  /** Where the draws of those with a seed of their own stand. */
  #seeded: Map<object, [stream: number, fresh: number]> | null = null
  #room: ((shape: readonly number[]) => Tensor | null) | null = null

  constructor(
    backend: Backend,
    arena: Arena,
    options: {
      training?: boolean
      gradients?: boolean
      random?: StepRandom
      /** Collect what layers add to the loss. */
      penalties?: boolean
      carries?: boolean
      /** Instead of the backend's: kernels that do more, such as note down their calls. */
      kernels?: Kernels
    } = {},
  ) {
    this.backend = backend
    this.kernels = options.kernels ?? backend.kernels
    this.arena = arena
    this.training = options.training ?? false
    this.carries = options.carries ?? false
    this.penalty = options.penalties ? 0 : null
    this.random = options.random ?? { seed: 0, step: 0 }
    this.#tape = (options.gradients ?? this.training) ? [] : null
  }

  /** True while operations are recorded for a backward pass. */
  get recording(): boolean {
    return this.#tape !== null
  }

  /**
   * Runs `work`, a layer's or a named part of a step's. A context that measures tells their times
   * apart by this.
   */
  within<T>(_owner: object | string, work: () => T): T {
    return work()
  }

  /** Runs `work` on steps of a sequence x [B,T,…] as rows; the outermost sequence counts. */
  asRows<T>(x: { shape: readonly number[]; mask: Mask | null }, work: () => T): T {
    const before = this.unfolded
    this.unfolded ??= { rows: x.shape[0], mask: x.mask }
    try {
      return work()
    } finally {
      this.unfolded = before
    }
  }

  /** Does work on tensors' values beside the kernels; a step that is repeated does it again. */
  perform(work: () => void): void {
    work()
  }

  /** Leaves work for when the step is known to be a good one: moving statistics, say. */
  afterStep(work: () => void): void {
    this.#afterStep.push(work)
  }

  /** Does what was left, once gradients are finite and the weights have moved. */
  finishStep(): void {
    for (const work of this.#afterStep.splice(0)) work()
  }

  /** True if sequences are one step long and states come from the step before. */
  get streaming(): boolean {
    return false
  }

  /**
   * When streaming: runs a layer's step from its states, a tensor [rows,width] for each of `slots`, and
   * gives those after it, which the next step starts from.
   */
  carry(
    _layer: { name: string },
    _slots: readonly StateSlot[],
    _rows: number,
    _run: (before: Tensor[]) => Tensor[],
  ): Tensor[] {
    throw new Error('carry: not streaming')
  }

  /**
   * Looks on at recurrent layers: gets each step as soon as it is done, in the order of processing.
   * Layers then compute from tensor operations, step by step, and leave the states that they carry from
   * batch to batch as they are. Null: nobody looks on, and fused kernels run.
   */
  get onStep(): ((layer: object, t: number, step: RecurrentStep) => void) | null {
    return null
  }

  /** A number for each use of randomness within the step, so that no two share their draws. */
  nextStream(): number {
    return this.#stream++
  }

  /** As `nextStream`, and another one even where `sameDraws` repeats work. */
  nextFreshStream(): number {
    return this.#freshStream++
  }

  /** Runs `work`, whose draws follow from the owner's seed, if it has one, and the step alone. */
  seeded<T>(owner: { readonly seed: number | null }, work: () => T): T {
    const { seed } = owner
    if (seed === null) return work()
    const before = [this.random, this.#stream, this.#freshStream] as const
    this.#seeded ??= new Map()
    ;[this.#stream, this.#freshStream] = this.#seeded.get(owner) ?? [0, 2 ** 30]
    this.random = { ...this.random, seed: hash32(`layer ${seed}`) }
    try {
      return work()
    } finally {
      this.#seeded.set(owner, [this.#stream, this.#freshStream])
      ;[this.random, this.#stream, this.#freshStream] = before
    }
  }

  /** A function that does work with the same draws each time it is called. */
  sameDraws(): <T>(work: () => T) => T {
    let first: number | null = null
    return (work) => {
      const now = this.#stream
      first ??= now
      this.#stream = first
      const result = work()
      this.#stream = Math.max(now, this.#stream)
      return result
    }
  }

  /** An uninitialised tensor in the step's arena. */
  empty(shape: readonly number[], dtype: DType = 'float'): Tensor {
    return this.arena.tensor(shape, dtype)
  }

  /**
   * Offers the layer that runs next memory for its output outside the arena: `room` gives it, or null
   * for a shape that does not fit. To be used once.
   */
  offerRoom(room: ((shape: readonly number[]) => Tensor | null) | null): void {
    this.#room = room
  }

  /** The memory on offer for an output of this shape, uninitialised, or null. */
  takeRoom(shape: readonly number[]): Tensor | null {
    const room = this.#room?.(shape) ?? null
    if (room) this.#room = null
    return room
  }

  /** A tensor of zeros in the step's arena. */
  zeros(shape: readonly number[]): Tensor {
    const tensor = this.arena.tensor(shape)
    this.kernels.fill(tensor.values, 0, tensor.size)
    return tensor
  }

  /**
   * Marks `output` as computed from `inputs` and remembers `backward`, which adds to the inputs'
   * gradients. Nothing is remembered when no input needs a gradient.
   */
  record(output: Tensor, inputs: readonly (Tensor | null)[], backward: () => void): Tensor {
    if (this.#tape && inputs.some((input) => input?.tracked)) {
      output.tracked = true
      this.#tape.push(() => {
        // An output that nothing used has no gradient to pass on.
        if (this.hasGradient(output)) backward()
      })
    }
    return output
  }

  /** As `record`, for an operation with several outputs. */
  recordAll(outputs: readonly Tensor[], inputs: readonly (Tensor | null)[], backward: () => void) {
    if (this.#tape && inputs.some((input) => input?.tracked)) {
      for (const output of outputs) output.tracked = true
      this.#tape.push(() => {
        if (outputs.some((output) => this.hasGradient(output))) backward()
      })
    }
  }

  /**
   * Adds a term to the loss, where one is asked for: `term` gives the value for a tensor, and adds
   * its gradient to `gradient` if there is one.
   */
  penalize(x: Tensor, term: (gradient: Tensor | null) => number): void {
    if (this.penalty === null) return
    this.penalty += term(null)
    if (x.tracked) this.#tape?.push(() => void term(this.gradientOf(x)))
  }

  /** Whether anything has added to the gradient of `tensor`. */
  hasGradient(tensor: Tensor): boolean {
    return (tensor.base ?? tensor).gradient !== null
  }

  /** The accumulator of ∂loss/∂tensor, zeros at first. */
  gradientOf(tensor: Tensor): Tensor {
    const owner = tensor.base ?? tensor
    if (!owner.gradient) {
      owner.gradient = owner.gradientHome ?? this.empty(owner.shape)
      this.kernels.fill(owner.gradient.values, 0, owner.size)
    }
    return owner === tensor ? owner.gradient : owner.gradient.view(tensor.shape)
  }

  /**
   * Lets `write` add to the gradient of `tensor`, if one is wanted. With `add` 0 the accumulator
   * holds nothing yet: the first to come overwrites it, so nobody has to clear it.
   */
  give(tensor: Tensor | null, write: (gradient: Tensor, add: 0 | 1) => void): void {
    if (!tensor?.tracked) return
    const add = this.hasGradient(tensor) ? 1 : 0
    write(add ? this.gradientOf(tensor) : this.firstGradientOf(tensor), add)
  }

  /**
   * For an operation with several sources: the gradients that it writes, null where none is wanted, and
   * in `adds` a bit, 1 for the first, for each that it adds to.
   */
  gradientsOf(sources: readonly (Tensor | null)[]): { gradients: (Tensor | null)[]; adds: number } {
    let adds = 0
    const gradients = sources.map((source, i) => {
      let gradient: Tensor | null = null
      this.give(source, (found, add) => {
        gradient = found
        adds |= add << i
      })
      return gradient as Tensor | null
    })
    return { gradients, adds }
  }

  /**
   * The accumulator of a tensor to which nothing has been added, uninitialised: to be written; with
   * `over` in the place of the tensor's elements, which nobody may read then.
   */
  firstGradientOf(tensor: Tensor, over = false): Tensor {
    const owner = tensor.base ?? tensor
    owner.gradient = owner.gradientHome ?? (over ? owner : this.empty(owner.shape))
    return owner === tensor ? owner.gradient : owner.gradient.view(tensor.shape)
  }

  /** Runs the tape backwards from a loss whose gradient is set. */
  backward(): void {
    const tape = this.#tape ?? []
    while (tape.length > 0) tape.pop()!()
  }
}
