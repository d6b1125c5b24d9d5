/**
 * A graph as Keras's configuration of a Functional or Sequential model.
 *
 * Weights are found by a layer's place among those of its class, so layers must stand in the order in which Keras
 * will have them: by depth, counted from the outputs, then in the order in which a walk from the outputs meets
 * them (`map_graph` in keras/src/ops/function.py).
 */
import type { LayerConfig, Shape } from '../../layers/layer.ts'
import type { GraphConfig } from '../../model/graph.ts'
import type { JsonObject } from '../json.ts'
import type { Problems } from '../problems.ts'
import { snakeCase } from './values.ts'
import { callOptions, classed, type Dialect, kerasLayer, type Writing } from './write-layers.ts'

/** A model's graph with its name and kind. */
export interface NamedGraph extends GraphConfig {
  readonly name: string
  readonly kind: 'sequential' | 'model'
  readonly trainable?: boolean
}

/** The shape of each call's outputs, the batch in front; Keras 3 writes them and reads past them. */
type Reference = readonly [call: number, output: number]

/**
 * `{ class_name, config }` of a model; `problems` then has all that cannot be said. `batchSize` is the rows of each batch,
 * null for any number.
 */
export function kerasModel(
  graph: NamedGraph,
  dialect: Dialect,
  problems: Problems,
  batchSize: number | null = null,
  masks = mayMask(graph.layers),
): JsonObject {
  const writing: Writing = {
    dialect,
    problems,
    masks,
    nested: ({ kind, name, options }) =>
      kerasModel(
        { ...(options as unknown as GraphConfig), name, kind: kind as 'model' },
        dialect,
        problems,
        batchSize,
        masks,
      ),
  }
  const plain = bypass(graph)
  for (const { name } of plain.layers) {
    if (name.includes('/')) problems.add(`the layer name '${name}': Keras's have no '/'`)
  }
  const trainable = graph.trainable !== false
  if (graph.kind === 'sequential') {
    const [input] = plain.inputs
    const layers = plain.layers.map((layer) => kerasLayer(layer, writing))
    const config = {
      name: graph.name,
      trainable,
      layers: [inputLayer(input, inputNames(plain)[0], dialect, batchSize), ...layers],
    }
    return {
      ...classed('keras', 'Sequential', config),
      build_config: { input_shape: [batchSize, ...input.shape] },
    }
  }
  const config = { name: graph.name, trainable, ...functional(plain, writing, batchSize) }
  return {
    ...classed('keras.src.models.functional', 'Functional', config),
    registered_name: 'Functional',
  }
}

/** Whether any of the layers, those inside them too, makes a mask. */
function mayMask(layers: readonly LayerConfig[]): boolean {
  return layers.some(({ kind, options }) => {
    if (kind === 'masking' || options.maskZero) return true
    const inside = [options.layer, options.layers ?? []].flat().filter((one) => one)
    return mayMask(inside as LayerConfig[])
  })
}

/** Layers of no effect but in training, and without a counterpart. */
const spared = ['tokenDropout']

/** The graph without layers that can be left out. */
function bypass(graph: NamedGraph): NamedGraph {
  const skipped = graph.calls.map(({ layer }) => spared.includes(graph.layers[layer].kind))
  if (!skipped.includes(true)) return graph
  const place = new Map<number, number>()
  graph.calls.forEach((_, i) => {
    if (!skipped[i]) place.set(i, place.size)
  })
  const find = ([call, output]: Reference): [number, number] => {
    if (call === -1) return [call, output]
    return skipped[call] ? find(graph.calls[call].inputs[0]) : [place.get(call)!, output]
  }
  const kept = graph.layers.filter(({ kind }) => !spared.includes(kind))
  return {
    ...graph,
    layers: kept,
    calls: graph.calls
      .filter((_, i) => !skipped[i])
      .map(({ layer, inputs }) => ({
        layer: kept.indexOf(graph.layers[layer]),
        inputs: inputs.map(find),
      })),
    outputs: graph.outputs.map(find),
  }
}

/** Names for the inputs that nothing else has. */
function inputNames({ inputs, layers }: GraphConfig): string[] {
  const taken = new Set(layers.map(({ name }) => name))
  return inputs.map(({ name }) => {
    let own = name
    for (let number = 2; taken.has(own); number++) own = `${name}_${number}`
    taken.add(own)
    return own
  })
}

function inputLayer(
  { shape, dtype }: GraphConfig['inputs'][number],
  own: string,
  dialect: Dialect,
  batchSize: number | null,
) {
  const batch: Shape = [batchSize, ...shape]
  const type = { dtype: dtype === 'int32' ? 'int32' : 'float32', sparse: false }
  const config =
    dialect === 'keras'
      ? { batch_shape: batch, ...type, ragged: false, name: own }
      : { batch_input_shape: batch, ...type, name: own }
  return { ...classed('keras.layers', 'InputLayer', config), name: own }
}

