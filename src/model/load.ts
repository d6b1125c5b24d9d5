/** Reading `.refrain` files; `file.ts` says what is in them. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import { format, readJson, version } from './file.ts'
import { Functional } from './functional.ts'
import { type GraphConfig, graphFromConfig } from './graph.ts'
import type { Model, ModelOptions, TrainingRecord } from './model.ts'

/** What a `.refrain` file holds. */
export interface LoadedFile {
  readonly model: Model
  /** What `save` was given; null if nothing. */
  readonly encoders: unknown
  /** The training record and the facts given to `save`; null if the model was not trained. */
  readonly training: (Partial<TrainingRecord> & Record<string, unknown>) | null
}

/** A model, its encoders and its training record from the bytes of a `.refrain` file. */
export function decodeModel(
  bytes: Uint8Array,
  fileName: string,
  options: Pick<ModelOptions, 'backend'> = {},
): LoadedFile {
  const file = decodeSafetensors(bytes, fileName)
  const { metadata } = file
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
  const architecture = readJson<GraphConfig & { name: string; seed: number }>(
    file,
    'architecture',
    fileName,
  )
  if (!architecture) throw new RefrainError('BAD_FILE', `${fileName}: the architecture is missing`)
  const model = rebuild(architecture, fileName, options)
  for (const { path, shape, value, size } of model.parameters.parameters) {
    const found = file.tensors.get(path)
    if (!found || found.shape.join() !== shape.join()) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: expected a tensor '${path}' of shape ${show([...shape])}, ` +
          `got ${found ? show(found.shape) : 'none'}`,
      )
    }
    if (!(found.data instanceof Float32Array || found.data instanceof Float64Array)) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: expected '${path}' as F32 or F64, got ${found.dtype}`,
      )
    }
    if (found.data.length !== size) throw new Error('the codec checks lengths')
    value.values.set(found.data)
  }
  model.parameters.touch()
  const compiled = readJson<Parameters<Model['compile']>[0]>(file, 'compiled', fileName)
  const training = readJson<Record<string, unknown>>(file, 'training', fileName)
  inFile(fileName, () => {
    if (compiled) model.compile(compiled)
  })
  model.restoreRecord(training && 'history' in training ? (training as never) : null)
  return { model, encoders: readJson(file, 'encoders', fileName), training }
}

function rebuild(
  architecture: GraphConfig & { name: string; seed: number },
  fileName: string,
  { backend }: Pick<ModelOptions, 'backend'>,
): Model {
  return inFile(fileName, () => {
    const { name, seed } = architecture
    return new Functional(graphFromConfig(architecture), { name, seed, backend }).build()
  })
}

/** Turns any failure on what a file says into one `BAD_FILE` that names the file. */
function inFile<Result>(fileName: string, make: () => Result): Result {
  try {
    return make()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new RefrainError('BAD_FILE', `${fileName}: ${reason}`, '', { cause: error })
  }
}

/** Reads a `.refrain` file: the model with its encoders and training record. */
export async function loadFile(
  path: string,
  options: Pick<ModelOptions, 'backend'> = {},
): Promise<LoadedFile> {
  return decodeModel(await platform.readFile(path), path, options)
}

/** Reads the model of a `.refrain` file. Throws `FILE_NOT_FOUND` or `BAD_FILE`. */
export async function loadModel(
  path: string,
  options: Pick<ModelOptions, 'backend'> = {},
): Promise<Model> {
  return (await loadFile(path, options)).model
}
