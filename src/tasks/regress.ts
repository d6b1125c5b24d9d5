/**
 * Regression, the shape "one to one": a vector of numbers → numbers. There is no sequence and so
 * nothing to remember: two dense layers beside a linear map, which starts as linear regression, and no
 * LSTM.
 * `train` makes a `Regressor`, which knows its scales and is one `.refrain` file.
 */
import { split } from '../data/split.ts'
import { RefrainError, show } from '../errors.ts'
import { dense } from '../layers/dense.ts'
import { input } from '../layers/input.ts'
import type { SymbolicTensor } from '../layers/layer.ts'
import { add } from '../layers/merge.ts'
import { model as makeModel } from '../model/functional.ts'
import { type LoadedFile, loadFile } from '../model/load.ts'
import type { Model } from '../model/model.ts'
import { earlyStopping } from '../train/callbacks.ts'
import { adam } from '../train/optimizers.ts'
import type { History } from '../train/plan.ts'
import { reduceLrOnPlateau } from '../train/rate-callbacks.ts'
import { checkInteger, checkNumber, suggest } from '../util/check.ts'
import { fitScale, type Scale } from './forecast/scale.ts'
import { explainRow, type RegressionExplanation } from './regress-explain.ts'
import { encodersOfTask, type FileOptions, type RunOptions, settingsOf } from './training.ts'

export type { RegressionExplanation } from './regress-explain.ts'

/** Options of `regress.train`. */
export interface RegressOptions extends RunOptions {
  /** Most epochs; training stops earlier when validation no longer improves. Default 500. */
  epochs?: number
  /** Epochs without a better validation loss before training stops. Default 50. */
  patience?: number
  /** Share of the rows kept for validation, drawn at random. Default 0.1; 0: none, and all epochs run. */
  validation?: number
  /** Default 32. */
  batchSize?: number
  /**
   * Adam's, to begin with: it falls to three tenths after a third of `patience` without a better
   * validation loss. Default 0.01.
   */
  learningRate?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Units of each layer. Default 32. */
  units?: number
  /** Layers with tanh; 0: the linear map alone. Default 2. */
  layers?: number
  /** Of the split, the weights and shuffling. Default 0. */
  seed?: number
}

/** The options' defaults. */
export const defaults = {
  epochs: 500,
  patience: 50,
  validation: 0.1,
  batchSize: 32,
  learningRate: 0.01,
  clipNorm: 1,
  units: 32,
  layers: 2,
  seed: 0,
}

/** Rows of numbers; a row of one number may be that number. */
export type Vectors = readonly (number | ArrayLike<number>)[]

/** What is known and what is to be told from it, row by row. */
export interface VectorPairs {
  readonly inputs: Vectors
  readonly targets: Vectors
  /** Names of the columns, for files and messages. Default: their numbers, from '1'. */
  readonly columns?: { readonly inputs: readonly string[]; readonly targets: readonly string[] }
}

/** Errors of one way to tell the targets. */
export interface RegressionScores {
  /** Mean absolute error. */
  readonly mae: number
  /** Root of the mean squared error. */
  readonly rmse: number
}

/** How well a regressor does, beside two simpler ways; over all targets. */
export interface RegressionEvaluation extends RegressionScores {
  readonly rows: number
  /** 1 less the squared error's part of that of the mean of these rows; 1 is perfect. */
  readonly r2: number
  /** Always the mean of the training rows. */
  readonly mean: RegressionScores
  /** Linear regression on the training rows, by least squares. */
  readonly linear: RegressionScores
  /** Who has the smallest root of the mean squared error. */
  readonly best: 'model' | 'mean' | 'linear'
}

const task = 'regress'

interface Parts {
  readonly model: Model
  readonly columns: { readonly inputs: readonly string[]; readonly targets: readonly string[] }
  readonly scales: { readonly inputs: readonly Scale[]; readonly targets: readonly Scale[] }
  /** Linear regression in scaled units: for each target the inputs' factors, then the constant. */
  readonly linear: readonly (readonly number[])[]
  readonly history?: History
}

