/** Models: layers in a graph, with memory, an optimizer and data: fit, evaluate, predict, save. */
import { type ArrayData, type Column, toColumn } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import { defaultBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { checkInputShape } from '../layers/input.ts'
import type { Layer, Shape } from '../layers/layer.ts'
import { Arena } from '../tensor/arena.ts'
import type { Context } from '../tensor/context.ts'
import { type Parameter, ParameterSet } from '../tensor/parameter.ts'
import { Random } from '../tensor/random.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import type { Callback, Logs } from '../train/callbacks.ts'
import { type LossConfig, type LossName, resolveLoss } from '../train/losses.ts'
import { checkMetric, type MetricName, resolveMetric } from '../train/metrics.ts'
import { type Optimizer, resolveOptimizer } from '../train/optimizers.ts'
import { type History, Trainer, type TrainingData } from '../train/trainer.ts'
import { checkInteger, checkNumber, checkOptions, suggest } from '../util/check.ts'
import { readCheckpoint, writeModelFile } from './file.ts'
import { type Graph, runGraph } from './graph.ts'
import { checkNesting, nameLayers } from './names.ts'
import { predictRows } from './predict.ts'
import { fitInput, severalInputs, sliceData, withClassWeights, withTargets } from './prepare.ts'
import { type SavedState, Stepper, type StepResult, type StreamState } from './step.ts'
import { summarize } from './summary.ts'

export interface ModelOptions {
  /** Default 'model' or 'sequential'. */
  name?: string
  /** Decides the initial weights, dropout and shuffling. Default 0. */
  seed?: number
  /** Where to compute; default: the fastest backend that runs here. */
  backend?: Backend
}

export interface CompileOptions {
  /** Default 'adam'. */
  optimizer?: Optimizer | Optimizer['name']
  loss: LossName | 'mse' | 'mae' | LossConfig
  /** Names such as 'accuracy'; default none. */
  metrics?: readonly string[]
}

/** Inputs and targets, and weights if any. */
export type ValidationData =
  | readonly [x: ArrayData, y: ArrayData, sampleWeight?: ArrayData]
  | { x: ArrayData; y: ArrayData; sampleWeight?: ArrayData }

export interface FitOptions {
  /** Default 1. */
  epochs?: number
  /** Default 32. */
  batchSize?: number
  /** Share of the rows, the last ones, that is kept for validation; default 0. */
  validationSplit?: number
  /** Used instead of `validationSplit`. */
  validationData?: ValidationData
  /** Default true. */
  shuffle?: boolean
  /** Of shuffling and dropout; default the model's. */
  seed?: number
  /** A factor for each class number, of the rows trained on; others have 1. */
  classWeight?: Readonly<Record<number, number>>
  /** A factor for each row, or for each row and step. */
  sampleWeight?: ArrayData
  callbacks?: readonly Callback[]
  /** A checkpoint file to go on from; same data and options as the run that wrote it. */
  resume?: string
}

const fitOptions = [
  'epochs',
  'batchSize',
  'validationSplit',
  'validationData',
  'shuffle',
  'seed',
  'classWeight',
  'sampleWeight',
  'callbacks',
  'resume',
]

/** How a model was trained, as its file tells. */
export interface TrainingRecord {
  readonly rows: number
  readonly validationRows: number
  readonly epochs: number
  readonly batchSize: number
  readonly seed: number
  readonly seconds: number
  readonly backend: string
  readonly history: History
}

/** What `save` may write beside the weights. */
export interface SaveOptions {
  /** Vocabularies, labels, scalers: anything JSON that turns raw data into the model's input. */
  encoders?: unknown
  /** Further facts for the training record. */
  training?: Record<string, unknown>
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
  #compiled: { optimizer: Optimizer; loss: LossConfig; metrics: MetricName[] } | null = null
  #trainer: Trainer | null = null
  #arena: Arena | null = null
  #record: TrainingRecord | null = null
  #fitting = false
  #stepper: Stepper | null = null

  constructor(kind: string, options: ModelOptions) {
    checkOptions(kind, options, ['name', 'seed', 'backend'])
    this.name = options.name ?? kind
    this.seed = options.seed === undefined ? 0 : checkInteger(`${kind} 'seed'`, options.seed, 0)
    this.#backend = options.backend
  }

  /** The graph, made when the input shape becomes known; null before. */
  abstract graph: Graph | null
  /** Makes the graph for an input shape, the batch included. */
  protected abstract makeGraph(inputShape: Shape): void
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
    return this.#record
  }

  /** The optimizer, loss and metrics; null before `compile`. */
  get compiled() {
    return this.#compiled
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
   * any memory is taken, and throws where there is none.
   */
  buildWith(find: (parameter: Parameter) => ArrayLike<number>): this {
    const parameters = this.#declare()
    const arrays = parameters.map(find)
    this.#parameters = new ParameterSet(this.backend, parameters)
    parameters.forEach(({ value }, i) => {
      value.values.set(arrays[i])
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

  /** Sets optimizer, loss and metrics; the optimizer starts afresh. */
  compile(options: CompileOptions): void {
    checkOptions('compile', options, ['optimizer', 'loss', 'metrics'])
    if (options.loss === undefined) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "compile 'loss': expected a loss, got none",
        "for example loss: 'binaryCrossentropy'",
      )
    }
    const loss = resolveLoss(options.loss)
    this.#compiled = {
      optimizer: resolveOptimizer(options.optimizer ?? 'adam'),
      loss,
      metrics: (options.metrics ?? []).map((name) => checkMetric(resolveMetric(name), loss)),
    }
    this.#trainer = null
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

  /** A table of layers, output shapes and parameters, as a string: `console.log(model.summary())`. */
  summary(): string {
    this.build()
    return summarize(this.name, this.graph!)
  }

  /**
   * Trains the model. Losses and metrics of every epoch are in the result; with validation data also
   * `valLoss` and so on. Throws `BAD_DATA`, `BAD_SHAPE` or `NOT_FINITE` before the first step if the
   * data cannot be used; class numbers of sequences in which steps may be masked are checked with
   * each batch. Throws `BAD_ARGUMENT` while another `fit` of this model runs. Float32Arrays in `x`
   * are read in place: they must not change before the promise resolves.
   */
  async fit(
    x: ArrayData | readonly ArrayData[],
    y: ArrayData,
    options: FitOptions = {},
  ): Promise<History> {
    if (this.#fitting) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        'fit: the model is being trained',
        'await the other fit first',
      )
    }
    this.#fitting = true
    try {
      return await this.#fit(x, y, options)
    } finally {
      this.#fitting = false
    }
  }

  async #fit(x: ArrayData | readonly ArrayData[], y: ArrayData, options: FitOptions) {
    checkOptions('fit', options, fitOptions)
    const epochs = checkInteger("fit 'epochs'", options.epochs ?? 1)
    const batchSize = checkInteger("fit 'batchSize'", options.batchSize ?? 32)
    const split = checkNumber("fit 'validationSplit'", options.validationSplit ?? 0, 0, 0.999999)
    const seed =
      options.seed === undefined ? this.seed : checkInteger("fit 'seed'", options.seed, 0)
    let data = this.#data('fit', x, y, options.sampleWeight)
    let validation: TrainingData | null = null
    if (options.validationData) {
      const [vx, vy, sampleWeight] = Array.isArray(options.validationData)
        ? options.validationData
        : [
            (options.validationData as { x: ArrayData }).x,
            (options.validationData as { y: ArrayData }).y,
            (options.validationData as { sampleWeight?: ArrayData }).sampleWeight,
          ]
      validation = this.#data('validationData', vx, vy, sampleWeight)
    } else if (split > 0) {
      const { rows } = data.target
      const cut = Math.floor(rows * (1 - split))
      if (cut === 0 || cut === rows) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `fit 'validationSplit': ${split} of ${rows} rows leaves nothing to train or validate on`,
        )
      }
      validation = sliceData(data, cut, rows)
      data = sliceData(data, 0, cut)
    }
    if (options.classWeight) {
      data = withClassWeights(data, options.classWeight, this.graph!.outputs[0].shape)
    }
    const started = performance.now()
    const trainer = this.#makeTrainer()
    const resume = options.resume ? await readCheckpoint(options.resume, this) : null
    const history = await trainer.fit({
      data,
      validation,
      epochs,
      batchSize,
      shuffle: options.shuffle ?? true,
      seed,
      callbacks: options.callbacks ?? [],
      resume,
      save: (path, state) => writeModelFile(path, this, {}, state),
    })
    const { backend } = this
    this.#record = {
      rows: data.target.rows,
      validationRows: validation?.target.rows ?? 0,
      epochs: history.epoch.length,
      batchSize,
      seed,
      seconds: (performance.now() - started) / 1000,
      backend: `${backend.name} ${backend.variant}`,
      history,
    }
    return history
  }

  /** Loss and metrics on data; `batchSize` 32 by default. */
  async evaluate(
    x: ArrayData | readonly ArrayData[],
    y: ArrayData,
    options: { batchSize?: number; sampleWeight?: ArrayData } = {},
  ): Promise<Logs> {
    checkOptions('evaluate', options, ['batchSize', 'sampleWeight'])
    const batchSize = checkInteger("evaluate 'batchSize'", options.batchSize ?? 32)
    const data = this.#data('evaluate', x, y, options.sampleWeight)
    return this.#makeTrainer().evaluate(data, batchSize)
  }

  /**
   * The model's output for each row, [N,…]; for ragged sequences of outputs, padded with zeros to
   * the longest. A model with several outputs gives an array of tensors. `batchSize` 128 by default.
   * A Float32Array in `x` may be read in place: it must not change before the promise resolves.
   */
  async predict(
    x: ArrayData | readonly ArrayData[],
    options: { batchSize?: number } = {},
  ): Promise<Output> {
    checkOptions('predict', options, ['batchSize'])
    const batchSize = checkInteger("predict 'batchSize'", options.batchSize ?? 128)
    const inputs = this.#inputs('predict', x)
    this.parameters.bringHome()
    this.#arena ??= new Arena(this.backend.heap)
    const tensors = await predictRows(this.graph!, this.backend, this.#arena, inputs, batchSize)
    return (tensors.length === 1 ? tensors[0] : tensors) as Output
  }

  /**
   * The state in which `batch` streams begin (default 1), side by side as the rows of a batch.
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

  #steps(): Stepper {
    this.#stepper ??= new Stepper(this)
    return this.#stepper
  }

  /**
   * Writes architecture, weights, encoders and training record to a `.refrain` file, beside the
   * target and then renamed into place.
   */
  async save(path: string, extras: SaveOptions = {}): Promise<void> {
    checkOptions('save', extras, ['encoders', 'training'])
    await writeModelFile(path, this.build(), extras, null)
  }

  /** Runs the graph on tensors; for trainers and tools. */
  forward(ctx: Context, inputs: readonly Tensor[]): Tensor {
    this.parameters.bringHome()
    return runGraph(this.graph!, ctx, inputs)[0]
  }

  /** Puts a training record read from a file in place. */
  restoreRecord(record: TrainingRecord | null): void {
    this.#record = record
  }

  /** Bytes of memory that steps use, beside weights and optimizer state. */
  get arenaBytes(): number {
    return (
      (this.#trainer?.arenaBytes ?? 0) +
      (this.#arena?.bytes ?? 0) +
      (this.#stepper?.arenaBytes ?? 0)
    )
  }

  #makeTrainer(): Trainer {
    if (!this.#compiled) {
      throw new RefrainError(
        'NOT_BUILT',
        `${this.name}: the model has no loss and optimizer`,
        "call model.compile({ optimizer: adam(), loss: 'binaryCrossentropy' }) first",
      )
    }
    if (this.graph!.outputs.length > 1) {
      throw new RefrainError(
        'UNSUPPORTED',
        `${this.name}: a loss takes one output, the model has ${this.graph!.outputs.length}`,
        'train a model with one of them; it shares its layers with this one',
      )
    }
    this.#trainer ??= new Trainer(this, this.#compiled)
    return this.#trainer
  }

  /** The inputs as columns that fit the graph, which is made from them if there is none. */
  #inputs(where: string, x: ArrayData | readonly ArrayData[]): Column[] {
    const symbols = this.graph?.inputs
    let columns: Column[]
    if (symbols && symbols.length > 1) {
      columns = severalInputs(where, x, symbols, this.backend)
    } else {
      const dtype = symbols?.[0].dtype ?? this.layers[0]?.inputType ?? 'float'
      const column = toColumn(`${where} 'x'`, x as ArrayData, dtype, this.backend)
      if (!this.graph) this.#makeGraphFrom(column)
      columns = [fitInput(`${where} 'x'`, column, this.graph!.inputs[0].shape)]
    }
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

  #data(
    where: string,
    x: ArrayData | readonly ArrayData[],
    y: ArrayData,
    sampleWeight?: ArrayData,
  ): TrainingData {
    if (!this.#compiled) this.#makeTrainer()
    const inputs = this.#inputs(where, x)
    const { layers } = this
    const { loss } = this.#compiled!
    const outputShape = this.graph!.outputs[0].shape
    return withTargets(where, inputs, { y, sampleWeight }, { loss, outputShape, layers })
  }
}
