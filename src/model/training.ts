/** The training part of a model: compile, fit, evaluate. */
import { RefrainError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Callback, Logs } from '../train/callbacks.ts'
import { type OptimizerLike, resolveOptimizer } from '../train/optimizers.ts'
import type { History, TrainingData, TrainingPlan } from '../train/plan.ts'
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

/** Inputs and targets, and weights if any. */
export type ValidationData =
  | readonly [x: ModelData, y: ModelData, sampleWeight?: ModelData]
  | { x: ModelData; y: ModelData; sampleWeight?: ModelData }

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

const fitOptions = [
  'epochs',
  'batchSize',
  'validationSplit',
  'validationData',
  'shuffle',
  'bpttSteps',
  'seed',
  'classWeight',
  'sampleWeight',
  'callbacks',
  'debugNumerics',
  'resume',
]

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
  readonly rows: number
  readonly validationRows: number
  readonly epochs: number
  readonly batchSize: number
  readonly seed: number
  readonly seconds: number
  readonly backend: string
  readonly history: History
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

  async fit(x: ModelData, y: ModelData, options: FitOptions): Promise<History> {
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

  async #fit(x: ModelData, y: ModelData, options: FitOptions) {
    const model = this.#model
    checkOptions('fit', options, fitOptions)
    const epochs = checkInteger("fit 'epochs'", options.epochs ?? 1)
    const batchSize = checkInteger("fit 'batchSize'", options.batchSize ?? 32)
    const split = checkNumber("fit 'validationSplit'", options.validationSplit ?? 0, 0, 0.999999)
    const seed =
      options.seed === undefined ? model.seed : checkInteger("fit 'seed'", options.seed, 0)
    let data = this.#data('fit', x, y, options.sampleWeight)
    let validation: TrainingData | null = null
    if (options.validationData) {
      const [vx, vy, sampleWeight] = Array.isArray(options.validationData)
        ? options.validationData
        : [
            (options.validationData as { x: ModelData }).x,
            (options.validationData as { y: ModelData }).y,
            (options.validationData as { sampleWeight?: ModelData }).sampleWeight,
          ]
      validation = this.#data('validationData', vx, vy, sampleWeight)
    } else if (split > 0) {
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
    if (options.classWeight) {
      if (model.graph!.outputs.length > 1) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `fit 'classWeight': it is for one output, the model has ${model.graph!.outputs.length}`,
          'give sampleWeight, by output',
        )
      }
      data = withClassWeights(data, options.classWeight, model.graph!.outputs[0].shape)
    }
    const { states } = model
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
    const { debugNumerics = false } = options
    const numerics = debugNumerics ? tracerFor("fit 'debugNumerics'").watchNumerics() : null
    const started = performance.now()
    const trainer = this.#makeTrainer()
    const resume = options.resume ? await readCheckpoint(options.resume, model) : null
    const history = await trainer.fit({
      data,
      validation,
      epochs,
      batchSize,
      shuffle: options.shuffle ?? !states.stateful,
      bpttSteps,
      seed,
      callbacks: options.callbacks ?? [],
      resume,
      numerics,
      save: (path, state) => writeModelFile(path, model, {}, state),
    })
    const { backend } = model
    this.record = {
      rows: data.inputs[0].rows,
      validationRows: validation?.inputs[0].rows ?? 0,
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