/** A trained regressor. */
export class Regressor {
  readonly model: Model
  /** The columns' names. */
  readonly columns: Parts['columns']
  readonly #parts: Parts
  /** Epoch by epoch; null for a loaded regressor. */
  readonly history: History | null

  constructor(parts: Parts) {
    this.#parts = parts
    this.model = parts.model
    this.columns = parts.columns
    this.history = parts.history ?? null
  }

  /** The targets of rows, in their order. Throws `BAD_SHAPE` for rows of another length. */
  async predict(inputs: Vectors): Promise<number[][]> {
    if (inputs.length === 0) return []
    const { inputs: from, targets: to } = this.#parts.scales
    const x = flat('regress.predict', inputs, from.length)
    const data = await (await this.model.predict(scaled(x, from))).data()
    return Array.from(inputs, (_, row) =>
      to.map(({ shift, factor }, i) => data[row * to.length + i] * factor + shift),
    )
  }

  /** Errors on rows whose targets are known, beside the mean and a linear regression. */
  async evaluate(pairs: VectorPairs): Promise<RegressionEvaluation> {
    const { inputs: from, targets: to } = this.#parts.scales
    const { x, y } = flatPairs('regress.evaluate', pairs, from.length, to.length)
    const rows = pairs.inputs.length
    const predicted = (await this.predict(pairs.inputs)).flat()
    const linear = linearForecast(scaled(x, from).data, from.length, this.#parts.linear)
    const scores = (of: (k: number, target: Scale) => number): RegressionScores => {
      let [absolute, squared] = [0, 0]
      y.forEach((truth, k) => {
        const error = truth - of(k, to[k % to.length])
        absolute += Math.abs(error)
        squared += error * error
      })
      return { mae: absolute / y.length, rmse: Math.sqrt(squared / y.length) }
    }
    const own = to.map(
      (_, i) =>
        fitScale(
          'standard',
          y.filter((_, k) => k % to.length === i),
        ).shift,
    )
    const all = {
      model: scores((k) => predicted[k]),
      mean: scores((_, { shift }) => shift),
      linear: scores((k, { shift, factor }) => linear[k] * factor + shift),
    }
    const spread = scores((k) => own[k % to.length])
    const names = ['model', 'mean', 'linear'] as const
    return {
      rows,
      ...all.model,
      r2: 1 - (all.model.rmse / spread.rmse) ** 2,
      mean: all.mean,
      linear: all.linear,
      best: names.reduce((best, name) => (all[name].rmse < all[best].rmse ? name : best)),
    }
  }

  /**
   * What each number of a row adds to a target, by integrated gradients, in the target's units: the
   * contributions' sum is the prediction less that of a row of means.
   *
   * @param target default: the first. Throws `UNKNOWN_OPTION` for one that is none.
   */
  async explain(
    row: number | ArrayLike<number>,
    target = this.columns.targets[0],
  ): Promise<RegressionExplanation> {
    const { inputs, targets } = this.columns
    const { scales } = this.#parts
    const at = targets.indexOf(target)
    if (at < 0) {
      const what = `regress.explain: unknown target ${show(target)}`
      throw new RefrainError('UNKNOWN_OPTION', what, suggest(String(target), targets))
    }
    const { data } = scaled(flat('regress.explain', [row], inputs.length), scales.inputs)
    const why = await explainRow(this.model, data, at, scales.targets[at])
    const named = inputs.map((name, i) => [name, why.contributions[i]])
    return { target, ...why, contributions: Object.fromEntries(named) }
  }

  /** Writes a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, options)
  }
}

/**
 * Trains a regressor. Scales and weights come from the training part alone; the validation part
 * decides when to stop, and the best epoch's weights stay. Throws `BAD_DATA` or `BAD_SHAPE` for rows
 * that do not fit each other, and `NOT_FINITE`.
 */
export async function train(pairs: VectorPairs, options: RegressOptions = {}): Promise<Regressor> {
  const where = 'regress.train'
  const settings = settingsOf(where, defaults, options)
  checkNumber(`${where} 'validation'`, settings.validation, 0, 0.9)
  checkInteger(`${where} 'layers'`, settings.layers, 0)
  const { seed, units } = settings
  const [I, O] = [widthOf(pairs.inputs), widthOf(pairs.targets)]
  const { x, y } = flatPairs(where, pairs, I, O)
  const rows = pairs.inputs.length
  const columns = pairs.columns ?? { inputs: numbered(I), targets: numbered(O) }
  const parts = split(new Array(rows).fill(0), { validation: settings.validation, seed })
  const take = (numbers: Float64Array, width: number, indices: readonly number[]) => {
    const taken = new Float64Array(indices.length * width)
    indices.forEach((row, i) => {
      taken.set(numbers.subarray(row * width, (row + 1) * width), i * width)
    })
    return taken
  }
  const scalesOf = (numbers: Float64Array, width: number) =>
    Array.from({ length: width }, (_, i) =>
      fitScale(
        'standard',
        numbers.filter((_, k) => k % width === i),
      ),
    )
  const [trainX, trainY] = [take(x, I, parts.train), take(y, O, parts.train)]
  const scales = { inputs: scalesOf(trainX, I), targets: scalesOf(trainY, O) }
  const [inputs, targets] = [scaled(trainX, scales.inputs), scaled(trainY, scales.targets)]
  const linear = leastSquares(inputs.data, targets.data, I, O)

  const vector = input({ shape: [I], name: 'vector' })
  let hidden: SymbolicTensor = vector
  for (let i = 0; i < settings.layers; i++) {
    hidden = dense({ units, activation: 'tanh' }).apply(hidden)
  }
  const straight = dense({ units: O, name: 'linear' }).apply(vector)
  const bent = () => dense({ units: O, kernelInitializer: 'zeros' }).apply(hidden)
  const outputs = settings.layers === 0 ? straight : add().apply([straight, bent()])
  const model = makeModel({ inputs: vector, outputs, name: task, seed }) as Model
  // From linear regression on, so that the layers learn only what it leaves.
  model
    .build()
    .getLayer('linear')
    .setWeights([
      {
        shape: [I, O],
        data: Float32Array.from({ length: I * O }, (_, k) => linear[k % O][Math.floor(k / O)]),
      },
      { shape: [O], data: Float32Array.from(linear, (factors) => factors[I]) },
    ])
  model.compile({
    optimizer: adam({ learningRate: settings.learningRate, globalClipNorm: settings.clipNorm }),
    loss: 'meanSquaredError',
  })
  const pair = ({ shift, factor }: Scale) => [shift, factor]
  model.encoders = {
    task,
    columns,
    scales: { inputs: scales.inputs.map(pair), targets: scales.targets.map(pair) },
    linear,
    settings,
  }
  const { patience } = settings
  const validated = parts.validation.length > 0
  const watching = [
    earlyStopping({ monitor: 'valLoss', patience, restoreBestWeights: true }),
    reduceLrOnPlateau({ factor: 0.3, patience: Math.ceil(patience / 3), minDelta: 0 }),
  ]
  const history = await model.fit(inputs, targets, {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: validated
      ? [
          scaled(take(x, I, parts.validation), scales.inputs),
          scaled(take(y, O, parts.validation), scales.targets),
        ]
      : undefined,
    callbacks: [...(validated ? watching : []), ...(options.callbacks ?? [])],
    resume: options.resume,
  })
  return new Regressor({ model, columns, scales, linear, history })
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1))

const widthOf = ([first]: Vectors) => (typeof first === 'number' ? 1 : (first?.length ?? 0))

function flatPairs(where: string, { inputs, targets }: VectorPairs, I: number, O: number) {
  if (inputs.length === 0 || inputs.length !== targets.length) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected a target for each row, got ${inputs.length} rows and ${targets.length} targets`,
    )
  }
  return { x: flat(where, inputs, I), y: flat(where, targets, O) }
}

/** Rows end to end; each must have `width` finite numbers. */
function flat(where: string, rows: Vectors, width: number): Float64Array {
  const numbers = new Float64Array(rows.length * width)
  rows.forEach((row, r) => {
    const list = typeof row === 'number' ? [row] : row
    if (!(list?.length === width && width > 0)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected ${Math.max(1, width)} numbers in row ${r}, got ${show(row)}`,
      )
    }
    for (let i = 0; i < width; i++) {
      if (typeof list[i] !== 'number' || !Number.isFinite(Math.fround(list[i]))) {
        throw new RefrainError(
          'NOT_FINITE',
          `${where}: expected finite numbers in row ${r}, got ${show(list[i])}`,
        )
      }
      numbers[r * width + i] = list[i]
    }
  })
  return numbers
}

