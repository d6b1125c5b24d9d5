/** A model's graph: the layer calls that lead from its inputs to its outputs, in order. */
import { RefrainError, show } from '../errors.ts'
import { checkInputShape } from '../layers/input.ts'
import {
  connect,
  type Layer,
  type LayerCall,
  type LayerConfig,
  SymbolicTensor,
} from '../layers/layer.ts'
import { linkLayers } from '../layers/registry.ts'
import type { Context } from '../tensor/context.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'

export interface Graph {
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
  /** Every call after those that it depends on. */
  readonly calls: readonly LayerCall[]
  /** Each layer once, in the order of its first call. */
  readonly layers: readonly Layer[]
}

/** Collects the calls between inputs and outputs; fails if an output depends on another input. */
export function makeGraph(
  inputs: readonly SymbolicTensor[],
  outputs: readonly SymbolicTensor[],
): Graph {
  if (inputs.length === 0 || outputs.length === 0) {
    throw new RefrainError('BAD_ARGUMENT', 'model: expected at least one input and one output')
  }
  const calls = new Set<LayerCall>()
  const visit = (value: SymbolicTensor) => {
    if (!(value instanceof SymbolicTensor)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `model 'outputs': expected results of apply, got ${show(value)}`,
      )
    }
    if (value.node === null) {
      if (!inputs.includes(value)) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `model 'inputs': an output depends on the input '${value.name}', which is not listed`,
        )
      }
      return
    }
    if (calls.has(value.node)) return
    for (const source of value.node.inputs) visit(source)
    calls.add(value.node)
  }
  for (const output of outputs) visit(output)
  const ordered = [...calls]
  return { inputs, outputs, calls: ordered, layers: [...new Set(ordered.map((c) => c.layer))] }
}

/**
 * Runs the graph; one tensor for each of its inputs, one for each of its outputs. `room(i, shape)` may
 * give memory for output i, which its layer may use or not.
 */
export function runGraph(
  graph: Graph,
  ctx: Context,
  inputs: readonly Tensor[],
  room: ((i: number, shape: readonly number[]) => Tensor | null) | null = null,
): Tensor[] {
  const values = new Map<SymbolicTensor, Tensor>()
  graph.inputs.forEach((input, i) => {
    values.set(input, inputs[i])
  })
  for (const { layer, inputs: sources, outputs } of graph.calls) {
    const given = sources.map((source) => values.get(source)!)
    const i = room && outputs.length === 1 ? graph.outputs.indexOf(outputs[0]) : -1
    if (room) ctx.offerRoom(i < 0 ? null : (shape) => room(i, shape))
    const results = ctx.within(layer, () => layer.process(ctx, given))
    outputs.forEach((output, i) => {
      values.set(output, results[i])
    })
  }
  return graph.outputs.map((output) => values.get(output)!)
}

/** Where a value comes from: the call's number and which of its outputs; call -1: an input. */
type Reference = [call: number, output: number]

/** A graph as it stands in files. */
export interface GraphConfig {
  readonly inputs: { name: string; shape: (number | null)[]; dtype: DType }[]
  readonly layers: ReturnType<typeof configOf>[]
  readonly calls: { layer: number; inputs: Reference[] }[]
  readonly outputs: Reference[]
}

const configOf = (layer: Layer) => layer.config

/** What a file holds of a graph. */
export function graphConfig(graph: Graph): GraphConfig {
  const refer = (value: SymbolicTensor): Reference =>
    value.node === null
      ? [-1, graph.inputs.indexOf(value)]
      : [graph.calls.indexOf(value.node), value.node.outputs.indexOf(value)]
  return {
    inputs: graph.inputs.map(({ name, shape, dtype }) => ({
      name,
      shape: shape.slice(1),
      dtype,
    })),
    layers: graph.layers.map(configOf),
    calls: graph.calls.map(({ layer, inputs }) => ({
      layer: graph.layers.indexOf(layer),
      inputs: inputs.map(refer),
    })),
    outputs: graph.outputs.map(refer),
  }
}

/** The graph that a file describes, with new layers, which `make` makes. */
export function graphFromConfig(config: GraphConfig, make: (config: LayerConfig) => Layer): Graph {
  const inputs = config.inputs.map(({ name, shape, dtype }) => {
    checkInputShape(`the input ${show(name)}`, shape)
    if (typeof name !== 'string' || !['float', 'int32'].includes(dtype)) {
      throw new RefrainError('BAD_FILE', `the input ${show(name)} is of type ${show(dtype)}`)
    }
    return new SymbolicTensor([null, ...shape], dtype, null, name)
  })
  const layers = config.layers.map(make)
  linkLayers(layers)
  const made: SymbolicTensor[][] = []
  const find = ([call, output]: Reference): SymbolicTensor => {
    const value = call === -1 ? inputs[output] : made[call]?.[output]
    if (!value) throw new RefrainError('BAD_FILE', `no value ${call}.${output} in the architecture`)
    return value
  }
  for (const call of config.calls) {
    const layer = layers[call.layer]
    if (!layer) throw new RefrainError('BAD_FILE', `no layer ${call.layer} in the architecture`)
    made.push(connect(layer, call.inputs.map(find)))
  }
  return makeGraph(inputs, config.outputs.map(find))
}
