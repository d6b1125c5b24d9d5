/**
 * The `.refrain` file: a safetensors file whose metadata holds the architecture, how the model was
 * compiled, the encoders and the training record. A checkpoint adds the trainer's state: arrays
 * named `state/…` and the metadata entry `state`.
 */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { TrainerState } from '../train/trainer.ts'
import {
  decodeSafetensors,
  encodeSafetensors,
  type Safetensors,
  type SafetensorsTensor,
} from '../util/safetensors.ts'
import type { Model, SaveOptions } from './model.ts'

export const format = 'refrain'
export const version = '1'
const statePrefix = 'state/'

/** The bytes of a model's file; a checkpoint's, with the trainer's state. */
export function encodeModel(
  model: Model,
  extras: SaveOptions,
  state: TrainerState | null,
): Uint8Array {
  const tensors = new Map<string, SafetensorsTensor>()
  const add = (name: string, shape: readonly number[], data: Float32Array | Float64Array) => {
    const dtype = data instanceof Float64Array ? 'F64' : 'F32'
    tensors.set(name, { dtype, shape: [...shape], data })
  }
  const { architecture } = model
  for (const { path, shape, value } of model.parameters.parameters) {
    add(path, shape, value.values.slice())
  }
  const metadata: Record<string, string> = {
    format,
    version,
    architecture: JSON.stringify(architecture),
  }
  const { compiled } = model
  if (compiled) {
    const { optimizer, loss, metrics } = compiled
    const { name, options } = optimizer
    metadata.compiled = JSON.stringify({ optimizer: { name, options }, loss, metrics })
  }
  if (extras.encoders !== undefined) metadata.encoders = JSON.stringify(extras.encoders)
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

/** Writes a model's file beside the target and renames it into place. */
export async function writeModelFile(
  path: string,
  model: Model,
  extras: SaveOptions,
  state: TrainerState | null,
): Promise<void> {
  if (typeof path !== 'string' || !path.endsWith('.refrain')) {
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

/** Puts a checkpoint's weights into `model` and returns the trainer's state. */
export async function readCheckpoint(path: string, model: Model): Promise<TrainerState> {
  const file = decodeSafetensors(await platform.readFile(path), path)
  const json = readJson<TrainerState['json']>(file, 'state', path)
  if (!json) {
    throw new RefrainError(
      'BAD_FILE',
      `fit 'resume': ${path} is not a checkpoint`,
      'a saved model has no optimizer state; resume from the file that checkpoint() wrote',
    )
  }
  const weights = model.parameters.parameters.map(({ path: name, shape }) => {
    const found = file.tensors.get(name)
    if (found?.shape.join() !== shape.join() || typeof found.data[0] === 'bigint') {
      throw new RefrainError(
        'BAD_FILE',
        `fit 'resume': ${path} holds another model: expected '${name}' of shape ${show([...shape])}`,
      )
    }
    return found.data as Float32Array | Float64Array
  })
  model.parameters.parameters.forEach(({ value }, i) => {
    value.values.set(weights[i])
  })
  model.parameters.touch()
  const arrays: TrainerState['arrays'] = {}
  for (const [name, { data }] of file.tensors) {
    if (!name.startsWith(statePrefix)) continue
    if (data instanceof Float32Array || data instanceof Float64Array) {
      arrays[name.slice(statePrefix.length)] = data
    }
  }
  return { arrays, json }
}
