/** Models of other programs, in Node: what reads them comes from npm and is loaded when it is needed. */
import { platform } from '#platform'
import { RefrainError } from '../errors.ts'
import { addForeignWriter } from '../model/file.ts'
import type { LoadOptions } from '../model/load.ts'
import type { Model } from '../model/model.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import { buildKeras, openArchive, openH5, openJsonModel } from './keras/read.ts'
import { readOnnx } from './onnx/read.ts'
import type { FileFormat } from './sniff.ts'
import { type ArchitectureStep, readTorch } from './torch/read.ts'
import { readTorchPickles, readTorchZip, stateOfSafetensors } from './torch/state.ts'
import { readWritten } from './torch/write.ts'
import { weightsFor } from './weights.ts'
import { writeForeign } from './write.ts'

addForeignWriter(writeForeign)

/** Options of reading a foreign model. */
export interface ForeignOptions extends LoadOptions {
  /** Of PyTorch's files, which hold arrays alone: what is computed with them, one step after the other. */
  architecture?: readonly ArchitectureStep[]
}

/**
 * The model of a file in a foreign format.
 *
 * @param read reads the files beside it that it names
 */
export async function readForeign(
  given: Uint8Array,
  path: string,
  format: FileFormat,
  options: ForeignOptions,
  read: (path: string) => Promise<Uint8Array> = platform.readFile,
): Promise<Model> {
  // A Buffer's slice is no copy.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length)
  switch (format) {
    case 'hdf5':
      return openH5(bytes, path)((source) => buildKeras(source, options))
    case 'zip':
      return isKeras(bytes)
        ? openArchive(bytes, path)((source) => buildKeras(source, options))
        : readTorch(await readTorchZip(bytes, path), path, options)
    case 'pickle':
      return readTorch(readTorchPickles(bytes, path), path, options)
    case 'safetensors':
      return readSafetensors(bytes, path, options)
    case 'json': {
      const folder = path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
      const open = openJsonModel(bytes, path, (name) => read(folder + name))
      return open((source) => buildKeras(source, options))
    }
    case 'onnx':
      return readOnnx(bytes, path, options)
    default:
      throw new RefrainError('UNSUPPORTED', `${path}: a ${format} file cannot be read yet`)
  }
}

/** A file of `writeTorch` says what is computed with its arrays, unless `architecture` does. */
function readSafetensors(bytes: Uint8Array, path: string, options: ForeignOptions): Model {
  const file = decodeSafetensors(bytes, path)
  const written = options.architecture ? null : readWritten(file, path, options)
  return written ?? readTorch(stateOfSafetensors(file), path, options)
}

/** Puts the weights of a file that has no model into one whose layers have the file's names. */
export async function readWeights(
  model: Model,
  given: Uint8Array,
  path: string,
  format: FileFormat,
  read: (path: string) => Promise<Uint8Array> = platform.readFile,
): Promise<void> {
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length)
  model.build()
  const found = await weightsFor(model, bytes, path, format, read)
  model.setWeights(
    model.parameters.parameters.map((parameter) => {
      const data = found.get(parameter)
      if (data) return { shape: parameter.shape, data }
      throw new RefrainError('BAD_FILE', `${path}: no weights for ${parameter.path}`)
    }),
  )
}

/** Whether a zip archive is Keras's: it names the files in it. */
export function isKeras(bytes: Uint8Array): boolean {
  const end = new TextDecoder('latin1').decode(bytes.subarray(-65_536))
  return end.includes('config.json')
}
