/** Predictions of all rows, put together from batches that were padded to different lengths. */
import { type Column, rowLength } from '../data/column.ts'
import type { Floats } from '../kernels/kernels.ts'
import type { Mask } from '../tensor/mask.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'

export interface Result {
  shape: readonly number[]
  data: Floats | Int32Array
}

/** The result so far with room for all steps of another batch's output; a new one at first. */
export function fitResult(
  result: Result | undefined,
  rows: number,
  { shape, elements, mask }: Tensor,
): Result {
  const sequences = shape.length > 2 || mask?.steps === shape[1]
  if (result && !sequences) return result
  if (result && shape[1] <= result.shape[1]) return result
  const wider = [rows, ...shape.slice(1)]
  const Kind = elements.constructor as new (length: number) => Floats | Int32Array
  const data = new Kind(sizeOf(wider))
  if (result) {
    const [from, to] = [result, { shape: wider }].map((one) => sizeOf(one.shape.slice(1)))
    for (let row = 0; row < rows; row++) {
      data.set(result.data.subarray(row * from, (row + 1) * from), row * to)
    }
  }
  return { shape: wider, data }
}

/**
 * Copies a batch's rows to where they belong. Of ragged rows each one's own steps come first and end
 * with the last that counts; behind them stay zeros. So a row's result does not depend on the batch
 * it was in.
 */
export function placeRows(
  result: Result,
  output: Tensor,
  rows: Int32Array,
  inputs: readonly Column[],
): void {
  const { shape, elements, mask } = output
  const stride = sizeOf(result.shape.slice(1))
  const size = sizeOf(shape.slice(1))
  const ragged = inputs.filter(({ offsets }) => offsets)
  if (ragged.length === 0) {
    // Such rows stay in their order.
    result.data.set(elements, rows[0] * stride)
    return
  }
  if (!mask || mask.steps !== shape[1]) {
    rows.forEach((row, r) => {
      result.data.set(elements.subarray(r * size, (r + 1) * size), row * stride)
    })
    return
  }
  const width = sizeOf(shape.slice(2))
  const { steps } = mask
  const flags = mask.valid.ints
  const reversed = paddedFirst(mask, rows, ragged)
  rows.forEach((row, r) => {
    const start = reversed ? steps - rowLength(reversed, row) : 0
    const end = flags.subarray(r * steps, (r + 1) * steps).lastIndexOf(1) + 1
    if (end <= start) return
    const own = elements.subarray((r * steps + start) * width, (r * steps + end) * width)
    result.data.set(own, row * stride)
  })
}

/**
 * The input whose padding comes first in an output with this mask, as a layer with `goBackwards`
 * makes it; null if the padding comes last. Masked steps alone do not tell, as a row may have its
 * own (maskZero).
 */
function paddedFirst(mask: Mask, rows: Int32Array, ragged: readonly Column[]): Column | null {
  const { steps } = mask
  const flags = mask.valid.ints
  const allMasked = (padding: (r: number, length: number) => [from: number, to: number]) =>
    ragged.find((column) =>
      rows.every((row, r) => {
        const length = rowLength(column, row)
        return length <= steps && !flags.subarray(...padding(r * steps, length)).includes(1)
      }),
    )
  if (allMasked((at, length) => [at + length, at + steps])) return null
  return allMasked((at, length) => [at, at + steps - length]) ?? null
}
