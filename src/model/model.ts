/** Models: layers in a graph, with memory, an optimizer and data: fit, evaluate, predict, save. */
import { lengthBatches } from '../data/batches.ts'
import {
  type ArrayData,
  batchOf,
  type Column,
  rowLength,
  sliceColumn,
  toColumn,
} from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import { defaultBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { checkInputShape } from '../layers/input.ts'
import type { Layer, Shape } from '../layers/layer.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { Mask } from '../tensor/mask.ts'
import { type Parameter, ParameterSet } from '../tensor/parameter.ts'
import { Random } from '../tensor/random.ts'
import { shapeError, type Tensor, tensor } from '../tensor/tensor.ts'
import type { Callback, Logs } from '../train/callbacks.ts'
import { type LossConfig, type LossName, resolveLoss, takesLabels } from '../train/losses.ts'
import { type MetricName, resolveMetric } from '../train/metrics.ts'
import { type Optimizer, resolveOptimizer } from '../train/optimizers.ts'
import { type History, Trainer, type TrainingData } from '../train/trainer.ts'
import { checkInteger, checkNumber, checkOptions, sizeOf, suggest } from '../util/check.ts'
import { readCheckpoint, writeModelFile } from './file.ts'
import { type Graph, runGraph } from './graph.ts'
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
  /** A factor for each class number. */
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

  constructor(kind: string, options: ModelOptions) {
    checkOptions(kind, options, ['name', 'seed', 'backend'])
    this.name = options.name ?? kind
    this.seed = options.seed === undefined ? 0 : checkInteger(`${kind} 'seed'`, options.seed, 0)
    this.#backend = options.backend
  }

  /** The graph, made when the input shape becomes known; null before. */
  protected abstract graph: Graph | null
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
    this.#compiled = {
      optimizer: resolveOptimizer(options.optimizer ?? 'adam'),
      loss: resolveLoss(options.loss),
      metrics: (options.metrics ?? []).map(resolveMetric),
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

  /** A table of layers, output shapes and parameters. */
  summary(): string {
    this.build()
    return summarize(this.name, this.graph!)
  }

  /**
   * Trains the model. Losses and metrics of every epoch are in the result; with validation data also
   * `valLoss` and so on. Throws `BAD_DATA`, `BAD_SHAPE` or `NOT_FINITE` before the first step if the
   * data cannot be used.
   */
  async fit(x: ArrayData | readonly ArrayData[], y: ArrayData, options: FitOptions = {}) {
    checkOptions('fit', options, fitOptions)
    const epochs = checkInteger("fit 'epochs'", options.epochs ?? 1)
    const batchSize = checkInteger("fit 'batchSize'", options.batchSize ?? 32)
    const split = checkNumber("fit 'validationSplit'", options.validationSplit ?? 0, 0, 0.999999)
    const seed =
      options.seed === undefined ? this.seed : checkInteger("fit 'seed'", options.seed, 0)
    let data = this.#data('fit', x, y, options)
    let validation: TrainingData | null = null
    if (options.validationData) {
      const [vx, vy, sampleWeight] = Array.isArray(options.validationData)
        ? options.validationData
        : [
            (options.validationData as { x: ArrayData }).x,
            (options.validationData as { y: ArrayData }).y,
            (options.validationData as { sampleWeight?: ArrayData }).sampleWeight,
          ]
      validation = this.#data('validationData', vx, vy, { sampleWeight })
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
    const data = this.#data('evaluate', x, y, options)
    return this.#makeTrainer().evaluate(data, batchSize)
  }

  /**
   * The model's output for each row, [N,…]; for ragged sequences of outputs, padded with zeros to
   * the longest. A model with several outputs gives an array of tensors.
   */
  async predict(
    x: ArrayData | readonly ArrayData[],
    options: { batchSize?: number } = {},
  ): Promise<Output> {
    checkOptions('predict', options, ['batchSize'])
    const batchSize = checkInteger("predict 'batchSize'", options.batchSize ?? 128)
    const inputs = this.#inputs('predict', x)
    const { backend } = this
    this.parameters.bringHome()
    this.#arena ??= new Arena(backend.heap)
    const arena = this.#arena
    const rows = inputs[0].rows
    const ragged = inputs.find((column) => column.offsets) ?? inputs[0]
    const results: Result[] = []
    for (const batch of lengthBatches(ragged, batchSize)) {
      arena.reset()
      const ctx = new Context(backend, arena)
      const outputs = runGraph(
        this.graph!,
        ctx,
        inputs.map((column) => batchOf(arena, column, batch)),
      )
      outputs.forEach((output, i) => {
        const values = output.values
        // Longest rows come first, so a batch is longer than the first only with several inputs.
        const result = fitResult(results[i], rows, output)
        results[i] = result
        place(result, output.shape, values, batch)
        if (ragged.offsets && output.mask) clearPadding(result, output.mask, batch)
      })
      await undefined
    }
    arena.reset()
    const tensors = results.map(({ shape, data }) => tensor(data, shape))
    return (tensors.length === 1 ? tensors[0] : tensors) as Output
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
    return (this.#trainer?.arenaBytes ?? 0) + (this.#arena?.bytes ?? 0)
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

  #inputs(where: string, x: ArrayData | readonly ArrayData[]): Column[] {
    const symbols = this.graph?.inputs
    if (symbols && symbols.length > 1) {
      if (!Array.isArray(x) || x.length !== symbols.length) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `${where} 'x': expected an array of ${symbols.length} inputs ` +
            `(${symbols.map((s) => s.name).join(', ')}), got ${show(x)}`,
        )
      }
      const columns = (x as readonly ArrayData[]).map((data, i) =>
        shapedLike(symbols[i].shape, toColumn(`${where} 'x' ${i}`, data, symbols[i].dtype)),
      )
      columns.forEach((column, i) => {
        checkRows(`${where} 'x' ${i}`, column, columns[0].rows)
      })
      this.build()
      columns.forEach((column, i) => {
        checkInput(`${where} 'x' ${i}`, column, symbols[i].shape)
      })
      return columns
    }
    const dtype = symbols?.[0].dtype ?? this.layers[0]?.inputType ?? 'float'
    const given = toColumn(`${where} 'x'`, x as ArrayData, dtype)
    if (!this.#parameters) {
      if (!this.graph) this.#makeGraphFrom(given)
      this.build()
    }
    const { shape } = this.graph!.inputs[0]
    const column = shapedLike(shape, given)
    checkInput(`${where} 'x'`, column, shape)
    return [column]
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
    options: { sampleWeight?: ArrayData; classWeight?: Readonly<Record<number, number>> },
  ): TrainingData {
    if (!this.#compiled) this.#makeTrainer()
    const inputs = this.#inputs(where, x)
    const target = toColumn(
      `${where} 'y'`,
      y,
      takesLabels(this.#compiled!.loss) ? 'int32' : 'float',
    )
    const { rows } = inputs[0]
    checkRows(`${where} 'y'`, target, rows)
    checkSameLengths(`${where} 'y'`, inputs, target)
    const classes = this.graph!.outputs[0].shape.at(-1) ?? 1
    if (target.dtype === 'int32') checkLabels(where, target, classes)
    const weights = options.sampleWeight
      ? toColumn(`${where} 'sampleWeight'`, options.sampleWeight, 'float')
      : null
    if (weights) {
      checkRows(`${where} 'sampleWeight'`, weights, rows)
      checkSameLengths(`${where} 'sampleWeight'`, inputs, weights)
    }
    return {
      inputs,
      target,
      weights: options.classWeight
        ? withClassWeights(target, weights, options.classWeight)
        : weights,
    }
  }
}

/**
 * Gives layers without a name of their own one that is free in this model: the kind, then kind_1,
 * kind_2, … Such a name may change when the layer joins another model.
 */
function nameLayers(layers: readonly Layer[]): void {
  const taken = new Set<string>()
  for (const layer of layers) {
    if (!layer.name || layer.named) continue
    if (taken.has(layer.name)) {
      throw new RefrainError('BAD_ARGUMENT', `two layers are named '${layer.name}'`)
    }
    taken.add(layer.name)
  }
  for (const layer of layers) {
    if (layer.name && !layer.named) continue
    for (let number = 0; !layer.name || taken.has(layer.name); number++) {
      layer.name = number === 0 ? layer.kind : `${layer.kind}_${number}`
    }
    layer.named = true
    taken.add(layer.name)
  }
}

/** Fails if a layer stands both by itself and inside another one: it would have two homes. */
function checkNesting(layers: readonly Layer[]): void {
  const seen = new Set<Layer>()
  const visit = (layer: Layer) => {
    if (seen.has(layer)) {
      throw new RefrainError(
        'UNSUPPORTED',
        `${layer.name || layer.kind}: a layer cannot stand by itself and inside another layer, too`,
        'give the wrapper a layer of its own',
      )
    }
    seen.add(layer)
    for (const { layer: inner } of layer.children) visit(inner)
  }
  for (const layer of layers) visit(layer)
}

/** Sequences that are all empty do not show how many features a step has; the model knows. */
function shapedLike([, , ...features]: Shape, column: Column): Column {
  if (!column.offsets || column.data.length > 0) return column
  return { ...column, shape: [null, ...features] }
}

/** Class numbers that no padding can excuse: one for each row, or ragged. */
function checkLabels(where: string, target: Column, classes: number): void {
  const { data, offsets, rows } = target
  if (!offsets && data.length !== rows) return
  const bad = data.findIndex((label) => label < 0 || label >= classes)
  if (bad < 0) return
  const row = offsets ? offsets.findIndex((offset) => offset > bad) - 1 : bad
  throw new RefrainError(
    'BAD_DATA',
    `${where} 'y': expected class numbers from 0 to ${classes - 1}, got ${data[bad]} in row ${row}`,
    'the last layer has as many units as there are classes',
  )
}

function checkInput(where: string, column: Column, [, ...shape]: Shape): void {
  const given = column.shape
  const steps = shape[0]
  if (column.offsets && steps !== null && given.length === shape.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected ${steps} steps in each row, got rows of unequal length`,
      'pad them, or leave the number of steps open in the input shape: null',
    )
  }
  const fits =
    given.length === shape.length &&
    shape.every((length, i) => length === null || given[i] === length)
  if (!fits) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected rows of shape ${show([...shape])}, got ${show([...given])}`,
      shape.length === given.length + 1 ? 'a sequence of single numbers has shape [T, 1]' : '',
    )
  }
}

function checkRows(where: string, column: Column, rows: number): void {
  if (column.rows === rows) return
  throw new RefrainError('BAD_SHAPE', `${where}: expected ${rows} rows, got ${column.rows}`)
}

/** Ragged targets and weights have the lengths of a ragged input. */
function checkSameLengths(where: string, inputs: readonly Column[], column: Column): void {
  if (!column.offsets) return
  const ragged = inputs.filter(({ offsets }) => offsets)
  if (ragged.length === 0) {
    throw new RefrainError('BAD_SHAPE', `${where}: rows differ in length, those of 'x' do not`)
  }
  const other = ragged.map(({ offsets }) =>
    offsets!.findIndex((offset, i) => offset !== column.offsets![i]),
  )
  if (other.includes(-1)) return
  const row = other[0] - 1
  throw new RefrainError(
    'BAD_SHAPE',
    `${where}: expected ${rowLength(ragged[0], row)} steps in row ${row}, as in 'x', ` +
      `got ${rowLength(column, row)}`,
  )
}

function sliceData(data: TrainingData, from: number, to: number): TrainingData {
  return {
    inputs: data.inputs.map((column) => sliceColumn(column, from, to)),
    target: sliceColumn(data.target, from, to),
    weights: data.weights && sliceColumn(data.weights, from, to),
  }
}

/** Multiplies each target's class factor into the weights. */
function withClassWeights(
  target: Column,
  weights: Column | null,
  classWeight: Readonly<Record<number, number>>,
): Column {
  for (const [name, factor] of Object.entries(classWeight)) {
    checkNumber(`fit 'classWeight' ${name}`, factor, 0)
  }
  const width = target.dtype === 'float' ? (target.shape.at(-1) ?? 1) : 1
  const oneHot = target.dtype === 'float' && target.shape.length > 0 && width > 1
  const count = target.data.length / (oneHot ? width : 1)
  const data = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    let label = target.data[i]
    if (oneHot) {
      const row = target.data.subarray(i * width, (i + 1) * width)
      label = row.indexOf(Math.max(...row))
    }
    const weight = !weights ? 1 : weights.data.length === count ? weights.data[i] : Number.NaN
    data[i] = (classWeight[label] ?? 1) * weight
  }
  if (data.some(Number.isNaN)) {
    throw new RefrainError(
      'BAD_SHAPE',
      `fit 'sampleWeight': expected ${count} weights beside classWeight, got ${weights!.data.length}`,
    )
  }
  const steps = oneHot || (target.dtype === 'float' && width === 1 && target.shape.length > 0)
  return {
    rows: target.rows,
    dtype: 'float',
    shape: steps ? target.shape.slice(0, -1) : target.shape,
    data,
    offsets: target.offsets,
  }
}

