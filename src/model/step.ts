/**
 * One step of a stream at a time. The graph runs once for a batch of one-step sequences while every
 * kernel call is noted down; after that a step is those calls, with their arguments, again. The
 * states of recurrent layers lie in ordinary arrays, which are copied in before and out after.
 */
import { RefrainError, show } from '../errors.ts'
import type { Backend, Kernels } from '../kernels/kernels.ts'
import { RecurrentLayer } from '../layers/recurrent.ts'
import { Arena } from '../tensor/arena.ts'
import { Context, type StateSlot } from '../tensor/context.ts'
import type { ParameterSet } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, sizeOf } from '../util/check.ts'
import { type Graph, runGraph } from './graph.ts'

type Numbers = Float32Array | Float64Array

/** Batch sizes whose traces are kept, those used last. */
const keptTraces = 4

/** What a stream remembers, as JSON. */
export interface SavedState {
  readonly batch: number
  /** By layer and state, such as 'lstm/h': [B,U], flat. */
  readonly states: Readonly<Record<string, readonly number[]>>
}

/** What `step` returns. */
export interface StepResult {
  /** [B,…] flat: the state's own array, overwritten by the next step with that state. */
  readonly y: Numbers
  /** The state that was given, now after this step. */
  readonly state: StreamState
}

/**
 * What a stream, or B of them side by side, remembers: ordinary arrays, bound to no backend. `step`
 * changes it in place; `clone` it to go on in two ways.
 */
export class StreamState {
  readonly batch: number
  /** Which model's: the states' names, such as 'lstm/h', and widths. */
  readonly layout: readonly StateSlot[]
  /** In the order of `layout`. */
  readonly values: readonly Numbers[]
  /** What every step with this state returns. */
  readonly result: StepResult

  constructor(layout: readonly StateSlot[], values: readonly Numbers[], batch: number, y: Numbers) {
    this.layout = layout
    this.values = values
    this.batch = batch
    this.result = { y, state: this }
  }

  /** A copy that goes its own way. */
  clone(): StreamState {
    const values = this.values.map((array) => array.slice())
    return new StreamState(this.layout, values, this.batch, this.result.y.slice())
  }

  /** For `JSON.stringify` and `model.restoreState`: no digit is lost. */
  toJSON(): SavedState {
    const entries = this.layout.map(({ name }, i) => [name, Array.from(this.values[i])])
    return { batch: this.batch, states: Object.fromEntries(entries) }
  }
}

/** A context that notes down what a step does, and where its states come from and go to. */
class TracingContext extends Context {
  readonly work: (() => void)[]
  readonly layout: StateSlot[] = []
  readonly before: Tensor[] = []
  readonly after: Tensor[] = []

  constructor(backend: Backend, arena: Arena) {
    const work: (() => void)[] = []
    super(backend, arena, { kernels: noting(backend.kernels, work) })
    this.work = work
  }

  override perform(work: () => void): void {
    work()
    this.work.push(work)
  }

  override get streaming(): boolean {
    return true
  }

  override carry(
    layer: { name: string },
    slots: readonly StateSlot[],
    rows: number,
    run: (before: Tensor[]) => Tensor[],
  ): Tensor[] {
    const taken = (prefix: string) => this.layout.some((slot) => slot.name.startsWith(`${prefix}/`))
    let prefix = layer.name
    // A layer that is called twice has two states.
    for (let call = 2; taken(prefix); call++) prefix = `${layer.name} ${call}`
    const before = slots.map((slot) => {
      const { name, width } = slot
      this.layout.push({ ...slot, name: `${prefix}/${name}` })
      const tensor = this.empty([rows, width])
      tensor.values.fill(0)
      return tensor
    })
    const after = run(before)
    this.before.push(...before)
    this.after.push(...after)
    return after
  }
}

/** The kernels, with a note of every call that writes something. */
function noting(kernels: Kernels, work: (() => void)[]): Kernels {
  const get = (_: object, name: string) => {
    const kernel = kernels[name as keyof Kernels] as (...args: unknown[]) => unknown
    return (...args: unknown[]) => {
      const result = kernel(...args)
      if (result === undefined) work.push(() => kernel(...args))
      return result
    }
  }
  return new Proxy({}, { get }) as Kernels
}