/** Flat rows in the units of their scales, as a model takes them. */
function scaled(numbers: Float64Array, scales: readonly Scale[]) {
  const width = scales.length
  const data = Float32Array.from(numbers, (value, k) => {
    const { shift, factor } = scales[k % width]
    return (value - shift) / factor
  })
  return { shape: [numbers.length / width, width], data }
}

/** Least squares with a trace of a penalty, so that columns that repeat each other do no harm. */
function leastSquares(x: Float32Array, y: Float32Array, I: number, O: number): number[][] {
  const n = x.length / I
  const size = I + 1
  // Normal equations, the targets to the right: [size, size + O].
  const rows = Array.from({ length: size }, () => new Float64Array(size + O))
  const at = (row: number, i: number) => (i < I ? x[row * I + i] : 1)
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) rows[i][j] += at(r, i) * at(r, j)
      for (let o = 0; o < O; o++) rows[i][size + o] += at(r, i) * y[r * O + o]
    }
  }
  for (let i = 0; i < I; i++) rows[i][i] += 1e-6 * n
  for (let i = 0; i < size; i++) {
    for (const [k, other] of rows.entries()) {
      if (k === i) continue
      const factor = other[i] / rows[i][i]
      for (let j = i; j < size + O; j++) other[j] -= factor * rows[i][j]
    }
  }
  return Array.from({ length: O }, (_, o) => rows.map((row, i) => row[size + o] / row[i]))
}

