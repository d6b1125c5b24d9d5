/** In which order rows are visited, and in which batches. */
import { Random } from '../tensor/random.ts'
import { type Column, rowLength } from './column.ts'

/** How many batches' worth of shuffled rows are sorted by length together. */
const poolBatches = 50

/**
 * The batches of one epoch. Shuffled rows of ragged sequences are sorted by length within pools of
 * 50 batches, so that a batch holds similar lengths, and the batches are shuffled again.
 *
 * @param seed null: no shuffling, rows in their order
 */
export function epochBatches(
  column: Column,
  batchSize: number,
  seed: number | null,
  epoch: number,
): Int32Array[] {
  const order = inOrder(column.rows)
  if (seed === null) return cut(order, batchSize)
  const random = new Random(seed, `shuffle epoch ${epoch}`)
  random.shuffle(order)
  if (!column.offsets) return cut(order, batchSize)
  const pool = batchSize * poolBatches
  for (let start = 0; start < order.length; start += pool) {
    sortByLength(column, order.subarray(start, start + pool))
  }
  const batches = cut(order, batchSize)
  // The last batch may be smaller; it stays where it falls.
  return random.shuffle(batches)
}

/**
 * Batches for prediction: of ragged sequences the longest first, so that memory is taken once; other
 * rows in their order.
 */
export function lengthBatches(column: Column, batchSize: number): Int32Array[] {
  const order = inOrder(column.rows)
  if (column.offsets) sortByLength(column, order)
  return cut(order, batchSize)
}

function inOrder(rows: number): Int32Array {
  const order = new Int32Array(rows)
  for (let row = 0; row < rows; row++) order[row] = row
  return order
}

function sortByLength(column: Column, rows: Int32Array): void {
  rows.sort((a, b) => rowLength(column, b) - rowLength(column, a) || a - b)
}

function cut(order: Int32Array, batchSize: number): Int32Array[] {
  const batches: Int32Array[] = []
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.subarray(start, start + batchSize))
  }
  return batches
}
