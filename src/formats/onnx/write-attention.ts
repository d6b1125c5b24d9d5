/** Attention, and products of two values, as ONNX's operators. */
import type { Layer } from '../../layers/layer.ts'
import type { WriteLayer } from './write-layers.ts'
import type { Value, Writer } from './writer.ts'

/** Scores [B,Q,K] of queries [B,Q,D] and keys [B,K,D], by their names. */
type WriteScores = (writer: Writer, layer: Layer, query: string, key: string) => string

/** tanh(q + k) for each pair, [B,Q,K,D]. */
function pairs(writer: Writer, query: string, key: string): string {
  const both = [writer.unsqueeze(query, 2), writer.unsqueeze(key, 1)]
  return writer.graph.node('Tanh', [writer.graph.node('Add', both)])
}

const sumOfFeatures = ({ graph }: Writer, x: string) =>
  graph.node('ReduceSum', [x, graph.ints([-1])], { keepdims: 0 })

export const dotScores: WriteScores = (writer, layer, query, key) => {
  const { graph } = writer
  const scale = writer.parameter(layer, 'scale')
  const weight = writer.parameter(layer, 'concatScoreWeight')
  const scaled = (x: string) => (scale ? graph.node('Mul', [x, writer.constant(scale)]) : x)
  if (!weight) return graph.node('MatMul', [scaled(query), writer.transpose(key, [0, 2, 1])])
  const sums = sumOfFeatures(writer, pairs(writer, scaled(query), scaled(key)))
  return graph.node('Mul', [sums, writer.constant(weight)])
}

export const additiveScores: WriteScores = (writer, layer, query, key) => {
  const { graph } = writer
  const mapped = (x: string, name: string) => {
    const kernel = writer.parameter(layer, name)
    return kernel ? graph.node('MatMul', [x, writer.constant(kernel)]) : x
  }
  const all = pairs(writer, mapped(query, 'queryKernel'), mapped(key, 'keyKernel'))
  const scale = writer.parameter(layer, 'scale')
  return sumOfFeatures(writer, scale ? graph.node('Mul', [all, writer.constant(scale)]) : all)
}

export const luongScores: WriteScores = (writer, layer, query, key) => {
  const { graph } = writer
  const [kernel, vector] = ['kernel', 'vector'].map((name) => writer.parameter(layer, name))
  if (!vector) {
    const mapped = kernel ? graph.node('MatMul', [query, writer.constant(kernel)]) : query
    return graph.node('MatMul', [mapped, writer.transpose(key, [0, 2, 1])])
  }
  // W [q; k] is the sum of its upper rows' product with q and its lower rows' with k.
  const [first, end] = [0, 2 ** 31 - 1].map((bound) => graph.ints([bound]))
  const width = writer.lengthOf(query, 2)
  const rows = (from: string, to: string) =>
    graph.node('Slice', [writer.constant(kernel!), from, to, graph.ints([0])])
  const both = [
    graph.node('MatMul', [query, rows(first, width)]),
    graph.node('MatMul', [key, rows(width, end)]),
  ] as const
  const all = pairs(writer, ...both)
  return sumOfFeatures(writer, graph.node('Mul', [all, writer.constant(vector)]))
}

/** Which keys queries may see: bool, of a shape that goes with [B,Q,K]; null for all. */
function visible(writer: Writer, query: Value, value: Value, causal: boolean): string | null {
  const { graph } = writer
  const valid = value.mask && writer.unsqueeze(value.mask.valid, 1)
  if (!causal) return valid
  const shape = graph.node(
    'Concat',
    [writer.lengthOf(query.name, 1), writer.lengthOf(value.name, 1)],
    {
      axis: 0,
    },
  )
  const lower = graph.node('Trilu', [graph.node('Expand', [graph.number(1), shape])], { upper: 0 })
  const before = graph.node('Greater', [lower, graph.number(0)])
  return valid ? graph.node('And', [valid, before]) : before
}

/** softmax(scores)·values; keys that must not be seen have the weight 0, masked queries give zeros. */
export const attentionWith =
  (scoresOf: WriteScores): WriteLayer =>
  (writer, layer, [query, value, key = value]) => {
    const { graph } = writer
    const { useCausalMask, returnAttentionScores } = layer.options()
    if (returnAttentionScores) writer.refuse(layer, 'gives its scores as a second output')
    const scores = scoresOf(writer, layer, query.name, key.name)
    const seen = visible(writer, query, value, Boolean(useCausalMask))
    const among = (x: string, otherwise: number) =>
      seen ? graph.node('Where', [seen, x, graph.number(otherwise)]) : x
    const weights = graph.node('Softmax', [among(scores, -3.4e38)], { axis: -1 }, layer.name)
    const y = graph.node('MatMul', [among(weights, 0), value.name])
    return { name: writer.choose(query.mask, 3, y, graph.number(0)), mask: query.mask }
  }

export const dot: WriteLayer = (writer, layer, inputs) => {
  const { graph } = writer
  const axes = layer.options().axes as readonly number[]
  if (inputs.some(({ shape }) => shape.length > 3)) {
    writer.refuse(layer, 'multiplies values of more than three dimensions')
  }
  // [B,M,K] and [B,K,N]; vectors are matrices of one row, and of one column.
  const [a, b] = inputs.map(({ name, shape }, i) => {
    const axis = (axes[i] + shape.length) % shape.length
    if (shape.length === 2) return writer.unsqueeze(name, 1 + i)
    return axis === 2 - i ? name : writer.transpose(name, [0, 2, 1])
  })
  const y = graph.node('MatMul', [a, b], {}, layer.name)
  const vectors = inputs.map(({ shape }) => shape.length === 2)
  if (vectors[1]) return { name: writer.squeeze(y, 2), mask: null }
  return { name: vectors[0] ? writer.squeeze(y, 1) : y, mask: null }
}
