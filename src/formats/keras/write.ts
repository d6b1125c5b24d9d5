/** Models as Keras and TensorFlow.js keep them: `.keras`, `.h5` and `model.json` with its weights. */
import type { AnyModel } from '../../model/file.ts'
import type { GraphConfig } from '../../model/graph.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import { type HdfDataset, type HdfGroup, writeHdf5 } from '../hdf5.ts'
import type { JsonObject } from '../json.ts'
import { Problems } from '../problems.ts'
import { zip } from '../zip.ts'
import { readModel } from './model.ts'
import { snakeCase } from './values.ts'
import { type Leaf, leavesOf } from './walk.ts'
import { inKerasOrder } from './weights.ts'
import { kerasModel } from './write-graph.ts'
import type { Dialect } from './write-layers.ts'

/** Whose layout is written. */
const kerasVersion = '3.15.1'

/** A model in Keras's words: its configuration, and where each layer with weights is in it. */
function describe(model: AnyModel, dialect: Dialect, fileName: string, batchSize: number | null) {
  const { name, type, ...graph } = model.architecture as unknown as GraphConfig & {
    name: string
    type: 'sequential' | 'model'
  }
  const problems = new Problems()
  const { layers } = model
  for (const layer of layers) {
    if (layer.stateful && batchSize === null) {
      problems.add(
        `${layer.kind} '${layer.name}' with stateful: true, for which it needs the size of batches: ` +
          'save with batchSize, or convert with --batch-size',
      )
    }
  }
  const config = kerasModel({ ...graph, name, kind: type }, dialect, problems, batchSize)
  problems.checkWriting(fileName, dialect === 'keras' ? 'Keras' : 'TensorFlow.js')
  return { config, leaves: leavesOf(readModel(config, fileName), layers, fileName) }
}

/** Where Keras 3 has the weights of each of a model's layers. */
export const kerasLeaves = (model: AnyModel, fileName: string): Leaf[] =>
  describe(model, 'keras', fileName, 1).leaves

const float32 = ({ value }: Parameter) => Float32Array.from(value.values)

const dataset = (parameter: Parameter): HdfDataset => ({
  shape: [...parameter.shape],
  values: float32(parameter),
})

/** The bytes of a `.keras` archive in the layout of Keras 3. */
export async function writeArchive(
  model: AnyModel,
  fileName: string,
  batchSize: number | null,
): Promise<Uint8Array> {
  const { config, leaves } = describe(model, 'keras', fileName, batchSize)
  const root: HdfGroup = { groups: {} }
  for (const { layer, path } of leaves) {
    const group = groupAt(root, [...path, 'vars'])
    group.datasets = Object.fromEntries(layer.parameters.map((one, i) => [i, dataset(one)]))
  }
  const text = (value: JsonObject) => new TextEncoder().encode(JSON.stringify(value))
  const saved = new Date().toISOString().slice(0, 19).replace('T', '@')
  return zip({
    'metadata.json': text({ keras_version: kerasVersion, date_saved: saved }),
    'config.json': text(config),
    'model.weights.h5': await writeHdf5(root),
  })
}

/** The group of this path, made with those that it is in. */
function groupAt(root: HdfGroup, path: readonly string[]): HdfGroup {
  let group = root
  for (const name of path) {
    group.groups ??= {}
    group.groups[name] ??= {}
    group = group.groups[name]
  }
  return group
}

/** The bytes of an `.h5` file of a whole model, as Keras 3 writes them. */
export async function writeH5(
  model: AnyModel,
  fileName: string,
  batchSize: number | null,
): Promise<Uint8Array> {
  const { config, leaves } = describe(model, 'keras', fileName, batchSize)
  const { class_name, config: inner } = config
  const layers = (inner as { layers: { name?: string; config: { name: string } }[] }).layers
  const names = layers.map((layer) => layer.name ?? layer.config.name)
  const groups: Record<string, HdfGroup> = {}
  for (const name of names) {
    const own = leaves.filter(({ names: [first] }) => first === name)
    const parameters = inKerasOrder(own.flatMap(({ layer }) => layer.parameters))
    const paths = new Map(
      own.flatMap((leaf) =>
        leaf.layer.parameters.map((one): [Parameter, string] => [one, pathOf(leaf, one)]),
      ),
    )
    const datasets = parameters.map((one): [string, HdfDataset] => [paths.get(one)!, dataset(one)])
    groups[name] = {
      attributes: { weight_names: datasets.map(([path]) => path) },
      datasets: Object.fromEntries(datasets),
    }
  }
  const about = { backend: 'tensorflow', keras_version: kerasVersion }
  groups.top_level_model_weights = { attributes: { weight_names: [] } }
  return writeHdf5({
    attributes: { ...about, model_config: JSON.stringify({ class_name, config: inner }) },
    groups: { model_weights: { attributes: { ...about, layer_names: names }, groups } },
  })
}

/** 'bidirectional/forward_lstm/kernel' */
const pathOf = ({ names }: Leaf, { name }: Parameter) => [...names, snakeCase(name)].join('/')

/** `model.json` and the file of weights that it names. */
export async function writeJsonModel(
  model: AnyModel,
  fileName: string,
  weightsName: string,
  batchSize: number | null,
): Promise<{ json: Uint8Array; weights: Uint8Array }> {
  const { config, leaves } = describe(model, 'tfjs', fileName, batchSize)
  const { class_name, config: inner } = config
  const named = leaves.flatMap(({ layer, scope }) =>
    layer.parameters.map((one) => ({ one, name: [...scope, snakeCase(one.name)].join('/') })),
  )
  const weights = named.map(({ one, name }) => ({ name, shape: one.shape, dtype: 'float32' }))
  const bytes = new Uint8Array(named.reduce((size, { one }) => size + 4 * one.size, 0))
  let at = 0
  for (const { one } of named) {
    bytes.set(new Uint8Array(float32(one).buffer), at)
    at += 4 * one.size
  }
  const json = {
    format: 'layers-model',
    generatedBy: 'refrain',
    convertedBy: null,
    modelTopology: { class_name, config: inner },
    weightsManifest: [{ paths: [weightsName], weights }],
  }
  return { json: new TextEncoder().encode(JSON.stringify(json)), weights: bytes }
}