function functional(graph: NamedGraph, writing: Writing, batchSize: number | null) {
  const { dialect } = writing
  const names = inputNames(graph)
  /** [name, which of the layer's calls, which of its outputs], as a layer's input. */
  const history = ([call, output]: Reference): [string, number, number] => {
    if (call === -1) return [names[output], 0, 0]
    const { layer } = graph.calls[call]
    const before = graph.calls.slice(0, call).filter((one) => one.layer === layer).length
    const { name, kind } = graph.layers[layer]
    // Keras 2 counts a model's own making as its first call.
    return [name, before + (dialect === 'tfjs' && isModel(kind) ? 1 : 0), output]
  }
  /** As one of the model's outputs: Keras 3 counts as Keras 2 does there, Sequential aside. */
  const end = (reference: Reference) => {
    const [name, call, output] = history(reference)
    const [of] = reference
    const extra =
      dialect === 'keras' && of >= 0 && graph.layers[graph.calls[of].layer].kind === 'model'
    return [name, call + (extra ? 1 : 0), output]
  }
  const layers = order(graph).map((place) => {
    if (place < 0) {
      const i = -place - 1
      return { ...inputLayer(graph.inputs[i], names[i], dialect, batchSize), inbound_nodes: [] }
    }
    const layer = graph.layers[place]
    const inbound_nodes = graph.calls
      .filter((call) => call.layer === place)
      .map(({ inputs }) => node(layer, inputs.map(history), dialect))
    return { ...kerasLayer(layer, writing), name: layer.name, inbound_nodes }
  })
  return {
    layers,
    input_layers: names.map((name) => [name, 0, 0]),
    output_layers: graph.outputs.map(end),
  }
}

const isModel = (kind: string) => kind === 'model' || kind === 'sequential'

/** Layers whose inputs behind the first are an initial state. */
const takesStates = ['lstm', 'gru', 'simpleRnn', 'rnn', 'bidirectional']

/** One call of a layer. */
function node(
  { kind, options }: LayerConfig,
  inputs: readonly [string, number, number][],
  dialect: Dialect,
) {
  const given = callOptions.filter((key) => options[key]).map((key) => [snakeCase(key), true])
  const kwargs = Object.fromEntries(given)
  if (dialect === 'tfjs') return inputs.map((input) => [...input, kwargs])
  // The shape is one of the values that Keras makes itself; it must be a list of some length.
  const tensors = inputs.map((keras_history) => ({
    class_name: '__keras_tensor__',
    config: { shape: [null], dtype: 'float32', keras_history },
  }))
  const [first, ...states] = tensors
  if (takesStates.includes(kind)) {
    return {
      args: [first],
      kwargs: states.length > 0 ? { ...kwargs, initial_state: states } : kwargs,
    }
  }
  return { args: [tensors.length === 1 ? first : tensors], kwargs }
}

/** Layers by their numbers in Keras's order, inputs among them: input i as -1 - i. */
function order(graph: GraphConfig): number[] {
  // A node is a call by its number, or an input as -1 - i; what it belongs to is a layer or that input.
  const owner = (node: number) => (node < 0 ? node : graph.calls[node].layer)
  const nodeOf = ([call, output]: Reference) => (call === -1 ? -1 - output : call)
  const sources = (node: number) => (node < 0 ? [] : graph.calls[node].inputs.map(nodeOf))
  const index = new Map<number, number>()
  const nodes: number[] = []
  const visited = new Set<number>()
  const visit = (node: number) => {
    if (visited.has(node)) return
    visited.add(node)
    if (!index.has(owner(node))) index.set(owner(node), index.size)
    for (const source of sources(node)) visit(source)
    nodes.push(node)
  }
  for (const output of graph.outputs) visit(nodeOf(output))
  const nodeDepth = new Map<number, number>()
  const depth = new Map<number, number>()
  for (const node of nodes.reverse()) {
    const own = Math.max(nodeDepth.get(node) ?? 0, depth.get(owner(node)) ?? 0)
    depth.set(owner(node), own)
    for (const source of sources(node)) {
      nodeDepth.set(source, Math.max(own + 1, nodeDepth.get(source) ?? 0))
    }
  }
  graph.inputs.forEach((_, i) => {
    if (depth.has(-1 - i)) return
    depth.set(-1 - i, 0)
    index.set(-1 - i, -1)
  })
  return [...depth.keys()].sort(
    (a, b) => depth.get(b)! - depth.get(a)! || index.get(a)! - index.get(b)!,
  )
}
