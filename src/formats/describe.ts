/** What a foreign file holds: said before anything is made of it, and of files that cannot be loaded, too. */
import { platform } from '#platform'
import { RefrainError } from '../errors.ts'
import type { CustomLayers } from '../layers/registry.ts'
import { sizeOf } from '../util/check.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import { isKeras } from './foreign.ts'
import { describeKeras } from './keras/describe.ts'
import { openArchive, openH5, openJsonModel } from './keras/read.ts'
import { describeOnnx } from './onnx/read.ts'
import type { FileFormat } from './sniff.ts'
import { modulesOf } from './torch/modules.ts'
import { propose } from './torch/read.ts'
import {
  readTorchPickles,
  readTorchZip,
  type StateDict,
  stateOfSafetensors,
} from './torch/state.ts'
import { isWritten } from './torch/write.ts'

/** What a file holds. */
export interface FileDescription {
  /** 'Keras archive', 'PyTorch state dictionary (zip)', … */
  readonly format: string
  /** The program that wrote it, with its version where the file says it. */
  readonly producer: string
  /** Layers, modules or operators, by the other program's words. */
  readonly layers: readonly {
    readonly name: string
    readonly kind: string
    readonly options: string
  }[]
  /** How many numbers the weights are. */
  readonly parameters: number
  /** What Refrain does not have; nothing if the file can be loaded. */
  readonly unsupported: readonly string[]
  /** What is left out without a difference to predictions, and what loading takes. */
  readonly notes: readonly string[]
}

/** The description of a file in a foreign format. */
export async function describeForeign(
  given: Uint8Array,
  path: string,
  format: FileFormat,
  custom: CustomLayers = {},
): Promise<FileDescription> {
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length)
  switch (format) {
    case 'hdf5':
      return openH5(bytes, path)((source) => describeKeras(source, custom))
    case 'zip':
      if (isKeras(bytes)) return openArchive(bytes, path)((source) => describeKeras(source, custom))
      return describeTorch(await readTorchZip(bytes, path), 'zip')
    case 'pickle':
      return describeTorch(readTorchPickles(bytes, path), 'before 1.6')
    case 'safetensors': {
      const file = decodeSafetensors(bytes, path)
      const description = describeTorch(stateOfSafetensors(file), 'safetensors')
      if (!isWritten(file)) return description
      const notes = ['Refrain wrote it: what is computed with the modules stands in its metadata']
      return { ...description, producer: 'Refrain', notes }
    }
    case 'json': {
      const folder = path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
      const open = openJsonModel(bytes, path, (name) => platform.readFile(folder + name))
      return open((source) => describeKeras(source, custom))
    }
    case 'onnx':
      return describeOnnx(bytes, path)
    default:
      throw new RefrainError('UNSUPPORTED', `${path}: a ${format} file cannot be read`)
  }
}

function describeTorch(state: StateDict, layout: string): FileDescription {
  const { modules, rest } = modulesOf(state)
  const parameters = [...state.values()].reduce((sum, { shape }) => sum + sizeOf([...shape]), 0)
  return {
    format: `PyTorch state dictionary (${layout})`,
    producer: 'PyTorch',
    layers: modules.map(({ name, kind, shown }) => ({
      name: name || '(the module)',
      kind,
      options: shown,
    })),
    parameters,
    unsupported:
      rest.length > 0 ? [`the tensors ${rest.join(', ')}, of modules that are not known`] : [],
    notes: [
      'What is computed with the modules is not in the file. If one after the other: ' +
        `--architecture '${JSON.stringify(propose(modules))}'`,
    ],
  }
}