interface Result {
  shape: number[]
  data: Float32Array | Float64Array
}

/** The result so far with room for all steps of another batch's output; a new one at first. */
function fitResult(result: Result | undefined, rows: number, { shape, values }: Tensor): Result {
  if (result && shape.length < 3) return result
  if (result && shape[1] <= result.shape[1]) return result
  const wider = [rows, ...shape.slice(1)]
  const Kind = values instanceof Float64Array ? Float64Array : Float32Array
  const data = new Kind(sizeOf(wider))
  if (result) {
    const all = Int32Array.from({ length: rows }, (_, row) => row)
    place({ shape: wider, data }, result.shape, result.data, all)
  }
  return { shape: wider, data }
}

/** Zeros what a [N,T,…] result holds after the last step of each of a batch's rows. */
function clearPadding({ shape: [, steps, ...rest], data }: Result, mask: Mask, rows: Int32Array) {
  const width = sizeOf(rest)
  const valid = mask.valid.ints
  rows.forEach((row, r) => {
    const flags = valid.subarray(r * mask.steps, (r + 1) * mask.steps)
    const end = flags.lastIndexOf(1) + 1
    data.fill(0, (row * steps + end) * width, (row + 1) * steps * width)
  })
}

/** Copies a batch's rows to where they belong; shorter sequences leave zeros behind them. */
function place(
  result: Result,
  shape: readonly number[],
  values: Float32Array | Float64Array,
  rows: Int32Array,
): void {
  const stride = sizeOf(result.shape.slice(1))
  const size = sizeOf(shape.slice(1))
  rows.forEach((row, r) => {
    result.data.set(values.subarray(r * size, (r + 1) * size), row * stride)
  })
}