function linearForecast(x: Float32Array, I: number, weights: readonly (readonly number[])[]) {
  const forecast = new Float64Array((x.length / I) * weights.length)
  for (let r = 0; r < x.length / I; r++) {
    weights.forEach((factors, o) => {
      let sum = factors[I]
      for (let i = 0; i < I; i++) sum += factors[i] * x[r * I + i]
      forecast[r * weights.length + o] = sum
    })
  }
  return forecast
}

/** Reads a regressor that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Regressor> {
  return fromFile(await loadFile(path), path)
}

/** The regressor in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Regressor {
  const json = encodersOfTask(file, path, task, 'a regressor') as {
    columns?: { inputs?: unknown; targets?: unknown }
    scales?: { inputs?: unknown; targets?: unknown }
    linear?: unknown
  }
  const { model } = file
  const { graph } = model.build()
  const sizes = [graph!.inputs, graph!.outputs].map((list) =>
    list.length === 1 && list[0].shape.length === 2 ? (list[0].shape[1] ?? 0) : 0,
  )
  const [I, O] = sizes
  const isList = (value: unknown, length: number, fits: (one: unknown) => boolean) =>
    Array.isArray(value) && value.length === length && value.every(fits)
  const isText = (value: unknown) => typeof value === 'string'
  const isScale = (value: unknown) =>
    isList(value, 2, Number.isFinite) && (value as number[])[1] > 0
  const fits =
    I > 0 &&
    O > 0 &&
    isList(json.columns?.inputs, I, isText) &&
    isList(json.columns?.targets, O, isText) &&
    isList(json.scales?.inputs, I, isScale) &&
    isList(json.scales?.targets, O, isScale) &&
    isList(json.linear, O, (row) => isList(row, I + 1, Number.isFinite))
  if (!fits) {
    throw new RefrainError(
      'BAD_FILE',
      `${path}: its columns and scales do not fit its network, which goes from ${I} numbers to ${O}`,
    )
  }
  const scale = ([shift, factor]: number[]): Scale => ({ shift, factor })
  const scales = json.scales as { inputs: number[][]; targets: number[][] }
  return new Regressor({
    model,
    columns: json.columns as Parts['columns'],
    scales: { inputs: scales.inputs.map(scale), targets: scales.targets.map(scale) },
    linear: json.linear as number[][],
  })
}
