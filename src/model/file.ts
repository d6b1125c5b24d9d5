/**
 * The `.refrain` file: a safetensors file whose metadata holds the architecture, how the model was
 * compiled, the encoders and the training record. A checkpoint adds the trainer's state: arrays
 * named `state/…` and the metadata entry `state`.
 *
 * Weights stand under their paths, `dense/kernel`, as F32, F64 or F16. With `dtype: 'int8'` matrices are I8, codes
 * to be multiplied by `dense/kernel#scale`: F32, in the codes' shape with ones everywhere but at the last axis
 * (a scale for each output) or, for embeddings, at the first (for each row). The rest is F32; see `compact.ts`.
 */
import { platform } from '#platform'
import { notInBundle, RefrainError, show } from '../errors.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { MetricConfig } from '../train/metric.ts'
import type { Resume, TrainerState } from '../train/plan.ts'
import { encodeSafetensors, type Safetensors, type SafetensorsTensor } from '../util/safetensors.ts'
import { type compactWriter, fromCompact, type NamedTensor } from './compact.ts'
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
  const { dtype } = extras
  const write =
    dtype === undefined ? null : (compact ?? notInBundle("save 'dtype'", 'loadModel'))(dtype)
  // First, as it gives layers that models share the names that they have in this one.
  const { architecture } = model
  const tensors = new Map<string, SafetensorsTensor>()
  for (const parameter of model.parameters.parameters) {
    const { path, shape, value } = parameter
    const written = write?.(parameter) ?? [named(path, shape, value.values)]
    for (const [name, tensor] of written) tensors.set(name, tensor)
  }
  for (const [name, array] of Object.entries(state?.arrays ?? {})) {
    tensors.set(...named(statePrefix + name, [array.length], array))
  }
  const training = { ...model.trainingRecord, ...extras.training }
  const json = {
    architecture,
    compiled: describeCompiled(model),
    encoders: extras.encoders ?? model.encoders,
    training: Object.keys(training).length > 0 ? training : null,
    state: state?.json ?? null,
  }
  const metadata: Record<string, string> = { format, version }
  for (const [key, value] of Object.entries(json)) {
    if (value !== null) metadata[key] = JSON.stringify(value)
  }
  return encodeSafetensors(tensors, metadata)
}

const named = (
  name: string,
  shape: readonly number[],
  data: Float32Array | Float64Array,
): NamedTensor => [
  name,
  { dtype: data instanceof Float64Array ? 'F64' : 'F32', shape: [...shape], data },
]

let compact: typeof compactWriter | null = null

/** Makes `save` able to write weights in fewer bytes. */
export function addCompactWriter(writer: typeof compact): void {
  compact = writer
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

let foreign: ((model: AnyModel, path: string, extras: SaveOptions) => Promise<void>) | null = null

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
    if (foreign && typeof path === 'string' && !state) return foreign(model, path, extras)
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

type Values = Float32Array | Float64Array

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

/** The file's weights of a parameter, checked; of those in fewer bytes what puts them in their place. */
export function findWeights(
  file: Safetensors,
  { path, shape }: Parameter,
  fileName: string,
): Values | ((into: Values) => Values) {
  const found = file.tensors.get(path)
  if (!found || found.shape.join() !== shape.join()) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected a tensor '${path}' of shape ${show([...shape])}, ` +
        `got ${found ? show(found.shape) : 'none'}`,
    )
  }
  if (found.dtype === 'F16' || found.dtype === 'I8') {
    return (into) => fromCompact(file, path, fileName, into)
  }
  if (!(found.data instanceof Float32Array || found.data instanceof Float64Array)) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected '${path}' as I8, F16, F32 or F64, got ${found.dtype}`,
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
  return (known ?? notInBundle("fit 'resume'", 'loadModel'))(path, model)
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
