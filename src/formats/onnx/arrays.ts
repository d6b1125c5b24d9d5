/** Constants of an ONNX file: checked against its bytes, and computed with (shapes, rearranged weights). */
import { RefrainError, show } from '../../errors.ts'
import { fromFloat16 } from '../../util/float16.ts'
import type { TensorProto } from './proto.ts'

/** A constant. `spread` if it stands for one that is repeated along dimensions of length 1. */
export interface Known {
  readonly kind: 'array'
  readonly dims: readonly number[]
  readonly data: ArrayLike<number>
  readonly spread?: boolean
}

/** Element types by their codes: bytes of an element, and how they are read. */
const types: Readonly<
  Record<number, { bytes: number; read: (view: DataView, at: number) => number }>
> = {
  1: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 1, read: (view, at) => view.getInt8(at) },
  6: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  7: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  9: { bytes: 1, read: (view, at) => view.getUint8(at) },
  11: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
}

const float16 = 10

/** The number of elements of a shape; `BAD_FILE` if it is none. */
export function sizeOfDims(dims: readonly number[], where: string): number {
  const size = dims.reduce((product, length) => product * length, 1)
  const fits = dims.every((length) => Number.isSafeInteger(length) && length >= 0)
  if (fits && dims.length <= 16 && size <= 2 ** 31) {
    return size
  }
  throw new RefrainError('BAD_FILE', `${where}: ${show([...dims])} is no shape of a tensor`)
}

/** The array of a tensor in a file. */
export function readArray(tensor: TensorProto, fileName: string): Known {
  const { dims, dataType } = tensor
  const where = `${fileName}: the tensor ${show(tensor.name)}`
  if (tensor.dataLocation === 1 || tensor.externalData.length > 0) {
    const location = tensor.externalData.find(({ key }) => key === 'location')?.value
    throw new RefrainError(
      'UNSUPPORTED',
      `${where} lies in another file, ${show(location ?? '')}`,
      'Export the model with its weights inside, such as external_data=False in PyTorch',
    )
  }
  const size = sizeOfDims(dims, where)
  const checked = <Data extends ArrayLike<number>>(data: Data): Known => {
    if (data.length === size) return { kind: 'array', dims, data }
    throw new RefrainError(
      'BAD_FILE',
      `${where}: expected ${size} elements for the shape ${show(dims)}, got ${data.length}`,
    )
  }
  const type = types[dataType]
  if (!type && dataType !== float16) {
    throw new RefrainError('UNSUPPORTED', `${where} has elements of type ${dataType}`)
  }
  const packed = [tensor.floatData, tensor.int32Data, tensor.int64Data, tensor.doubleData]
  const pieces = packed.find((list) => list.length > 0)
  if (tensor.rawData.length > 0 || !pieces) return checked(unpack(tensor.rawData, dataType, where))
  const bytes = concatBytes(pieces)
  if (dataType === 1 || dataType === 11) return checked(unpack(bytes, dataType, where))
  const numbers = readVarints(bytes, size, where)
  return checked(dataType === float16 ? fromFloat16(Uint16Array.from(numbers)) : numbers)
}

function unpack(bytes: Uint8Array, dataType: number, where: string): ArrayLike<number> {
  const each = types[dataType]?.bytes ?? 2
  const count = bytes.length / each
  if (!Number.isInteger(count)) {
    throw new RefrainError('BAD_FILE', `${where}: ${bytes.length} bytes are no whole elements`)
  }
  if (dataType === float16) {
    return fromFloat16(new Uint16Array(new Uint8Array(bytes).buffer, 0, count))
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { read } = types[dataType]
  const out = dataType === 1 ? new Float32Array(count) : new Float64Array(count)
  for (let i = 0; i < count; i++) out[i] = read(view, i * each)
  return out
}

function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}

/** Signed whole numbers of protocol buffers, of 64 bits at most. */
function readVarints(bytes: Uint8Array, most: number, where: string): Float64Array {
  const out = new Float64Array(Math.min(most, bytes.length))
  let count = 0
  for (let at = 0; at < bytes.length; count++) {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length || shift > 63n || count >= most) {
        throw new RefrainError('BAD_FILE', `${where}: its whole numbers are cut off or too many`)
      }
      const byte = bytes[at++]
      value |= BigInt(byte & 127) << shift
      if (byte < 128) break
    }
    out[count] = Number(BigInt.asIntN(64, value))
  }
  return out.subarray(0, count)
}

