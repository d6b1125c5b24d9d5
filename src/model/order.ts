/** A graph's inputs and layers in the order in which Keras lists them: by depth, seen from the outputs. */
import type { Layer, LayerCall, Shape, SymbolicTensor } from '../layers/layer.ts'
import type { Graph } from './graph.ts'
import { valueNames } from './outputs.ts'

/** A line of a summary: a model's input or one of its layers. */
export interface Station {
  readonly name: string
  /** Keras's name of the class: 'LSTM', 'InputLayer'. */
  readonly type: string
  /** Null for an input. */
  readonly layer: Layer | null
  /** Steps to the farthest output. */
  readonly depth: number
  /** Shapes of the outputs of its last call. */
  readonly shapes: readonly Shape[]
  /** Where its inputs come from, call after call: a station, which of its calls, which output. */
  readonly sources: { from: Station; call: number; output: number }[]
}

/** lstm → LSTM, globalMaxPooling1d → GlobalMaxPooling1D, model → Functional. */
export function className(kind: string): string {
  if (kind === 'model') return 'Functional'
  return `${kind[0].toUpperCase()}${kind.slice(1)}`
    .replace(/(\d)d$/, '$1D')
    .replace('Lstm', 'LSTM')
    .replace(/^Gru/, 'GRU')
    .replace('Rnn', 'RNN')
    .replace(/^Crf/, 'CRF')
}

type Node = LayerCall | SymbolicTensor

/** The stations, those farthest from the outputs first. */
export function stationsOf(graph: Graph): Station[] {
  const ownerOf = (node: Node) => ('layer' in node ? node.layer : node)
  const sourceOf = (value: SymbolicTensor): Node => value.node ?? value
  const ordered: Node[] = []
  const indices = new Map<Layer | SymbolicTensor, number>()
  const seen = new Set<Node>()
  const visit = (node: Node) => {
    if (seen.has(node)) return
    seen.add(node)
    const owner = ownerOf(node)
    if (!indices.has(owner)) indices.set(owner, indices.size)
    if ('layer' in node) for (const value of node.inputs) visit(sourceOf(value))
    ordered.push(node)
  }
  for (const output of graph.outputs) visit(sourceOf(output))
  for (const input of graph.inputs) {
    if (!seen.has(input)) indices.set(input, -1)
    visit(input)
  }

  const nodeDepths = new Map<Node, number>()
  const depths = new Map<Layer | SymbolicTensor, number>()
  for (const node of ordered.toReversed()) {
    const owner = ownerOf(node)
    const depth = Math.max(nodeDepths.get(node) ?? 0, depths.get(owner) ?? 0)
    depths.set(owner, depth)
    if (!('layer' in node)) continue
    for (const value of node.inputs) {
      const source = sourceOf(value)
      nodeDepths.set(source, Math.max(depth + 1, nodeDepths.get(source) ?? 0))
    }
  }

  const names = valueNames(graph.inputs)
  const owners = [...depths.keys()].sort(
    (a, b) => depths.get(b)! - depths.get(a)! || indices.get(a)! - indices.get(b)!,
  )
  const stations = new Map<Layer | SymbolicTensor, Station>()
  for (const owner of owners) {
    const isLayer = 'kind' in owner
    const calls = isLayer ? graph.calls.filter(({ layer }) => layer === owner) : []
    stations.set(owner, {
      name: isLayer ? owner.name : names[graph.inputs.indexOf(owner)],
      type: isLayer ? className(owner.kind) : 'InputLayer',
      layer: isLayer ? owner : null,
      depth: depths.get(owner)!,
      shapes: isLayer ? calls.at(-1)!.outputs.map(({ shape }) => shape) : [owner.shape],
      sources: [],
    })
  }
  for (const { layer, inputs } of graph.calls) {
    const to = stations.get(layer)!
    for (const value of inputs) {
      const { node } = value
      const siblings = graph.calls.filter((call) => call.layer === node?.layer)
      to.sources.push({
        from: stations.get(node?.layer ?? value)!,
        call: node ? siblings.indexOf(node) : 0,
        output: node ? node.outputs.indexOf(value) : 0,
      })
    }
  }
  return [...stations.values()]
}

/** Whether the graph is one line of layers, none of which is called twice. */
export function isLine(graph: Graph): boolean {
  const { inputs, calls, layers } = graph
  const used = calls.flatMap((call) => call.inputs)
  return (
    inputs.length === 1 &&
    graph.outputs.length === 1 &&
    layers.length === calls.length &&
    calls.every((call) => call.inputs.length === 1) &&
    new Set(used).size === used.length
  )
}
