/** The calls of a graph, with those of layers inside layers, for one batch size and length. */
import type { Layer, Shape, SymbolicTensor } from '../../layers/layer.ts'
import { sizeOf } from '../../util/check.ts'
import type { Graph } from '../graph.ts'
import { Nested } from '../nested.ts'
import { innerLayers } from '../ways.ts'
import type { Call, Size } from './cost.ts'

/** A shape with the batch and open lengths filled in. */
export const fillIn = (shape: Shape, batch: number, steps: number): Size =>
  shape.map((length, axis) => length ?? (axis === 0 ? batch : steps))

/** All calls, a layer's inner ones before its own. */
export function callsOf(graph: Graph, batch: number, steps: number): Call[] {
  const calls: Call[] = []
  const visit = (layer: Layer, inputs: readonly Size[], tracked: boolean): readonly Size[] => {
    if (layer instanceof Nested) {
      visitGraph(
        layer.graph,
        inputs.map((size) => ({ size, tracked })),
      )
    } else {
      for (const { layer: inner } of innerLayers(layer)) {
        visit(inner, innerInputs(layer, inputs), tracked)
      }
    }
    const outputs = layer.outputShapes(inputs) as Size[]
    calls.push({ layer, inputs, outputs, tracked })
    return outputs
  }
  const visitGraph = (graph: Graph, inputs: readonly { size: Size; tracked: boolean }[]) => {
    const values = new Map<SymbolicTensor, { size: Size; tracked: boolean }>()
    graph.inputs.forEach((input, i) => {
      values.set(input, inputs[i])
    })
    for (const { layer, inputs, outputs } of graph.calls) {
      const given = inputs.map((input) => values.get(input)!)
      const sizes = visit(
        layer,
        given.map(({ size }) => size),
        given.some(({ tracked }) => tracked),
      )
      const tracked = [...given, ...layer.parameters.map((p) => ({ tracked: p.trainable }))]
      outputs.forEach((output, i) => {
        values.set(output, { size: sizes[i], tracked: tracked.some((source) => source.tracked) })
      })
    }
  }
  const inputs = graph.inputs.map(({ shape }) => fillIn(shape, batch, steps))
  visitGraph(
    graph,
    inputs.map((size) => ({ size, tracked: false })),
  )
  return calls
}

/** What a layer gives to the layers inside it. */
function innerInputs(layer: Layer, [x]: readonly Size[]): Size[] {
  return layer.kind === 'timeDistributed' ? [[sizeOf(x.slice(0, 2)), ...x.slice(2)]] : [x]
}
