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
import { npzArrays } from './npz.ts'
import { modernArrays } from './older.ts'
import { isShardIndex, shardArrays } from './shards.ts'
import { readTfjs, tfjsArrays } from './tfjs.ts'
import { leavesOf } from './walk.ts'
import { type Assigned, byName, byOrder, byPath, type FileArray, moves } from './weights.ts'

/** What a file of Keras's says, while it is open. */
export interface KerasSource {
  readonly fileName: string
  /** 'Keras archive', … */
  readonly format: string
  /** `{ class_name, config }`; null in a file of weights alone. */
  readonly config: unknown
  /** The version of Keras, '' if it does not say. */
  readonly version: string
  /** The shapes of all weights. */
  shapes(): (readonly number[])[]
  /** Finds the arrays of a model's layers. */
  assign(model: KerasModel, layers: readonly Layer[]): Assigned
}

/** Opens a file; `use` may read from it until it returns. */
export type OpenSource = <Result>(use: (source: KerasSource) => Result) => Promise<Result>

/** Whether a version is Keras 3's: it has another hard_sigmoid than those before, and than TensorFlow.js. */
export const isLegacy = (version: string) => !/^[3-9]\./.test(version)

const withoutModel = (fileName: string) =>
  new RefrainError(
    'BAD_FILE',
    `${fileName}: weights without a model`,
    'Make the model, then loadWeights(model, path)',
  )

/** The model of a file. */
export function buildKeras(
  source: KerasSource,
  { customLayers = {}, ...options }: ForeignOptions,
): Model {
  const { fileName, config, version } = source
  if (!config) throw withoutModel(fileName)
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
    arrays ??= source.assign(model, graph.layers)
    const array = arrays.get(parameter)
    if (!array) throw new RefrainError('BAD_FILE', `${fileName}: no weights for ${parameter.path}`)
    return () => {
      const values = array.values()
      if (values.length === parameter.size) return values
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: expected ${parameter.size} numbers for ${parameter.path}, got ${values.length}`,
      )
    }
  })
}

/** A Keras `.h5` file. */
export const openH5 =
  (bytes: Uint8Array, fileName: string): OpenSource =>
  (use) =>
    Hdf5.read(bytes, fileName, (file) => {
      const { names, arraysOf } = arraysOfH5(file, fileName)
      return use({
        fileName,
        format: 'Keras HDF5',
        config: configOfH5(file, fileName),
        version: versionOfH5(file),
        shapes: () => names.flatMap((layer) => arraysOf(layer).map(({ shape }) => shape)),
        assign: (model, layers) => {
          const leaves = leavesOf(model, layers, fileName)
          const modern = (name: string) =>
            modernArrays(
              leaves.filter(({ names }) => names[0] === name),
              arraysOf(name),
              moves,
            )
          return byOrder(layers, modern, fileName)
        },
      })
    })

const isArchived = (name: string) =>
  ['config.json', 'metadata.json'].includes(name) || /^model[\w.]*\.(h5|npz|json)$/.test(name)

/** A `.keras` archive. */
export const openArchive =
  (bytes: Uint8Array, fileName: string): OpenSource =>
  async (use) => {
    const files = await unzip(bytes, fileName, isArchived)
    const file = (name: string) => {
      const found = files.get(name)
      if (found) return found
      throw new RefrainError('BAD_FILE', `${fileName}: expected ${name} in the archive, got none`)
    }
    const where = (name: string) => `${fileName}: ${name}`
    const json = (name: string) => parseJson(new TextDecoder().decode(file(name)), where(name))
    const config = json('config.json')
    const metadata = files.has('metadata.json') ? json('metadata.json') : {}
    const { keras_version: version } = asObject(metadata, where('metadata.json'))
    const about = {
      fileName,
      format: 'Keras archive',
      config,
      version: typeof version === 'string' ? version : '',
    }
    type Arrays = Awaited<ReturnType<typeof npzArrays>>
    const useArrays = ({ names, arrayAt }: Arrays) =>
      use({
        ...about,
        shapes: () => names.map((name) => arrayAt(name)!.shape),
        assign: (model, layers) => byPath(leavesOf(model, layers, fileName), arrayAt, fileName),
      })
    if (files.has('model.weights.npz')) {
      return useArrays(await npzArrays(file('model.weights.npz'), where('model.weights.npz')))
    }
    if (files.has('model.weights.json')) {
      const name = 'model.weights.json'
      return useArrays(await shardArrays(json(name), where(name), async (shard) => file(shard)))
    }
    return Hdf5.read(file('model.weights.h5'), where('model.weights.h5'), (file) => {
      // TF 2.13 called the list of layers so.
      const old = '_layer_checkpoint_dependencies'
      const isOld = file.children('').includes(old)
      const arrayAt = (path: string): FileArray | null => {
        const name = isOld ? path.replace(/(^|\/)layers\//g, `$1${old}/`) : path
        const shape = file.shape(name)
        return shape && { name, shape, values: () => file.values(name) }
      }
      return use({
        ...about,
        shapes: () => shapesIn(file, isOld ? old : 'layers'),
        assign: (model, layers) => byPath(leavesOf(model, layers, fileName), arrayAt, fileName),
      })
    })
  }

/** The shapes of a group's arrays and those of the groups in it, but for seeds. */
function shapesIn(file: Hdf5, path: string, depth = 0): (readonly number[])[] {
  if (depth > 64 || /seed_generator|state_seed/.test(path)) return []
  const shape = file.shape(path)
  if (shape) return [shape]
  return file.children(path).flatMap((name) => shapesIn(file, `${path}/${name}`, depth + 1))
}

/** TensorFlow.js's `model.json`. `readBeside` reads a file beside it, by its relative path. */
export const openJsonModel =
  (
    bytes: Uint8Array,
    fileName: string,
    readBeside: (path: string) => Promise<Uint8Array>,
  ): OpenSource =>
  async (use) => {
    const json = parseJson(new TextDecoder().decode(bytes), fileName)
    if (isShardIndex(json)) throw withoutModel(fileName)
    const file = readTfjs(json, fileName)
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
    return use({
      fileName,
      format: 'TensorFlow.js layers model',
      config: file.model,
      version: file.version,
      shapes: () => arrays.map(({ shape }) => shape),
      assign: (model, layers) => byName(leavesOf(model, layers, fileName), arrays, fileName),
    })
  }
