/** Reading `.refrain` files; `file.ts` says what is in them. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { Layer, LayerConfig } from '../layers/layer.ts'
import { type CustomLayers, layerFromConfig } from '../layers/registry.ts'
import { orthogonalTerm } from '../tensor/orthogonal-regularizer.ts'
import { addOrthogonal } from '../tensor/regularizers.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { ctcLoss } from '../train/ctc-loss.ts'
import { addLosses } from '../train/losses.ts'
import { moreLosses } from '../train/losses-more.ts'
import { addMetrics } from '../train/metrics.ts'
import { iouKinds } from '../train/metrics-iou.ts'
import { moreKinds } from '../train/metrics-more.ts'
import { sequenceKinds } from '../train/metrics-sequences.ts'
import { restoreOptimizer } from '../train/restore.ts'
import { addSequenceLoss } from '../train/sequence-losses.ts'
import { decodeSafetensors, type Safetensors, type SafetensorsDtype } from '../util/safetensors.ts'
import { compactWriter } from './compact.ts'
import {
  addCheckpointReader,
  addCompactWriter,
  checkFormat,
  findWeights,
  isHistory,
  readJson,
} from './file.ts'
import { Functional } from './functional.ts'
import { type GraphConfig, graphFromConfig } from './graph.ts'
import type { Model, ModelOptions } from './model.ts'
import { nestedFromConfig } from './nested.ts'
import { readCheckpoint } from './resume.ts'
import type { TrainingRecord } from './training.ts'

addCheckpointReader(readCheckpoint)
addCompactWriter(compactWriter)
addOrthogonal(orthogonalTerm)

/** Options of `loadModel`. */
export interface LoadOptions extends Pick<ModelOptions, 'backend'> {
  /** Cells of `defineCell` and functions of lambda layers, which files only name, by these names. */
  customLayers?: CustomLayers
}

/** What a `.refrain` file holds. */
export interface LoadedFile {
  readonly model: Model
  /** What `save` was given; null if nothing. */
  readonly encoders: unknown
  /** The training record and the facts given to `save`; null if the model was not trained. */
  readonly training: (Partial<TrainingRecord> & Record<string, unknown>) | null
  /** What weights are written as: 'I8' (biases then as 'F32'), 'F16', 'F32' or 'F64'; null if there are none. */
  readonly dtype: SafetensorsDtype | null
  /** Where training stands, if the file is a checkpoint; else null. */
  readonly checkpoint: {
    readonly epoch: number
    readonly step: number
    readonly steps: number
  } | null
}

/** A model, its encoders and its training record from the bytes of a `.refrain` file. */
export function decodeModel(
  bytes: Uint8Array,
  fileName: string,
  { customLayers, ...options }: LoadOptions = {},
): LoadedFile {
  const file = decode(bytes, fileName)
  checkFormat(file, fileName)
  const architecture = readJson<GraphConfig & { name: string; seed: number; type?: string }>(
    file,
    'architecture',
    fileName,
  )
  if (!architecture) throw new RefrainError('BAD_FILE', `${fileName}: the architecture is missing`)
  const model = inFile(fileName, () => {
    const { name, seed, type } = architecture
    if (typeof name !== 'string') throw new Error("the model's name is missing")
    const graph = graphFromConfig(architecture, layerMaker(customLayers))
    const made = new Functional<Tensor>(
      graph,
      { name, seed, ...options },
      type === 'sequential' ? type : 'model',
    )
    return made.buildWith((parameter) => findWeights(file, parameter, fileName))
  })
  checkFinite(model, fileName)
  const compiled = readJson<Parameters<Model['compile']>[0]>(file, 'compiled', fileName)
  inFile(fileName, () => {
    // What the user's own loss and metrics compute does not stand in files.
    if (!compiled || [compiled.loss].flat().some((loss) => isCustom(loss))) return
    addMetrics({ ...moreKinds, ...sequenceKinds, ...iouKinds })
    addSequenceLoss('ctc', ctcLoss)
    addLosses(moreLosses)
    const metrics = [compiled.metrics ?? []].flat().flatMap((one) => {
      if (Array.isArray(one)) return [one.filter((metric) => !isCustom(metric))]
      return isCustom(one) ? [] : [one]
    }) as typeof compiled.metrics
    const optimizer = compiled.optimizer && restoreOptimizer(compiled.optimizer as never)
    model.compile({ ...compiled, optimizer, metrics })
  })
  const training = readJson<Record<string, unknown>>(file, 'training', fileName)
  if (training !== null && (typeof training !== 'object' || Array.isArray(training))) {
    throw new RefrainError('BAD_FILE', `${fileName}: the metadata 'training' is not an object`)
  }
  model.restoreRecord(training && isHistory(training.history) ? (training as never) : null)
  model.encoders = readJson(file, 'encoders', fileName)
  const dtypes = model.parameters.parameters.map(({ path }) => file.tensors.get(path)!.dtype)
  return {
    model,
    encoders: model.encoders,
    training,
    dtype: dtypes.includes('I8') ? 'I8' : (dtypes[0] ?? null),
    checkpoint: readPosition(file, fileName),
  }
}

