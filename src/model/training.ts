/** The training part of a model: compile, fit, evaluate. */
import { RefrainError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Callback, Logs } from '../train/callbacks.ts'
import { type OptimizerLike, resolveOptimizer } from '../train/optimizers.ts'
import type { FitPlan, History, TrainingData, TrainingPlan } from '../train/plan.ts'
import { type MakeBatches, Rows, type Source, Stream } from '../train/source.ts'
import { Trainer } from '../train/trainer.ts'
import { checkWindows } from '../train/windows.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import { readCheckpoint, writeModelFile } from './file.ts'
import type { Model } from './model.ts'
import { type ModelData, type OutputOptions, resolveOutputs } from './outputs.ts'
import { sliceData, withClassWeights, withTargets } from './prepare.ts'
import { tracerFor } from './tracer.ts'

/** Options of `model.compile`. */
export interface CompileOptions {
  /** Default 'adam'. */
  optimizer?: OptimizerLike
  /**
   * Of each output: one for all, a list in their order, or an object by their names, which are those
   * of the layers that make them. Null, or a name left out: an output that is not trained.
   */
  loss: OutputOptions['loss']
  /** Factors of the outputs' losses in their sum, which is 'loss': a list or by name; default 1. */
  lossWeights?: OutputOptions['lossWeights']
  /** Names such as 'accuracy', or functions' results such as auc({ curve: 'PR' }); for several outputs a list of lists, or by name. Default none. */
  metrics?: OutputOptions['metrics']
  /** The same, but rows count by their sample weights and class weights. */
  weightedMetrics?: OutputOptions['metrics']
}

/** Inputs and targets, and weights if any: of a batch from a generator, or for validation. */
export type ValidationData =
  | readonly [x: ModelData, y: ModelData, sampleWeight?: ModelData]
  | { x: ModelData; y: ModelData; sampleWeight?: ModelData }

/**
 * What makes batches, each a step of the optimizer: a generator function, which is called anew when its
 * batches are used up, with how often they were before, or one generator.
 */
export type BatchSource =
  | MakeBatches<ValidationData>
  | AsyncIterable<ValidationData>
  | IterableIterator<ValidationData>

/** Options of `model.fit`. */
export interface FitOptions {
  /** Default 1. */
  epochs?: number
  /** Default 32. */
  batchSize?: number
  /** Share of the rows, the last ones, that is kept for validation; default 0. */
  validationSplit?: number
  /** Used instead of `validationSplit`. */
  validationData?: ValidationData
  /** Default true, but false for a model with stateful layers, whose batches keep their order. */
  shuffle?: boolean
  /**
   * Train on long sequences in windows of so many steps, each from the states in which the one before
   * ended (truncated backpropagation through time); needs a target for each step. Every window is a
   * step of the optimizer; a batch's first starts from zeros, or, in stateful layers, where the batch
   * before ended. Validation runs in such windows, too. Default: whole sequences.
   */
  bpttSteps?: number
  /** Of shuffling and dropout; default the model's. */
  seed?: number
  /** A factor for each class number, of the rows trained on; others have 1. Not for several outputs. */
  classWeight?: Readonly<Record<number, number>>
  /** A factor for each row, or for each row and step; for several outputs also a list or by name. */
  sampleWeight?: ModelData
  callbacks?: readonly Callback[]
  /**
   * Look for the first number that is not finite, in what layers compute, in the gradients and in the
   * weights: `fit` then fails with its layer, gate, time step and row and what the numbers were before,
   * as `NumericsReport` in the error's `cause`. Costs a fifth of a step's time or so. In a page it takes
   * an import of `trace`. Default false: loss and gradients are checked, and the weight is named.
   */
  debugNumerics?: boolean
  /**
   * A checkpoint file to go on from; same data and options as the run that wrote it. In a bundle it takes
   * an import of `loadModel`.
   */
  resume?: string
}

/** Options of `model.fit` for batches from a generator. */
export interface FitBatchesOptions
  extends Pick<
    FitOptions,
    'epochs' | 'validationData' | 'seed' | 'classWeight' | 'callbacks' | 'debugNumerics' | 'resume'
  > {
  /** An epoch is so many batches, and the next goes on from there. Default: all that the generator makes. */
  stepsPerEpoch?: number
}

