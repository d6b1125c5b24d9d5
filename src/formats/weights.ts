/** Weights of other programs' files for a model that is there: files that say nothing of the model. */
import { RefrainError, show } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import type { Model } from '../model/model.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import { Hdf5 } from './hdf5.ts'
import { parseJson } from './json.ts'
import { arraysOfH5 } from './keras/h5.ts'
import { isShardIndex, shardArrays } from './keras/shards.ts'
import { byOrder, byPath } from './keras/weights.ts'
import { kerasLeaves } from './keras/write.ts'
import type { FileFormat } from './sniff.ts'
import { modulesOf } from './torch/modules.ts'
import { assign } from './torch/read.ts'
import {
  readTorchPickles,
  readTorchZip,
  type StateDict,
  stateOfSafetensors,
} from './torch/state.ts'

type Arrays = Map<Parameter, ArrayLike<number>>

/** Each parameter's array of a model whose layers have the file's names. */
export async function weightsFor(
  model: Model,
  bytes: Uint8Array,
  fileName: string,
  format: FileFormat,
  read: (path: string) => Promise<Uint8Array>,
): Promise<Arrays> {
  switch (format) {
    case 'hdf5':
      return Hdf5.read(bytes, fileName, (file) => {
        const assigned = file.children('').includes('layers')
          ? byPath(
              kerasLeaves(model as AnyModel, fileName),
              (path) => arrayAt(file, path),
              fileName,
            )
          : byOrder(model.layers, arraysOfH5(file, fileName).arraysOf, fileName)
        return new Map([...assigned].map(([parameter, array]) => [parameter, array.values()]))
      })
    case 'json': {
      const json = parseJson(new TextDecoder().decode(bytes), fileName)
      if (!isShardIndex(json)) break
      const folder = fileName.slice(
        0,
        Math.max(fileName.lastIndexOf('/'), fileName.lastIndexOf('\\')) + 1,
      )
      const { arrayAt } = await shardArrays(json, fileName, (name) => read(folder + name))
      const assigned = byPath(kerasLeaves(model as AnyModel, fileName), arrayAt, fileName)
      return new Map([...assigned].map(([parameter, array]) => [parameter, array.values()]))
    }
    case 'zip':
      return ofTorch(model, await readTorchZip(bytes, fileName), fileName)
    case 'pickle':
      return ofTorch(model, readTorchPickles(bytes, fileName), fileName)
    case 'safetensors':
      return ofTorch(model, stateOfSafetensors(decodeSafetensors(bytes, fileName)), fileName)
  }
  throw new RefrainError('UNSUPPORTED', `${fileName}: a ${format} file is none of weights`)
}

function arrayAt(file: Hdf5, path: string) {
  const shape = file.shape(path)
  return shape && { name: path, shape, values: () => file.values(path) }
}

/** Layers by the names of modules; of a stack 'rnn' the layers are rnn_l0, rnn_l1, …, as PyTorch ends its names. */
function ofTorch(model: Model, state: StateDict, fileName: string): Arrays {
  const { modules } = modulesOf(state)
  const found: Arrays = new Map()
  for (const layer of model.layers) {
    if (layer.parameters.length === 0) continue
    const plain = (name: string) => name.replaceAll('.', '_')
    const [, stack, index] = /^(.*)_l(\d+)$/.exec(layer.name) ?? []
    const module =
      modules.find(({ name }) => plain(name) === layer.name) ??
      modules.find(({ name, layers }) => plain(name) === stack && Number(index) < layers)
    if (!module) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: no module for the layer '${layer.name}'; it has ` +
          show(modules.map(({ name, shown }) => `${name}: ${shown}`)),
        'Give layers the names of modules, with _l0, _l1, … for those of a stack',
      )
    }
    assign(found, layer, state, module, Number(index ?? 0), fileName)
  }
  return found
}