/** Whether a loss or metric of a file is the user's own. */
const isCustom = (value: unknown) => Object.hasOwn(Object(value), 'custom')

/** Makes layers of any kind, models inside a model among them. */
export function layerMaker(custom: CustomLayers = {}) {
  const make = (config: LayerConfig): Layer => {
    const nested = config?.kind === 'model' || config?.kind === 'sequential'
    return nested ? nestedFromConfig(config, make) : layerFromConfig(config, custom, make)
  }
  return make
}

/** As `decodeSafetensors`; of a file that is something else, it says so first. */
function decode(bytes: Uint8Array, fileName: string): Safetensors {
  try {
    return decodeSafetensors(bytes, fileName)
  } catch (error) {
    const what = (error as Error).message.slice(fileName.length + 2)
    const isAlien = /^(a safetensors file has|its header (claims|does not begin))/.test(what)
    if (!isAlien) throw error
    const [reason] = what.split('. It is')
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: not a .refrain file, or one that was cut off: ${reason}`,
      'Such files come from refrain train and from model.save',
      { cause: error },
    )
  }
}

/** The epoch, from 0, and the step in it at which a checkpoint goes on, and the steps done in all. */
function readPosition(file: Safetensors, fileName: string): LoadedFile['checkpoint'] {
  const state = readJson<Record<string, unknown>>(file, 'state', fileName)
  const { epoch, step, iteration } = state ?? {}
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value)
  if (!isCount(epoch) || !isCount(step) || !isCount(iteration)) return null
  return { epoch, step, steps: iteration }
}

/**
 * Fails on weights that are NaN or infinite: every prediction would be NaN. Looks at the weights as
 * the backend holds them, since a float64 of a file may be too large for its float32.
 */
function checkFinite({ backend, parameters }: Model, fileName: string): void {
  for (const { path, value, size } of parameters.parameters) {
    const at = backend.kernels.firstNonFinite(value.values, size)
    if (at < 0) continue
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: the tensor '${path}' is ${value.values[at]} at ${at}`,
      'All weights must be finite: train the model again, with a lower learning rate',
    )
  }
}

/** Turns any failure on what a file says into one `BAD_FILE` that names the file. */
export function inFile<Result>(fileName: string, make: () => Result): Result {
  try {
    return make()
  } catch (error) {
    const named = error instanceof RefrainError && error.message.startsWith(`${fileName}: `)
    if (named) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new RefrainError('BAD_FILE', `${fileName}: ${reason}`, '', { cause: error })
  }
}

/** Reads a `.refrain` file: the model with its encoders and training record. */
export async function loadFile(path: string, options: LoadOptions = {}): Promise<LoadedFile> {
  if (typeof path !== 'string' || path === '') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `expected the path of a .refrain file, got ${path === '' ? 'an empty string' : show(path)}`,
      "such as loadModel('reviews.refrain')",
    )
  }
  return decodeModel(await platform.readFile(path), path, options)
}

/** Reads the model of a `.refrain` file. Throws `FILE_NOT_FOUND`, `BAD_FILE` or `BAD_ARGUMENT`. */
export async function loadRefrain(path: string, options: LoadOptions = {}): Promise<Model> {
  return (await loadFile(path, options)).model
}
