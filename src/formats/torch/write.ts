/** Models as PyTorch's `.safetensors`, and what such a file of our own is read back by. */
import { RefrainError } from '../../errors.ts'
import type { AnyModel } from '../../model/file.ts'
import { Functional } from '../../model/functional.ts'
import { type GraphConfig, graphFromConfig } from '../../model/graph.ts'
import { inFile, layerMaker } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import {
  encodeSafetensors,
  type Safetensors,
  type SafetensorsTensor,
} from '../../util/safetensors.ts'
import type { ForeignOptions } from '../foreign.ts'
import { asObject, parseJson } from '../json.ts'
import { Problems } from '../problems.ts'
import { tensorsOf } from './layout.ts'
import type { ModuleKind } from './modules.ts'
import { Program, programText } from './program.ts'
import { assign } from './read.ts'
import { stateOfSafetensors } from './state.ts'

/** The key of the metadata that holds what arrays do not say. */
const metadataKey = 'refrain'

/** BatchNorm1d's count, which its momentum None alone reads. */
const noBatches: SafetensorsTensor = { dtype: 'I64', shape: [], data: new BigInt64Array(1) }

/**
 * The bytes of a `.safetensors` file with the model's weights by PyTorch's names, for the modules that
 * `describeTorch` shows. They are named as the layers are, dots included, and a stack of recurrent layers is as many
 * modules. `loadModel` reads the file back, bit for bit, without being told an architecture: its metadata has it.
 *
 * Throws `UNSUPPORTED`, beginning with `where`, that names all layers and options that PyTorch's modules do not have.
 */
export function writeTorch(model: AnyModel, where: string): Uint8Array {
  const { modules } = programOf(model, where)
  const tensors = new Map<string, SafetensorsTensor>()
  for (const { name, layer } of modules) {
    for (const [key, shape, data] of tensorsOf(layer)) {
      const dtype = data instanceof Float64Array ? 'F64' : 'F32'
      tensors.set(`${name}.${key}`, { dtype, shape: [...shape], data })
    }
    if (layer.kind === 'batchNormalization') tensors.set(`${name}.num_batches_tracked`, noBatches)
  }
  const { architecture, encoders } = model
  const own = { version: 1, architecture, ...(encoders !== null && { encoders }) }
  return encodeSafetensors(tensors, { format: 'pt', [metadataKey]: JSON.stringify(own) })
}

/**
 * Python code of a class `Model` that computes in PyTorch what the model does, and of `load(path)`, which reads a
 * file of `writeTorch` into it. Sequences are as long as their batch: PyTorch knows no masks.
 *
 * Throws as `writeTorch` does.
 */
export function describeTorch(model: AnyModel): string {
  return programText(programOf(model, model.name))
}

function programOf(model: AnyModel, where: string): Program {
  const problems = new Problems()
  model.build().rename()
  const program = new Program(model.graph!, problems)
  problems.checkWriting(where, 'PyTorch')
  return program
}

/** Whether `writeTorch` made the file. */
export const isWritten = ({ metadata }: Safetensors): boolean =>
  Object.hasOwn(metadata, metadataKey)

/** The model of a file that `writeTorch` made; null for a file that says nothing of an architecture. */
export function readWritten(
  file: Safetensors,
  fileName: string,
  { customLayers, architecture: _, ...options }: ForeignOptions,
): Model | null {
  const text = file.metadata[metadataKey]
  if (text === undefined) return null
  const where = `${fileName}: metadata '${metadataKey}'`
  const { version, architecture, encoders = null } = asObject(parseJson(text, where), where)
  if (version !== 1) {
    const hint = 'a newer Refrain wrote this file; update to read it'
    throw new RefrainError('BAD_FILE', `${where}: expected version 1, got ${version}`, hint)
  }
  const config = asObject(architecture, where) as unknown as GraphConfig & {
    name: string
    seed: number
    type: string
  }
  const state = stateOfSafetensors(file)
  return inFile(fileName, () => {
    const { name, seed, type } = config
    const graph = graphFromConfig(config, layerMaker(customLayers))
    const kind = type === 'sequential' ? type : 'model'
    const model = new Functional<Tensor>(graph, { name, seed, ...options }, kind)
    let found: Map<Parameter, ArrayLike<number>> | null = null
    model.buildWith((parameter) => {
      // By the first parameter all have their paths.
      found ??= weightsOf(new Program(graph, new Problems()).modules, state, fileName)
      const values = found.get(parameter)
      if (values) return values
      throw new RefrainError('BAD_FILE', `${fileName}: no weights for ${parameter.path}`)
    })
    model.encoders = encoders
    return model
  })
}

function weightsOf(
  modules: Program['modules'],
  state: ReturnType<typeof stateOfSafetensors>,
  fileName: string,
): Map<Parameter, ArrayLike<number>> {
  const found = new Map<Parameter, ArrayLike<number>>()
  for (const { name, layer } of modules) {
    const bidirectional = layer.kind === 'bidirectional'
    const kind = (bidirectional ? layer.children[0].layer.kind : layer.kind) as ModuleKind
    assign(found, layer, state, { name, kind, bidirectional }, 0, fileName)
  }
  return found
}
