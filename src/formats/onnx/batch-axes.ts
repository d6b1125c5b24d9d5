/** Which dimension of a graph's inputs is the batch: told by the recurrent operators that they lead to. */
import { Attributes } from './operation.ts'
import type { GraphProto, NodeProto } from './proto.ts'
import { batchPlace } from './read-recurrent.ts'

const recurrent = ['LSTM', 'GRU', 'RNN']

/** Operators of which the dimension at a place of the output is that of the inputs. */
const same = [
  'Add',
  'AveragePool',
  'BatchNormalization',
  'Cast',
  'Clip',
  'Concat',
  'Conv',
  'Div',
  'Dropout',
  'Elu',
  'Expand',
  'Identity',
  'LayerNormalization',
  'LeakyRelu',
  'MatMul',
  'MaxPool',
  'Mul',
  'Relu',
  'Sigmoid',
  'Slice',
  'Softmax',
  'Sub',
  'Tanh',
  'Where',
]

/** The batch's place by the names of inputs; those that are not there have it in front. */
export function batchAxes(graph: GraphProto): Map<string, number> {
  const makers = new Map<string, NodeProto>()
  for (const node of graph.node) for (const name of node.output) makers.set(name, node)
  const initializers = new Set(graph.initializer.map(({ name }) => name))
  const inputs = new Set(
    graph.input.map(({ name }) => name).filter((one) => !initializers.has(one)),
  )
  const found = new Map<string, number>()
  const seen = new Set<string>()
  const pending: [name: string, axis: number][] = []
  for (const node of graph.node) {
    if (!recurrent.includes(node.opType)) continue
    const place = batchPlace({ attributes: new Attributes(node) })
    const [x, , , , , h, c] = node.input
    for (const name of [c, h, x]) if (name) pending.push([name, place])
    for (let next = pending.pop(); next; next = pending.pop()) {
      const [name, axis] = next
      const key = `${axis} ${name}`
      if (name === '' || seen.has(key)) continue
      seen.add(key)
      if (inputs.has(name) && !found.has(name)) found.set(name, axis)
      const maker = makers.get(name)
      if (maker) pending.push(...before(maker, axis))
    }
  }
  return found
}

/** Where the dimension comes from: inputs of the node that made it, and its places in them. */
function before(node: NodeProto, axis: number): [string, number][] {
  const attributes = new Attributes(node)
  const { opType, input } = node
  if (same.includes(opType)) return input.map((name) => [name, axis])
  if (opType === 'Transpose') {
    const from = attributes.ints('perm')?.[axis]
    return from === undefined ? [] : [[input[0], from]]
  }
  // Rows of a table, by ids.
  if (opType === 'Gather' && attributes.int('axis', 0) === 0) return [[input[1], axis]]
  if (opType === 'Unsqueeze') {
    const axes = attributes.ints('axes')
    return axes ? [[input[0], axis - axes.filter((one) => one >= 0 && one < axis).length]] : []
  }
  return []
}
