/** Models: layers in a graph, with memory, an optimizer and data: fit, evaluate, predict, save. */
import { type ArrayData, type Column, toColumn } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import { defaultBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { checkInputShape } from '../layers/input.ts'
import { connect, type Layer, type Shape, type SymbolicTensor } from '../layers/layer.ts'
import { Arena } from '../tensor/arena.ts'
import type { Context } from '../tensor/context.ts'
import { type Parameter, ParameterSet } from '../tensor/parameter.ts'
import { Random } from '../tensor/random.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { type GivenWeight, type NamedWeight, readWeights, writeWeights } from '../tensor/weights.ts'
import type { Logs } from '../train/callbacks.ts'
import type { History } from '../train/plan.ts'
import { checkInteger, checkOptions, suggest } from '../util/check.ts'
import { writeModelFile } from './file.ts'
import { type Graph, runGraph } from './graph.ts'
import { checkNesting, nameLayers } from './names.ts'
import { Nested } from './nested.ts'
import { type ModelData, valueNames } from './outputs.ts'
import { predictRows } from './predict.ts'
import { inputColumns } from './prepare.ts'
import { LayerStates } from './states.ts'
import { type SavedState, Stepper, type StepResult, type StreamState } from './step.ts'
import { type SummaryOptions, summarize } from './summary.ts'
import type { Trace } from './trace.ts'
import { tracerFor } from './tracer.ts'
import {
  type BatchSource,
  type CompileOptions,
  type EvaluateOptions,
  type FitBatchesOptions,
  type FitOptions,
  Training,
  type TrainingRecord,
} from './training.ts'

/** Options that every model takes. */
export interface ModelOptions {
  /** Default 'model' or 'sequential'. */
  name?: string
  /** Decides the initial weights, dropout and shuffling. Default 0. */
  seed?: number
  /** Where to compute; default: the fastest backend that runs here. */
  backend?: Backend
}

/** What `save` may write beside the weights. */
export interface SaveOptions {
  /** Vocabularies, labels, scalers: anything JSON that turns raw data into the model's input. */
  encoders?: unknown
  /** Further facts for the training record. */
  training?: Record<string, unknown>
  /**
   * What weights are written as: 'float16' halves the file, each weight rounded to 11 bits; 'int8' makes it a quarter,
   * each weight of a matrix rounded to one of 255 multiples of its column's scale (docs/interchange.md says what that
   * costs). They are read back into float32. Default: as they are, float32 or, on a reference backend of
   * float64, float64.
   */
  dtype?: 'float16' | 'int8'
  /**
   * Of `.keras`, `.h5` and `model.json`: rows of each batch, which these formats need to know of stateful layers.
   * Default: any number.
   */
  batchSize?: number
}

/**
 * The base of sequential and functional models.
 *
 * @typeParam Output what `predict` gives: an array for a model of several outputs
 */
export abstract class Model<Output extends Tensor | Tensor[] = Tensor> {
  readonly name: string
  readonly seed: number
  /** What turns raw data into the model's input: any JSON. Stands in the model's files. */
  encoders: unknown = null
  #backend: Backend | undefined
  #parameters: ParameterSet | null = null
  /** What stateful layers keep from batch to batch. */
  readonly states = new LayerStates(() => this.layers)
  readonly #training = new Training(this)
  #arena: Arena | null = null
  #stepper: Stepper | null = null
  #nested: Nested | null = null
  /** Which function makes it. */
  readonly kind: 'model' | 'sequential'
  readonly #options: ModelOptions

  constructor(kind: 'model' | 'sequential', options: ModelOptions) {
    this.kind = kind
    this.#options = options
    checkOptions(kind, options, ['name', 'seed', 'backend'])
    this.name = options.name ?? kind
    this.seed = options.seed === undefined ? 0 : checkInteger(`${kind} 'seed'`, options.seed, 0)
    this.#backend = options.backend
  }

  /** The graph, made when the input shape becomes known; null before. */
  abstract graph: Graph | null
  /** Makes the graph for an input shape, the batch included. */
  abstract makeGraph(inputShape: Shape): void
  /** The architecture as it stands in files. */
  abstract get architecture(): Record<string, unknown>
  /** The layers, in order. */
  abstract get layers(): readonly Layer[]

  /** Where the model computes; the backend in use when it is first needed, from then on. */
  get backend(): Backend {
    this.#backend ??= defaultBackend()
    return this.#backend
  }

  get built(): boolean {
    return this.#parameters !== null
  }

  /** The memory of all weights. Throws `NOT_BUILT` before `build`. */
  get parameters(): ParameterSet {
    if (!this.#parameters) {
      throw new RefrainError(
        'NOT_BUILT',
        `${this.name}: the model has no weights yet`,
        'call model.build([null, …]) with the input shape, or fit or predict once',
      )
    }
    return this.#parameters
  }

  /** How the model was trained last; null if it was not. */
  get trainingRecord(): TrainingRecord | null {
    return this.#training.record
  }

  /**
   * The layer that this model is inside another one, always the same: it shares its weights. Models
   * and wrappers that take layers take models, too, and call this themselves.
   */
  asLayer(): Layer {
    this.#nested ??= new Nested(this.kind, this, { name: this.#options.name })
    return this.#nested
  }

  /**
   * Joins the model to values of another graph, as a layer, weights shared: a value for each input
   * gives a value for each output.
   */
  apply(
    inputs: SymbolicTensor | readonly SymbolicTensor[],
  ): Output extends Tensor[] ? SymbolicTensor[] : SymbolicTensor {
    const outputs = connect(this.asLayer(), [inputs].flat() as SymbolicTensor[])
    return (outputs.length === 1 ? outputs[0] : outputs) as never
  }

  /** The optimizer, losses and metrics; null before `compile`. */
  get compiled() {
    return this.#training.compiled
  }

  /** Names of the inputs, by which `fit` takes their data. */
  get inputNames(): string[] {
    return this.graph ? valueNames(this.graph.inputs) : ['input']
  }

  /**
   * Names of the outputs: those of the layers that make them, the second of a layer with a number.
   * `compile` and `fit` take losses and targets by them, and a history's names begin with them where
   * there are several.
   */
  get outputNames(): string[] {
    nameLayers(this.layers)
    return this.graph ? valueNames(this.graph.outputs) : [this.layers.at(-1)!.name]
  }

  /** The layer of that name; throws `UNKNOWN_OPTION` naming the nearest. */
  getLayer(name: string): Layer {
    nameLayers(this.layers)
    const found = this.layers.find((layer) => layer.name === name)
    if (!found) {
      const names = this.layers.map((layer) => layer.name)
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `${this.name}: no layer named ${show(name)}`,
        suggest(String(name), names),
      )
    }
    return found
  }

  /**
   * Makes and initialises the weights; those of layers that another model has built stay.
   *
   * @param inputShape with the batch: [null, T, I]; needed if no layer has `inputShape`
   */
  build(inputShape?: Shape): this {
    if (inputShape && this.graph) {
      const [{ shape }] = this.graph.inputs
      if (shape.join() !== inputShape.join())
        throw shapeError(`${this.name}.build`, shape, inputShape)
    }
    if (this.#parameters) return this
    if (!this.graph) {
      if (!inputShape) {
        throw new RefrainError(
          'NOT_BUILT',
          `${this.name}.build: expected the input shape with the batch, such as [null, 20, 8]`,
          'or give the first layer inputShape: [20, 8]',
        )
      }
      checkInputShape(`${this.name}.build 'inputShape'`, inputShape)
      this.makeGraph(inputShape)
    }
    const { backend } = this
    const parameters = this.#declare()
    const fresh = parameters.filter((parameter) => !parameter.hasValue)
    const set = new ParameterSet(backend, parameters)
    for (const parameter of fresh) {
      const random = new Random(this.seed, `init ${parameter.path}`)
      // Filled outside the heap, which an initializer's own allocations may move.
      const filled = parameter.value.values.slice()
      parameter.initializer.fill(filled, parameter.shape, random, backend)
      parameter.value.values.set(filled)
    }
    this.#parameters = set
    return this
  }

  /**
   * Builds a model whose graph is known with given weights. `find` is asked for all of them before
   * any memory is taken, and throws where there is none. What it gives may be a function, called when the numbers
   * before are in their place, as they may be copies of parts of a file: with the place of its own, which it may fill.
   */
  buildWith(
    find: (
      parameter: Parameter,
    ) => ArrayLike<number> | ((into: Float32Array | Float64Array) => ArrayLike<number>),
  ): this {
    const parameters = this.#declare()
    const found = parameters.map(find)
    this.#parameters = new ParameterSet(this.backend, parameters)
    parameters.forEach(({ value }, i) => {
      const numbers = found[i]
      value.values.set(typeof numbers === 'function' ? numbers(value.values) : numbers)
    })
    return this
  }

  /** The layers' parameters, by the paths that they have in this model. */
  #declare(): Parameter[] {
    const { layers } = this
    checkNesting(layers)
    nameLayers(layers)
    for (const layer of layers) layer.nameParameters(layer.name)
    return layers.flatMap((layer) => layer.parameters)
  }

  /**
   * Copies of all weights, as the layers have them in their order, by path: 'lstm/kernel'. Throws
   * `NOT_BUILT` where the input shape is not known yet.
   */
  getWeights(): NamedWeight[] {
    return readWeights(this.build().#declare(), 'path')
  }

  /**
   * Replaces all weights, as those of a layer: what `getWeights` of a model of the same architecture
   * gave, here or elsewhere. Throws `BAD_SHAPE` if number or lengths differ, and then changes nothing.
   */
  setWeights(weights: readonly GivenWeight[]): void {
    writeWeights(`${this.name}.setWeights`, this.build().#declare(), 'path', weights)
  }

  /** Sets optimizer, loss and metrics; the optimizer starts afresh. */
  compile(options: CompileOptions): void {
    this.#training.compile(options)
    if (this.#parameters) this.#partition(this.#parameters)
  }

  /** Puts trainable weights first again, after a layer's `trainable` has changed. */
  #partition(before: ParameterSet): void {
    const parameters = this.#declare()
    const trained = new Set(before.trainable.map(({ parameter }) => parameter))
    if (parameters.every((parameter) => parameter.trainable === trained.has(parameter))) return
    this.#parameters = new ParameterSet(this.backend, parameters)
    this.#parameters.claim()
  }

  /**
   * Names layers and weights as this model does, which a model that shares some of them may have
   * changed since.
   */
  rename(): void {
    this.#declare()
  }

  /**
   * A table of layers, output shapes and parameters, as Keras prints it, as a string:
   * `console.log(model.summary())`.
   */
  summary(options: SummaryOptions = {}): string {
    this.build().rename()
    return summarize(this.name, this.kind, this.graph!, options)
  }

  /**
   * Trains on batches that a generator makes, where data does not fit into memory or is made up on the
   * way. Each is `{ x, y }` or `[x, y]`, with `sampleWeight` if any, and one step of the optimizer:
   *
   *     await model.fit(async function* () {
   *       for await (const rows of readRows('large.csv', 32)) yield { x: …, y: … }
   *     }, { epochs: 5 })
   *
   * An epoch ends with the generator, or after `stepsPerEpoch` batches. The function is called when
   * there are no more, with how often it was before; a generator itself will do for one round. It is
   * closed at the end. A resumed run reads the batches before its step again. Throws `BAD_DATA` if there
   * are none, and what data in memory is refused for, naming the batch.
   */
  fit(batches: BatchSource, options?: FitBatchesOptions): Promise<History>
  /**
   * Trains the model. Losses and metrics of every epoch are in the result; with validation data also
   * `valLoss` and so on. Several inputs or outputs take their data as a list in their order or as an
   * object by name; of several outputs 'loss' is the sum of their losses by `lossWeights`, and each has
   * numbers of its own, as Keras names them: 'tags_loss', 'tags_accuracy', 'val_tags_loss'. Throws `BAD_DATA`, `BAD_SHAPE` or `NOT_FINITE` before the first step if the
   * data cannot be used; class numbers of sequences in which steps may be masked are checked with
   * each batch. Throws `BAD_ARGUMENT` while another `fit` of this model runs. Float32Arrays in `x`,
   * the validation data's too, are read in place: they must not change before the promise resolves.
   */
  fit(x: ModelData, y: ModelData, options?: FitOptions): Promise<History>
  async fit(
    x: ModelData | BatchSource,
    y?: ModelData | FitBatchesOptions,
    options?: FitOptions,
  ): Promise<History> {
    return this.#training.fit(x, y, options)
  }

  /**
   * Loss and metrics on data; `batchSize` 32 by default. Float32Arrays in `x` are read in place:
   * they must not change before the promise resolves.
   */
  async evaluate(x: ModelData, y: ModelData, options: EvaluateOptions = {}): Promise<Logs> {
    return this.#training.evaluate(x, y, options)
  }

  /**
   * The model's output for each row, [N,…]; for ragged sequences of outputs, padded with zeros to
   * the longest. A model with several outputs gives an array of tensors. `batchSize` 128 by default.
   * A Float32Array in `x` may be read in place: it must not change before the promise resolves.
   * `data()` of a prediction is its own memory, not a copy: `slice()` what you change.
   */
  async predict(x: ModelData, options: { batchSize?: number } = {}): Promise<Output> {
    checkOptions('predict', options, ['batchSize'])
    const batchSize = checkInteger("predict 'batchSize'", options.batchSize ?? 128)
    const inputs = this.columns('predict', x)
    this.parameters.bringHome()
    this.#arena ??= new Arena(this.backend.heap)
    const { graph, backend, states } = this
    const { stateful } = states
    const tensors = await predictRows(graph!, backend, this.#arena, inputs, batchSize, stateful)
    return (tensors.length === 1 ? tensors[0] : tensors) as Output
  }

  /** Lets stateful layers start from zeros with the next batch. */
  resetStates(): void {
    this.states.reset()
  }

  /**
   * The state in which `batch` streams begin (default 1), side by side as the rows of a batch. The
   * model keeps a step's memory for the four batch sizes used last; another is traced anew.
   * Throws `NOT_BUILT` before the model has weights, `UNSUPPORTED` as `step` does.
   */
  initialState(batch = 1): StreamState {
    return this.#steps().initialState(batch)
  }

  /** The state that `JSON.stringify(state)` wrote, here or elsewhere. */
  restoreState(saved: SavedState): StreamState {
    return this.#steps().restoreState(saved)
  }

  /**
   * Takes one step of a stream, at once:
   *
   *     let state = model.initialState()
   *     for (const x of stream) {
   *       const { y } = model.step(x, state)
   *     }
   *
   * `y` is what `predict` gives for the sequence so far: its last step with `returnSequences`, else
   * the output. Both `y` and `state` are the state's own: the next step with this state overwrites
   * them, so `y.slice()` keeps a result and `state.clone()` makes a fork. After the first step
   * nothing that grows is allocated.
   *
   * @param x [B,I] flat, or one id for each row; B as in the state
   * @param state default: a new one, for one row
   *
   * Throws `UNSUPPORTED` naming the layer that needs the whole sequence, `BAD_SHAPE` for another
   * number of elements, `NOT_FINITE` and `BAD_DATA` for elements that do not fit; the state then
   * stays as it was.
   */
  step(x: ArrayLike<number>, state: StreamState = this.initialState()): StepResult {
    return this.#steps().step(x, state)
  }

  /**
   * What the recurrent layers do on some rows: every gate, state and, with targets, the gradient's norm
   * at every time step; see the function {@link trace}. In a page it takes an import of that function,
   * else it throws `UNSUPPORTED`.
   */
  async trace(
    x: ModelData,
    y?: ModelData,
    options: { sampleWeight?: ModelData } = {},
  ): Promise<Trace> {
    return tracerFor('model.trace').trace(this, x, y, options)
  }

  #steps(): Stepper {
    this.#stepper ??= new Stepper(this)
    return this.#stepper
  }

  /**
   * Writes architecture, weights, encoders and training record to a `.refrain` file, beside the
   * target and then renamed into place. Throws `BAD_ARGUMENT` for a weight too large for its `dtype`.
   */
  async save(path: string, extras: SaveOptions = {}): Promise<void> {
    checkOptions('save', extras, ['encoders', 'training', 'dtype', 'batchSize'])
    await writeModelFile(path, this.build(), extras, null)
  }

  /** Runs the graph on tensors; for trainers and tools. */
  forward(ctx: Context, inputs: readonly Tensor[]): Tensor {
    return this.run(ctx, inputs)[0]
  }

  /** As `forward`: one tensor for each output. */
  run(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    this.parameters.bringHome()
    return runGraph(this.graph!, ctx, inputs)
  }

  /** Puts a training record read from a file in place. */
  restoreRecord(record: TrainingRecord | null): void {
    this.#training.record = record
  }

  /** Bytes of memory that steps use, beside weights and optimizer state. */
  get arenaBytes(): number {
    return this.#training.arenaBytes + (this.#arena?.bytes ?? 0) + (this.#stepper?.arenaBytes ?? 0)
  }

  /** The inputs as columns that fit the graph, which is made from them if there is none. */
  columns(where: string, x: ModelData): Column[] {
    if (!this.graph) {
      const dtype = this.layers[0]?.inputType ?? 'float'
      this.#makeGraphFrom(toColumn(`${where} 'x'`, x as ArrayData, dtype, this.backend))
    }
    const columns = inputColumns(where, x, this.graph!.inputs, this.backend)
    this.build()
    return columns
  }

  /** With the lengths of sequences left open, unless a layer such as flatten needs them. */
  #makeGraphFrom({ shape, dtype }: Column): void {
    const sequence = shape.length > (dtype === 'int32' ? 0 : 1)
    if (!sequence) {
      this.makeGraph([null, ...shape])
      return
    }
    try {
      this.makeGraph([null, null, ...shape.slice(1)])
    } catch (error) {
      if (!(error instanceof RefrainError) || shape[0] === null) throw error
      this.makeGraph([null, ...shape])
    }
  }
}