const common = [
  'epochs',
  'validationData',
  'seed',
  'classWeight',
  'callbacks',
  'debugNumerics',
  'resume',
]
const ofBatches = [...common, 'stepsPerEpoch']
const ofRows = [...common, 'batchSize', 'validationSplit', 'shuffle', 'bpttSteps', 'sampleWeight']

/** Options of `model.evaluate`. */
export interface EvaluateOptions {
  /** Default 32. */
  batchSize?: number
  /**
   * Sequences are read in windows of so many steps that carry the states, which takes the memory of a
   * window. Default: whole sequences.
   */
  bpttSteps?: number
  /** A factor for each row, or for each row and step; for several outputs also a list or by name. */
  sampleWeight?: ModelData
}

/** How a model was trained, as its file tells. */
export interface TrainingRecord {
  /** Null: batches from a generator. */
  readonly rows: number | null
  readonly validationRows: number
  readonly epochs: number
  /** Null as above. */
  readonly batchSize: number | null
  readonly seed: number
  readonly seconds: number
  readonly backend: string
  readonly history: History
}

const isBatchSource = (x: ModelData | BatchSource): x is BatchSource =>
  typeof x === 'function' ||
  (typeof x === 'object' &&
    x !== null &&
    (Symbol.asyncIterator in x || typeof (x as { next?: unknown }).next === 'function'))

function partsOf(where: string, data: ValidationData): [ModelData, ModelData, ModelData?] {
  if (Array.isArray(data)) return data as unknown as [ModelData, ModelData, ModelData?]
  const parts = { ...(data as Exclude<ValidationData, readonly unknown[]>) }
  checkOptions(where, parts, ['x', 'y', 'sampleWeight'])
  return [parts.x, parts.y, parts.sampleWeight]
}

/** What a model was compiled with, how it was trained last, and the trainer with its state. */
export class Training {
  compiled: TrainingPlan | null = null
  record: TrainingRecord | null = null
  readonly #model: Model<Tensor | Tensor[]>
  #trainer: Trainer | null = null
  #fitting = false

  constructor(model: Model<Tensor | Tensor[]>) {
    this.#model = model
  }

  /** Bytes of the steps' memory. */
  get arenaBytes(): number {
    return this.#trainer?.arenaBytes ?? 0
  }

  compile(options: CompileOptions): void {
    checkOptions('compile', options, [
      'optimizer',
      'loss',
      'lossWeights',
      'metrics',
      'weightedMetrics',
    ])
    this.compiled = {
      optimizer: resolveOptimizer(options.optimizer ?? 'adam'),
      outputs: resolveOutputs(options, this.#model.outputNames),
    }
    this.#trainer = null
  }

  /** On data in memory, or on batches, whose options then are second. */
  async fit(
    x: ModelData | BatchSource,
    y: ModelData | FitBatchesOptions | undefined,
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
      return isBatchSource(x)
        ? await this.#fitBatches(x, { ...(y as FitBatchesOptions), ...options })
        : await this.#fitRows(x, y as ModelData, options)
    } finally {
      this.#fitting = false
    }
  }

