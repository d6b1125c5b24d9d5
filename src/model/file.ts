/**
 * The `.refrain` file: a safetensors file whose metadata holds the architecture, how the model was
 * compiled, the encoders and the training record. A checkpoint adds the trainer's state: arrays
 * named `state/…` and the metadata entry `state`.
 */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { MetricConfig } from '../train/metric.ts'
import type { Resume, TrainerState } from '../train/plan.ts'
import { fromFloat16, toFloat16 } from '../util/float16.ts'
import { encodeSafetensors, type Safetensors, type SafetensorsTensor } from '../util/safetensors.ts'
import type { Model, SaveOptions } from './model.ts'

const format = 'refrain'
const version = '1'
export const statePrefix = 'state/'

export type AnyModel = Model<Tensor | Tensor[]>

/** The bytes of a model's file; a checkpoint's, with the trainer's state. */
export function encodeModel(
  model: AnyModel,
  extras: SaveOptions,
  state: TrainerState | null,
): Uint8Array {
  const tensors = new Map<string, SafetensorsTensor>()
  const add = (name: string, shape: readonly number[], data: Float32Array | Float64Array) => {
    const dtype = data instanceof Float64Array ? 'F64' : 'F32'
    tensors.set(name, { dtype, shape: [...shape], data })
  }
  const { architecture } = model
  const half = isHalf(extras.dtype)
  for (const { path, shape, value } of model.parameters.parameters) {
    if (half) tensors.set(path, halfOf(path, shape, value.values))
    else add(path, shape, value.values.slice())
  }
  const metadata: Record<string, string> = {
    format,
    version,
    architecture: JSON.stringify(architecture),
  }
  const compiled = describeCompiled(model)
  if (compiled) metadata.compiled = JSON.stringify(compiled)
  const encoders = extras.encoders ?? model.encoders
  if (encoders !== null) metadata.encoders = JSON.stringify(encoders)
  const training = { ...model.trainingRecord, ...extras.training }
  if (Object.keys(training).length > 0) metadata.training = JSON.stringify(training)
  if (state) {
    metadata.state = JSON.stringify(state.json)
    for (const [name, array] of Object.entries(state.arrays)) {
      add(statePrefix + name, [array.length], array)
    }
  }
  return encodeSafetensors(tensors, metadata)
}

function isHalf(dtype: unknown): boolean {
  if (dtype === undefined || dtype === 'float16') return dtype === 'float16'
  throw new RefrainError(
    'BAD_ARGUMENT',
    `save 'dtype': expected 'float16', got ${show(dtype)}`,
    'Leave it out to write weights as they are',
  )
}

/** A weight in half precision, which must not lose more than digits. */
function halfOf(
  name: string,
  shape: readonly number[],
  values: ArrayLike<number>,
): SafetensorsTensor {
  const data = toFloat16(values)
  const at = data.findIndex((bits) => (bits & 0x7c00) === 0x7c00)
  if (at < 0) return { dtype: 'F16', shape: [...shape], data }
  throw new RefrainError(
    'BAD_ARGUMENT',
    `save 'dtype': the weight '${name}' is ${values[at]} at ${at}, float16 ends at 65504`,
    'Leave dtype out to write weights as they are',
  )
}

/** Optimizer, loss and metrics as they stand in files; null before `compile`. */
export function describeCompiled({ compiled }: AnyModel) {
  if (!compiled) return null
  const { outputs } = compiled
  const { name, options } = compiled.optimizer
  const optimizer = { name, options }
  if (outputs.length === 1 && outputs[0].weight === 1) {
    const [{ loss, metrics }] = outputs
    return inFiles({ optimizer, loss, metrics: metrics.map(describeMetric) })
  }
  return inFiles({
    optimizer,
    loss: outputs.map(({ loss }) => loss),
    lossWeights: outputs.map(({ weight }) => weight),
    metrics: outputs.map(({ metrics }) => metrics.map(describeMetric)),
  })
}

/** A metric by its name if it has no options. Of the user's own only the name stands in files. */
function describeMetric(config: MetricConfig): unknown {
  if (config.make) return { name: config.name, custom: true }
  return Object.keys(config).length > 1 ? config : config.name
}

/** As files hold it: without the functions of the user's own losses. */
const inFiles = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value))

let foreign: ((model: AnyModel, path: string) => Promise<void>) | null = null

/** Makes `save` able to write other programs' formats. */
export function addForeignWriter(writer: typeof foreign): void {
  foreign = writer
}

/** Writes a model's file beside the target and renames it into place. */
export async function writeModelFile(
  path: string,
  model: AnyModel,
  extras: SaveOptions,
  state: TrainerState | null,
): Promise<void> {
  if (typeof path !== 'string' || !path.endsWith('.refrain')) {
    if (foreign && typeof path === 'string' && !state) return foreign(model, path)
    throw new RefrainError(
      'BAD_ARGUMENT',
      `save 'path': expected a file name that ends in .refrain, got ${show(path)}`,
    )
  }
  await platform.writeFile(path, encodeModel(model, extras, state))
}

/** A JSON entry of the metadata, or null if there is none. */
export function readJson<Value>(file: Safetensors, key: string, fileName: string): Value | null {
  const text = file.metadata[key]
  if (text === undefined) return null
  try {
    return JSON.parse(text) as Value
  } catch (error) {
    throw new RefrainError('BAD_FILE', `${fileName}: the metadata '${key}' is not JSON`, '', {
      cause: error,
    })
  }
}

/** Fails unless the metadata is that of a `.refrain` file of this version. */
export function checkFormat({ metadata }: Safetensors, fileName: string): void {
  if (metadata.format !== format) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected a .refrain file, got a safetensors file without Refrain's metadata`,
    )
  }
  if (metadata.version !== version) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected format version ${version}, got ${show(metadata.version)}`,
      'a newer Refrain wrote this file; update to read it',
    )
  }
}

/** The file's weights of a parameter. */
export function findWeights(
  file: Safetensors,
  { path, shape }: Parameter,
  fileName: string,
): Float32Array | Float64Array {
  const found = file.tensors.get(path)
  if (!found || found.shape.join() !== shape.join()) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected a tensor '${path}' of shape ${show([...shape])}, ` +
        `got ${found ? show(found.shape) : 'none'}`,
    )
  }
  if (found.dtype === 'F16') return fromFloat16(found.data as Uint16Array)
  if (!(found.data instanceof Float32Array || found.data instanceof Float64Array)) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected '${path}' as F16, F32 or F64, got ${found.dtype}`,
    )
  }
  return found.data
}

type ReadCheckpoint = (path: string, model: AnyModel) => Promise<Resume>

let known: ReadCheckpoint | null = null

/** Makes `fit` able to resume. */
export function addCheckpointReader(reader: ReadCheckpoint): void {
  known = reader
}

/** Reads a checkpoint that `model` can go on from; throws `UNSUPPORTED` in a bundle that cannot. */
export function readCheckpoint(path: string, model: AnyModel): Promise<Resume> {
  if (known) return known(path, model)
  throw new RefrainError(
    'UNSUPPORTED',
    "fit 'resume': its code is not in this bundle",
    "use loadModel of 'refrain' somewhere in the page",
  )
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a file's JSON is a training history. */
export function isHistory(value: unknown): boolean {
  return (
    isObject(value) &&
    Array.isArray(value.epoch) &&
    isObject(value.history) &&
    Object.values(value.history).every(Array.isArray)
  )
}