/** The trace of a step for one batch size. */
class Trace {
  readonly input: Tensor
  readonly output: Tensor
  readonly context: TracingContext
  /** The input's view and the weights' version while it was made. */
  readonly #view: unknown
  readonly #version: number

  constructor(graph: Graph, backend: Backend, arena: Arena, batch: number, version: number) {
    const [{ shape, dtype }] = graph.inputs
    arena.reset()
    this.#version = version
    this.context = new TracingContext(backend, arena)
    this.input = this.context.empty([batch, 1, ...(shape.slice(2) as number[])], dtype)
    const view = dtype === 'float' ? this.input.values : this.input.ints
    view.fill(0)
    this.#view = view
    this.output = runGraph(graph, this.context, [this.input])[0]
  }

  /** Whether the arguments still are where they were: no memory moved and no weight changed. */
  holds(version: number): boolean {
    const { input } = this
    const view = input.dtype === 'float' ? input.values : input.ints
    return view === this.#view && version === this.#version
  }
}

/** What steps need of a model. */
interface Steppable {
  readonly name: string
  readonly backend: Backend
  readonly graph: Graph | null
  readonly parameters: ParameterSet
}

/** Takes a model's steps. */
export class Stepper {
  readonly #model: Steppable
  /** By batch size, the one used last at the end. */
  readonly #traces = new Map<number, { arena: Arena; trace: Trace }>()
  #lastBatch = 0

  constructor(model: Steppable) {
    this.#model = model
    // Throws NOT_BUILT where there is no graph either.
    model.parameters.bringHome()
    checkGraph(model)
  }

  /** Bytes of the memory of the batch sizes used last. */
  get arenaBytes(): number {
    let bytes = 0
    for (const { arena } of this.#traces.values()) bytes += arena.bytes
    return bytes
  }

  initialState(batch: number): StreamState {
    const { context, output } = this.#trace(checkInteger("initialState 'batch'", batch))
    const Kind = output.values instanceof Float64Array ? Float64Array : Float32Array
    const values = context.layout.map(({ width, start }) => {
      const value = new Kind(batch * width)
      if (start) for (let row = 0; row < batch; row++) value.set(start(), row * width)
      return value
    })
    return new StreamState(context.layout, values, batch, new Kind(output.size))
  }

  restoreState(saved: SavedState): StreamState {
    const state = this.initialState(saved?.batch)
    const names = state.layout.map(({ name }) => name)
    state.layout.forEach(({ name }, i) => {
      const given = saved.states?.[name]
      const into = state.values[i]
      if (!Array.isArray(given) || given.length !== into.length) {
        throw new RefrainError(
          'BAD_DATA',
          `restoreState: expected ${into.length} numbers of '${name}', got ${show(given)}`,
          `the model's states are ${names.join(', ')}`,
        )
      }
      // `set` alone would make 0 of null.
      into.set(given.map((value) => (typeof value === 'number' ? value : Number.NaN)))
      const at = into.findIndex((value) => !Number.isFinite(value))
      if (at >= 0) {
        throw new RefrainError(
          'NOT_FINITE',
          `restoreState: expected finite numbers of '${name}', got ${show(given[at])} at position ${at}`,
          'JSON writes NaN and Infinity as null',
        )
      }
    })
    return state
  }

  step(x: ArrayLike<number>, state: StreamState): StepResult {
    if (!(state instanceof StreamState)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.#model.name}.step 'state': expected a state, got ${show(state)}`,
        'start with model.initialState(), or go on from JSON with model.restoreState(json)',
      )
    }
    const { input, output, context } = this.#trace(state.batch)
    const { layout, before, after, work } = context
    if (!sameLayout(layout, state.layout) || output.size !== state.result.y.length) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.#model.name}.step 'state': the state is another model's`,
        'start with model.initialState()',
      )
    }
    if (input.dtype === 'float') putFloats(input, x)
    else putIds(input, x)
    for (let i = 0; i < before.length; i++) before[i].values.set(state.values[i])
    for (let i = 0; i < work.length; i++) work[i]()
    for (let i = 0; i < after.length; i++) state.values[i].set(after[i].values)
    state.result.y.set(output.values)
    return state.result
  }

  #trace(batch: number): Trace {
    const { graph, backend, parameters } = this.#model
    parameters.bringHome()
    let version = 0
    for (const parameter of parameters.parameters) version += parameter.version
    let found = this.#traces.get(batch)
    // The first trace may have made the heap grow and so moved its own arguments.
    while (!found?.trace.holds(version)) {
      const arena: Arena = found?.arena ?? new Arena(backend.heap)
      found = { arena, trace: new Trace(graph!, backend, arena, batch, version) }
      this.#traces.set(batch, found)
    }
    if (batch !== this.#lastBatch) this.#keepLast(batch, found)
    return found.trace
  }

  /** Puts the batch size in use at the end, and gives up the one that was not used for longest. */
  #keepLast(batch: number, found: { arena: Arena; trace: Trace }): void {
    this.#lastBatch = batch
    this.#traces.delete(batch)
    this.#traces.set(batch, found)
    if (this.#traces.size <= keptTraces) return
    const [oldest, { arena }] = this.#traces.entries().next().value!
    arena.release()
    this.#traces.delete(oldest)
  }
}

