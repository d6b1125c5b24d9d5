/** Predictions: a graph over all rows of its inputs, a batch at a time. */
import { epochBatches, lengthBatches } from '../data/batches.ts'
import { batchOf, type Column } from '../data/column.ts'
import type { Backend, Floats } from '../kernels/kernels.ts'
import type { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { type Tensor, tensorOver } from '../tensor/tensor.ts'
import { pauser } from '../train/pause.ts'
import { sizeOf } from '../util/check.ts'
import { type Graph, runGraph } from './graph.ts'
import { fitResult, placeRows, type Result } from './result.ts'

/**
 * One tensor for each of the graph's outputs, in memory of its own.
 *
 * @param inOrder batches are taken in the order of their rows, as stateful layers need it
 */
export async function predictRows(
  graph: Graph,
  backend: Backend,
  arena: Arena,
  inputs: readonly Column[],
  batchSize: number,
  inOrder: boolean,
): Promise<Tensor[]> {
  const { rows } = inputs[0]
  const ragged = inputs.find((column) => column.offsets)
  const batches = inOrder
    ? epochBatches(inputs[0], batchSize, null, 0)
    : lengthBatches(ragged ?? inputs[0], batchSize)
  const results: Result[] = []
  const pause = pauser()
  for (const batch of batches) {
    arena.reset()
    const ctx = new Context(backend, arena)
    const tensors = inputs.map((column) => batchOf(arena, column, batch))
    // Rows that stay in their order are made where they belong, if kernels can reach that memory.
    const rooms: { tensor: Tensor; data: Floats }[] = []
    const room = (i: number, shape: readonly number[]) => {
      const each = sizeOf(shape) / batch.length
      const data = (results[i]?.data as Floats) ?? newFloats(backend, each * rows)
      if (data.length !== each * rows) return null
      const tensor = arena.borrow(data, each * batch[0], shape, 'float')
      if (tensor) rooms[i] = { tensor, data }
      return tensor
    }
    runGraph(graph, ctx, tensors, ragged ? null : room).forEach((output, i) => {
      if (rooms[i] && sameMemory(rooms[i].tensor.values, output.elements)) {
        results[i] = { shape: [rows, ...output.shape.slice(1)], data: rooms[i].data }
        return
      }
      if (!ragged && batches.length === 1) {
        results[i] = { shape: output.shape, data: output.elements.slice() }
        return
      }
      // Longest rows come first, so a batch is longer than the first only with several inputs.
      results[i] = fitResult(results[i], rows, output)
      placeRows(results[i], output, batch, inputs)
    })
    await pause()
  }
  arena.reset()
  return results.map(({ shape, data }) => tensorOver(data, shape))
}

/** Memory for results, outside the backend's heap. */
export const newFloats = ({ heap }: Backend, length: number): Floats =>
  heap.floatBytes === 8 ? new Float64Array(length) : new Float32Array(length)

const sameMemory = (a: Floats, b: Floats | Int32Array) =>
  a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length
