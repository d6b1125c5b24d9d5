/** Models that Keras and TensorFlow.js wrote: `.h5`, `.keras` and `model.json`. */
import { RefrainError, show } from '../../errors.ts'
import type { Layer } from '../../layers/layer.ts'
import { Functional } from '../../model/functional.ts'
import { graphFromConfig } from '../../model/graph.ts'
import { layerMaker } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { ForeignOptions } from '../foreign.ts'
import { Hdf5 } from '../hdf5.ts'
import { asObject, parseJson } from '../json.ts'
import { Problems } from '../problems.ts'
import { unzip } from '../zip.ts'
import { kerasGraph } from './graph.ts'
import { arraysOfH5, configOfH5, versionOfH5 } from './h5.ts'
import { type KerasModel, readModel } from './model.ts'
import { readTfjs, tfjsArrays } from './tfjs.ts'
import { leavesOf } from './walk.ts'
import { type Assigned, byName, byOrder, byPath, type FileArray } from './weights.ts'

/** Finds the arrays of a model's layers. */
type Assign = (model: KerasModel, layers: readonly Layer[]) => Assigned

/** Whether a version is Keras 3's: it has another hard_sigmoid than those before, and than TensorFlow.js. */
const isLegacy = (version: string) => !/^[3-9]\./.test(version)

/**
 * The model of a configuration, with the weights that `assign` finds.
 *
 * @param version of Keras, as the file has it
 */
function build(
  config: unknown,
  version: string,
  assign: Assign,
  fileName: string,
  { customLayers = {}, ...options }: ForeignOptions,
): Model {
  const model = readModel(config, fileName)
  const problems = new Problems()
  const graphConfig = kerasGraph(model, {
    where: fileName,
    legacy: isLegacy(version),
    custom: customLayers,
    problems,
  })
  problems.check(fileName)
  const graph = graphFromConfig(graphConfig, layerMaker(customLayers))
  const built = new Functional<Tensor>(
    graph,
    { name: model.name, ...options },
    model.kind === 'sequential' ? 'sequential' : 'model',
  )
  // By the first parameter all have their paths.
  let arrays: Assigned | null = null
  return built.buildWith((parameter: Parameter) => {
    arrays ??= assign(model, graph.layers)
    const array = arrays.get(parameter)
    if (!array) throw new RefrainError('BAD_FILE', `${fileName}: no weights for ${parameter.path}`)
    return array.values()
  })
}

/** The model of a Keras `.h5` file. */
export function readH5(
  bytes: Uint8Array,
  fileName: string,
  options: ForeignOptions,
): Promise<Model> {
  return Hdf5.read(bytes, fileName, (file) => {
    const config = configOfH5(file, fileName)
    if (!config) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: weights without a model`,
        'Make the model, then loadWeights(model, path)',
      )
    }
    const arraysOf = arraysOfH5(file, fileName)
    const assign: Assign = (_, layers) => byOrder(layers, arraysOf, fileName)
    return build(config, versionOfH5(file), assign, fileName, options)
  })
}

/** Puts the weights of a Keras `.h5` file into a model's layers of the same names. */
export function readH5Weights(
  bytes: Uint8Array,
  fileName: string,
  layers: readonly Layer[],
): Promise<Map<Parameter, Float32Array | Float64Array>> {
  return Hdf5.read(bytes, fileName, (file) => {
    const assigned = byOrder(layers, arraysOfH5(file, fileName), fileName)
    return new Map([...assigned].map(([parameter, array]) => [parameter, array.values()]))
  })
}

const archived = ['config.json', 'metadata.json', 'model.weights.h5']

/** The model of a `.keras` archive. */
export async function readArchive(
  bytes: Uint8Array,
  fileName: string,
  options: ForeignOptions,
): Promise<Model> {
  const files = await unzip(bytes, fileName, (name) => archived.includes(name))
  const text = (name: string) => {
    const found = files.get(name)
    if (!found) {
      throw new RefrainError('BAD_FILE', `${fileName}: expected ${name} in the archive, got none`)
    }
    return new TextDecoder().decode(found)
  }
  const where = (name: string) => `${fileName}: ${name}`
  const config = parseJson(text('config.json'), where('config.json'))
  const metadata = files.has('metadata.json')
    ? parseJson(text('metadata.json'), where('metadata.json'))
    : {}
  const { keras_version: version } = asObject(metadata, where('metadata.json'))
  const weights = files.get('model.weights.h5')
  if (!weights) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected model.weights.h5 in the archive, got none`,
    )
  }
  return Hdf5.read(weights, where('model.weights.h5'), (file) => {
    // TF 2.13 called the list of layers so.
    const old = '_layer_checkpoint_dependencies'
    const isOld = file.children('').includes(old)
    const arrayAt = (path: string): FileArray | null => {
      const name = isOld ? path.replace(/(^|\/)layers\//g, `$1${old}/`) : path
      const shape = file.shape(name)
      return shape && { name, shape, values: () => file.values(name) }
    }
    const assign: Assign = (model, layers) =>
      byPath(leavesOf(model, layers, fileName), arrayAt, fileName)
    return build(config, typeof version === 'string' ? version : '', assign, fileName, options)
  })
}

/** The model of TensorFlow.js's `model.json`. `readBeside` reads a file beside it, by its relative path. */
export async function readJsonModel(
  bytes: Uint8Array,
  fileName: string,
  options: ForeignOptions,
  readBeside: (path: string) => Promise<Uint8Array>,
): Promise<Model> {
  const file = readTfjs(parseJson(new TextDecoder().decode(bytes), fileName), fileName)
  const files = new Map<string, Uint8Array>()
  for (const path of file.groups.flatMap(({ paths }) => paths)) {
    if (/^[/\\]|(^|[/\\])\.\.([/\\]|$)|:/.test(path)) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: the weights' file ${show(path)} does not lie beside it`,
      )
    }
    files.set(path, await readBeside(path))
  }
  const arrays = tfjsArrays(file, (path) => files.get(path)!, fileName)
  const assign: Assign = (model, layers) =>
    byName(leavesOf(model, layers, fileName), arrays, fileName)
  return build(file.model, file.version, assign, fileName, options)
}