  async #fitBatches(batches: BatchSource, options: FitBatchesOptions): Promise<History> {
    checkOptions('fit with batches', options, ofBatches)
    const steps = options.stepsPerEpoch ?? null
    if (steps !== null) checkInteger("fit 'stepsPerEpoch'", steps)
    const make = typeof batches === 'function' ? batches : () => batches
    const dataOf = (batch: ValidationData, place: string) =>
      this.#weighed(this.#data(place, ...partsOf(place, batch)), options)
    const validation = this.#validation(options)
    const stream = new Stream(make, steps, dataOf)
    try {
      await stream.open()
      return await this.#run(stream, options, {
        validation,
        batchSize: 32,
        shuffle: false,
        stepsPerEpoch: steps,
      })
    } finally {
      await stream.close()
    }
  }

  async #fitRows(x: ModelData, y: ModelData, options: FitOptions): Promise<History> {
    const { states } = this.#model
    checkOptions('fit', options, ofRows)
    const batchSize = checkInteger("fit 'batchSize'", options.batchSize ?? 32)
    const split = checkNumber("fit 'validationSplit'", options.validationSplit ?? 0, 0, 0.999999)
    let data = this.#data('fit', x, y, options.sampleWeight)
    let validation = this.#validation(options)
    if (!validation && split > 0) {
      const { rows } = data.inputs[0]
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
    data = this.#weighed(data, options)
    if (options.shuffle && states.stateful) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "fit 'shuffle': a stateful layer needs batches in their order, got true",
        'leave it out',
      )
    }
    const { bpttSteps = null } = options
    if (bpttSteps !== null) {
      checkInteger("fit 'bpttSteps'", bpttSteps)
      states.checkWindows('fit')
      checkWindows('fit', data)
      if (validation) checkWindows('validationData', validation)
    }
    const shuffle = options.shuffle ?? !states.stateful
    const rows = new Rows(data, batchSize, shuffle ? this.#seed(options) : null, bpttSteps)
    return this.#run(rows, options, { validation, batchSize, shuffle, bpttSteps })
  }

  async #run(
    source: Source,
    options: FitOptions | FitBatchesOptions,
    plan: Pick<FitPlan, 'validation' | 'batchSize' | 'shuffle' | 'bpttSteps' | 'stepsPerEpoch'>,
  ): Promise<History> {
    const model = this.#model
    const epochs = checkInteger("fit 'epochs'", options.epochs ?? 1)
    const seed = this.#seed(options)
    const { debugNumerics = false } = options
    const numerics = debugNumerics ? tracerFor("fit 'debugNumerics'").watchNumerics() : null
    const started = performance.now()
    const trainer = this.#makeTrainer()
    const resume = options.resume ? await readCheckpoint(options.resume, model) : null
    const history = await trainer.fit({
      ...plan,
      source,
      epochs,
      seed,
      callbacks: options.callbacks ?? [],
      resume,
      numerics,
      save: (path, state) => writeModelFile(path, model, {}, state),
    })
    const { backend } = model
    this.record = {
      rows: source.rows,
      validationRows: plan.validation?.inputs[0].rows ?? 0,
      epochs: history.epoch.length,
      batchSize: source.rows === null ? null : plan.batchSize,
      seed,
      seconds: (performance.now() - started) / 1000,
      backend: `${backend.name} ${backend.variant}`,
      history,
    }
    return history
  }

  #seed({ seed }: { seed?: number }): number {
    return seed === undefined ? this.#model.seed : checkInteger("fit 'seed'", seed, 0)
  }

  #validation({ validationData }: FitBatchesOptions): TrainingData | null {
    return validationData
      ? this.#data('validationData', ...partsOf('validationData', validationData))
      : null
  }

  #weighed(data: TrainingData, { classWeight }: FitBatchesOptions): TrainingData {
    if (!classWeight) return data
    const { outputs } = this.#model.graph!
    if (outputs.length > 1) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `fit 'classWeight': it is for one output, the model has ${outputs.length}`,
        'give sampleWeight, by output',
      )
    }
    return withClassWeights(data, classWeight, outputs[0].shape)
  }

  /** Loss and metrics on data; `batchSize` 32 by default. */
  async evaluate(x: ModelData, y: ModelData, options: EvaluateOptions): Promise<Logs> {
    checkOptions('evaluate', options, ['batchSize', 'bpttSteps', 'sampleWeight'])
    const batchSize = checkInteger("evaluate 'batchSize'", options.batchSize ?? 32)
    const data = this.#data('evaluate', x, y, options.sampleWeight)
    const { bpttSteps = null } = options
    if (bpttSteps !== null) {
      checkInteger("evaluate 'bpttSteps'", bpttSteps)
      this.#model.states.checkWindows('evaluate')
      checkWindows('evaluate', data)
    }
    return this.#makeTrainer().evaluate(data, batchSize, bpttSteps)
  }

  #makeTrainer(): Trainer {
    const { name } = this.#model
    if (!this.compiled) {
      throw new RefrainError(
        'NOT_BUILT',
        `${name}: the model has no loss and optimizer`,
        "call model.compile({ optimizer: adam(), loss: 'binaryCrossentropy' }) first",
      )
    }
    this.#trainer ??= new Trainer(this.#model, this.compiled)
    return this.#trainer
  }

  #data(where: string, x: ModelData, y: ModelData, sampleWeight?: ModelData): TrainingData {
    if (!this.compiled) this.#makeTrainer()
    const inputs = this.#model.columns(where, x)
    const { outputs } = this.compiled!
    const { layers, graph } = this.#model
    const shapes = graph!.outputs.map(({ shape }) => shape)
    return withTargets(where, inputs, { y, sampleWeight }, { outputs, shapes, layers })
  }
}