function sameLayout(a: readonly StateSlot[], b: readonly StateSlot[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  return a.every(({ name, width }, i) => name === b[i].name && width === b[i].width)
}

/** Fails, naming the layer, if the model cannot run a step at a time. */
function checkGraph({ name, graph }: Steppable): void {
  const fail = (what: string, hint = '') => {
    throw new RefrainError('UNSUPPORTED', `${name}.step: ${what}`, hint)
  }
  const { inputs, outputs, calls } = graph!
  if (inputs.length > 1 || outputs.length > 1) {
    fail(`expected a model of one input and one output, got ${inputs.length} and ${outputs.length}`)
  }
  const [{ shape, dtype }] = inputs
  const features = shape.slice(2)
  if (shape.length < (dtype === 'float' ? 3 : 2) || features.includes(null)) {
    fail(`expected a model of sequences, got an input of shape ${show([...shape])}`)
  }
  for (const { layer, inputs: given } of calls) {
    const starts = given.length > 1 && layer instanceof RecurrentLayer
    const reason = starts ? 'it takes initial states' : layer.wholeSequence
    if (reason) {
      fail(`the layer '${layer.name}' cannot run step by step: ${reason}`, 'use predict')
    }
  }
}

function checkLength({ shape, size }: Tensor, x: ArrayLike<number>): void {
  if (x?.length === size) return
  const width = sizeOf(shape.slice(1))
  throw new RefrainError(
    'BAD_SHAPE',
    `step 'x': expected ${shape[0]} × ${width} numbers in one flat array, got ${show(x?.length ?? x)}`,
    'the state says how many rows: model.initialState(rows)',
  )
}

function putFloats(input: Tensor, x: ArrayLike<number>): void {
  checkLength(input, x)
  const { values } = input
  values.set(x)
  if (allFinite(values)) return
  const at = values.findIndex((value) => !Number.isFinite(value))
  throw new RefrainError(
    'NOT_FINITE',
    `step 'x': expected finite numbers, got ${show(x[at])} at position ${at}`,
  )
}

function putIds(input: Tensor, x: ArrayLike<number>): void {
  checkLength(input, x)
  const { ints } = input
  ints.set(x)
  for (let i = 0; i < ints.length; i++) {
    if (ints[i] === x[i]) continue
    throw new RefrainError(
      'BAD_DATA',
      `step 'x': expected whole numbers, got ${show(x[i])} at position ${i}`,
    )
  }
}

function allFinite(values: Numbers): boolean {
  let sum = 0
  // 0 for finite numbers, NaN otherwise.
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i]
  return sum === 0
}