/** As many elements as constants may have that are computed from a file's: its bytes, or this. */
const leastBudget = 1 << 22

/** Counts elements that are made, so that a small file cannot ask for a large memory. */
export class Budget {
  #left: number
  readonly #where: string

  constructor(fileBytes: number, where: string) {
    this.#left = Math.max(leastBudget, fileBytes)
    this.#where = where
  }

  /** Takes so many elements. */
  take(count: number): number {
    this.#left -= count
    if (this.#left >= 0) return count
    throw new RefrainError(
      'BAD_FILE',
      `${this.#where}: constants of more elements than the file has`,
    )
  }
}

/** The places of an axis: [outer, length, inner] of a row-major array. */
function around(dims: readonly number[], axis: number): [number, number, number] {
  const product = (part: readonly number[]) => part.reduce((all, length) => all * length, 1)
  return [product(dims.slice(0, axis)), dims[axis], product(dims.slice(axis + 1))]
}

/** The elements of `x` at these indices along an axis. */
export function take(x: Known, axis: number, indices: readonly number[], budget: Budget): Known {
  const [outer, length, inner] = around(x.dims, axis)
  const dims = x.dims.map((one, i) => (i === axis ? indices.length : one))
  const data = like(x, budget.take(outer * indices.length * inner))
  for (let o = 0, to = 0; o < outer; o++) {
    for (const index of indices) {
      const from = (o * length + index) * inner
      for (let i = 0; i < inner; i++) data[to++] = x.data[from + i]
    }
  }
  return { kind: 'array', dims, data }
}

const like = (x: Known, length: number): Float32Array | Float64Array =>
  x.data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length)

/** Arrays one behind the other along an axis; null where their other dimensions differ. */
export function concat(parts: readonly Known[], axis: number, budget: Budget): Known | null {
  const [first] = parts
  const fits = parts.every(
    ({ dims }) =>
      dims.length === first.dims.length &&
      dims.every((length, i) => i === axis || length === first.dims[i]),
  )
  if (!fits) return null
  const dims = first.dims.map((length, i) =>
    i === axis ? parts.reduce((sum, part) => sum + part.dims[axis], 0) : length,
  )
  const [outer, , inner] = around(dims, axis)
  const data = like(first, budget.take(outer * dims[axis] * inner))
  let to = 0
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const size = part.dims[axis] * inner
      for (let i = 0; i < size; i++) data[to++] = part.data[o * size + i]
    }
  }
  return { kind: 'array', dims, data }
}

/** x with its dimensions in another order. */
export function transpose(x: Known, perm: readonly number[], budget: Budget): Known {
  const dims = perm.map((from) => x.dims[from])
  const strides = x.dims.map((_, i) => around(x.dims, i)[2])
  const data = like(x, budget.take(x.data.length))
  const index = dims.map(() => 0)
  for (let to = 0; to < data.length; to++) {
    let from = 0
    for (let i = 0; i < index.length; i++) from += index[i] * strides[perm[i]]
    data[to] = x.data[from]
    for (let i = index.length - 1; i >= 0 && ++index[i] === dims[i]; i--) index[i] = 0
  }
  return { kind: 'array', dims, data }
}

/** `compute` of two arrays' elements, repeated where a dimension is of length 1; null where they do not fit. */
export function combine(
  a: Known,
  b: Known,
  compute: (x: number, y: number) => number,
  budget: Budget,
): Known | null {
  const rank = Math.max(a.dims.length, b.dims.length)
  const raise = (dims: readonly number[]) => [...new Array(rank - dims.length).fill(1), ...dims]
  const [left, right] = [raise(a.dims), raise(b.dims)]
  const dims = left.map((length, i) => (length === 1 ? right[i] : length))
  if (right.some((length, i) => length !== 1 && length !== dims[i])) return null
  const data = like(a, budget.take(sizeOfDims(dims, 'a constant')))
  const at = (own: readonly number[], index: readonly number[]) =>
    own.reduce((sum, length, i) => sum * length + (length === 1 ? 0 : index[i]), 0)
  const index = dims.map(() => 0)
  for (let to = 0; to < data.length; to++) {
    data[to] = compute(a.data[at(left, index)], b.data[at(right, index)])
    for (let i = rank - 1; i >= 0 && ++index[i] === dims[i]; i--) index[i] = 0
  }
  return { kind: 'array', dims, data, spread: a.spread || b.spread }
}
