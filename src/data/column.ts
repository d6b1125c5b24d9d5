/**
 * Training data as columns: one typed array for all rows, sequences of unequal length end to end.
 * Rows are cut out, padded and masked when a batch is made.
 */
import { RefrainError, show } from '../errors.ts'
import type { Backend } from '../kernels/kernels.ts'
import type { Arena } from '../tensor/arena.ts'
import { maskFromLengths } from '../tensor/mask.ts'
import { type DType, Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'

/** A row or an element of nested data. */
export type NestedData = number | boolean | ArrayLike<number> | readonly NestedData[]

/** A flat array with its shape, in row-major order. */
export interface FlatData {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/**
 * What `fit` and `predict` take: nested arrays (ragged in the second dimension if you like), a typed
 * array for one number a row, `{ shape, data }` with a flat array, a list of such, one a row, which may
 * differ in their first dimension, or a `Tensor`.
 */
export type ArrayData =
  | readonly NestedData[]
  | readonly FlatData[]
  | Float32Array
  | Float64Array
  | Int32Array
  | FlatData
  | Tensor

/** Rows of equal shape, or sequences of unequal length. */
export interface Column {
  readonly rows: number
  readonly dtype: DType
  /** Shape of one row; null for the length of a ragged sequence. */
  readonly shape: readonly (number | null)[]
  readonly data: Float32Array | Float64Array | Int32Array
  /** For ragged sequences: where each row begins, in steps, and one past the last. */
  readonly offsets: Int32Array | null
}

/** Length of a row's sequence, or 0 if rows are not sequences. */
export function rowLength(column: Column, row: number): number {
  if (column.offsets) return column.offsets[row + 1] - column.offsets[row]
  return column.shape[0] ?? 0
}

type Numbers = ArrayLike<number>

const isNumbers = (value: unknown): value is Numbers =>
  ArrayBuffer.isView(value) && !(value instanceof DataView)

/**
 * Brings data into columns. Throws `BAD_DATA`, `BAD_SHAPE` or `NOT_FINITE` naming `where`, the row
 * and the position.
 *
 * @param dtype int32 for token ids and class numbers, which must be whole
 * @param backend if given, a Float32Array becomes the column's data uncopied, and this backend's
 *   kernels look for numbers that are not finite
 */
export function toColumn(
  where: string,
  data: ArrayData,
  dtype: DType,
  backend: Backend | null = null,
): Column {
  if (data instanceof Tensor) {
    const flat = data.dtype === 'float' ? data.values : data.ints
    return denseColumn(where, flat, data.shape, dtype, null)
  }
  if (isNumbers(data)) return denseColumn(where, data, [data.length], dtype, backend)
  if (!Array.isArray(data)) {
    if (typeof data !== 'object' || data === null || !('shape' in data) || !('data' in data)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${where}: expected nested arrays, { shape, data } or a Tensor, got ${show(data)}`,
      )
    }
    const { shape } = data
    if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n >= 0)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected a shape of whole numbers such as [100, 20, 8], got ${show(shape)}`,
      )
    }
    if (sizeOf(data.shape) !== data.data.length) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: shape ${show([...data.shape])} has ${sizeOf(data.shape)} elements, ` +
          `the data has ${data.data.length}`,
      )
    }
    return denseColumn(where, data.data, data.shape, dtype, backend)
  }
  if (isFlat(data[0])) return columnOfRows(where, data as readonly FlatData[], dtype)
  return nestedColumn(where, data as readonly NestedData[], dtype)
}

const isFlat = (value: unknown): value is FlatData =>
  typeof value === 'object' &&
  value !== null &&
  'shape' in value &&
  'data' in value &&
  typeof value.data === 'object'

/** Rows that are sequences, each flat: their steps end to end. */
function columnOfRows(where: string, rows: readonly FlatData[], dtype: DType): Column {
  const [, ...inner] = rows[0].shape
  const width = sizeOf(inner)
  const offsets = new Int32Array(rows.length + 1)
  rows.forEach((row, r) => {
    const [steps, ...rest] = isFlat(row) ? row.shape : []
    const fits = Number.isInteger(steps) && steps >= 0 && rest.join() === inner.join()
    if (!fits || row.data.length !== steps * width) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected { shape: ${show(['T', ...inner]).replaceAll("'", '')}, data } with as many numbers in row ` +
          `${r}, got ${isFlat(row) ? `shape ${show([...row.shape])} and ${row.data.length} numbers` : show(row)}`,
        'only the first dimension of a row may differ',
      )
    }
    offsets[r + 1] = offsets[r] + steps
  })
  const flat = makeArray(dtype, offsets[rows.length] * width, rows[0].data)
  rows.forEach(({ data }, r) => {
    const from = offsets[r] * width
    const floats = dtype === 'float' && isFloats(data)
    if (floats) flat.set(data, from)
    if (floats && allFinite(data, null)) return
    let i = 0
    const place = () => [r, Math.floor(i / width), i % width]
    for (; i < data.length; i++) flat[from + i] = checked(where, data[i], flat, place)
  })
  const steps = offsets[1]
  const even = steps > 0 && offsets.every((offset, r) => offset === r * steps)
  return {
    rows: rows.length,
    dtype,
    shape: [even ? steps : null, ...inner],
    data: flat,
    offsets: even ? null : offsets,
  }
}

function denseColumn(
  where: string,
  flat: Numbers,
  [rows, ...shape]: readonly number[],
  dtype: DType,
  backend: Backend | null,
): Column {
  if (!(rows > 0)) {
    throw new RefrainError(
      rows === 0 ? 'BAD_DATA' : 'BAD_SHAPE',
      `${where}: expected at least one row, got ${rows === 0 ? 'none' : 'a single number'}`,
    )
  }
  const size = sizeOf(shape)
  const bulk = dtype === 'float' && isFloats(flat)
  const shared = bulk && backend !== null && flat instanceof Float32Array
  const data = shared ? flat : makeArray(dtype, flat.length, flat)
  if (bulk && !shared) data.set(flat)
  if (!bulk || !allFinite(flat, shared ? backend : null)) {
    let i = 0
    const place = () => (shape.length === 0 ? [i] : [Math.floor(i / size), i % size])
    for (; i < data.length; i++) data[i] = checked(where, flat[i], data, place)
  }
  if (shape[0] === 0) {
    return {
      rows,
      dtype,
      shape: [null, ...shape.slice(1)],
      data,
      offsets: new Int32Array(rows + 1),
    }
  }
  return { rows, dtype, shape, data, offsets: null }
}

const isFloats = (flat: Numbers): flat is Float32Array | Float64Array =>
  flat instanceof Float32Array || flat instanceof Float64Array

/** Whether all are finite 32-bit numbers; by the backend's kernels if they can read them. */
function allFinite(floats: Float32Array | Float64Array, backend: Backend | null): boolean {
  if (backend?.heap.borrow(floats)) {
    // Kernels count in 32 bits.
    const most = 2 ** 30
    for (let at = 0; at < floats.length; at += most) {
      const part = floats.subarray(at, at + most)
      if (backend.kernels.firstNonFinite(part, part.length) !== -1) return false
    }
    return true
  }
  // The sum of x - x is 0 for finite numbers and NaN otherwise.
  let sum = 0
  for (let i = 0; i < floats.length; i++) {
    const x = Math.fround(floats[i])
    sum += x - x
  }
  return sum === 0
}

function makeArray(dtype: DType, length: number, like?: unknown) {
  if (dtype === 'int32') return new Int32Array(length)
  return like instanceof Float64Array ? new Float64Array(length) : new Float32Array(length)
}

type Kind = Float32Array | Float64Array | Int32Array

/**
 * The number, if it is one that an array like `into` can hold. Floats must fit 32 bits in any case,
 * as batches are made of them on most backends.
 */
function checked(where: string, value: unknown, into: Kind, at: () => number[]): number {
  const number = typeof value === 'boolean' ? Number(value) : value
  const whole = into instanceof Int32Array
  if (typeof number === 'number') {
    if (whole) {
      if ((number | 0) === number) return number
    } else if (Number.isFinite(Math.fround(number))) {
      return number
    }
  }
  const [row, ...position] = at()
  const place = `row ${row}${position.length > 0 ? `, position ${position.join(', ')}` : ''}`
  if (typeof number === 'number' && !Number.isFinite(number)) {
    throw new RefrainError(
      'NOT_FINITE',
      `${where}: expected finite numbers, got ${number} at ${place}`,
      'remove or fill missing values before training',
    )
  }
  const fits = typeof number === 'number' && (!whole || Number.isInteger(number))
  const wanted = fits ? 'numbers that fit 32 bits' : whole ? 'whole numbers' : 'numbers'
  throw new RefrainError('BAD_DATA', `${where}: expected ${wanted}, got ${show(value)} at ${place}`)
}

function nestedColumn(where: string, rows: readonly NestedData[], dtype: DType): Column {
  const first = rows[0]
  if (rows.length === 0) {
    throw new RefrainError('BAD_DATA', `${where}: expected at least one row, got none`)
  }
  if (typeof first === 'number' || typeof first === 'boolean' || typeof first === 'string') {
    const data = makeArray(dtype, rows.length)
    let row = 0
    const place = () => [row]
    for (; row < rows.length; row++) data[row] = checked(where, rows[row], data, place)
    return { rows: rows.length, dtype, shape: [], data, offsets: null }
  }
  const lengths = rows.map((row, r) => {
    if (!Array.isArray(row) && !isNumbers(row)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected an array in row ${r}, got ${show(row)}`,
      )
    }
    return row.length
  })
  const inner = innerShape(rows as readonly NestedData[][])
  // Rows that are all empty count as ragged, so that a batch of them has one masked step.
  const ragged = lengths.some((length) => length !== lengths[0] || length === 0)
  const width = sizeOf(inner)
  const offsets = new Int32Array(rows.length + 1)
  lengths.forEach((length, r) => {
    offsets[r + 1] = offsets[r] + length
  })
  const data = makeArray(dtype, offsets[rows.length] * width)
  let at = 0
  /** Row, step, and position within; only errors need it. */
  const place: number[] = []
  const getPlace = () => place
  const put = (value: unknown, depth: number) => {
    if (depth === inner.length) {
      data[at++] = checked(where, value, data, getPlace)
      return
    }
    if (!(Array.isArray(value) || isNumbers(value)) || value.length !== inner[depth]) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected ${inner[depth]} elements at row ${place[0]}, position ` +
          `${place.slice(1, depth + 2).join(', ')}, got ${show(value)}`,
        'only the second dimension may be ragged',
      )
    }
    for (let i = 0; i < value.length; i++) {
      place[depth + 2] = i
      put(value[i], depth + 1)
    }
  }
  const fits = ({ length }: Int32Array) => inner.length === 1 && length === inner[0]
  rows.forEach((row, r) => {
    if (row instanceof Int32Array && data instanceof Int32Array && inner.length === 0) {
      data.set(row, at)
      at += row.length
      return
    }
    const items = row as ArrayLike<NestedData>
    place[0] = r
    for (let i = 0; i < items.length; i++) {
      const item = items[i]
      if (item instanceof Int32Array && data instanceof Int32Array && fits(item)) {
        data.set(item, at)
        at += item.length
        continue
      }
      place[1] = i
      put(item, 0)
    }
  })
  return {
    rows: rows.length,
    dtype,
    shape: [ragged ? null : lengths[0], ...inner],
    data,
    offsets: ragged ? offsets : null,
  }
}

/** Shape below the second dimension, from the first element found. */
function innerShape(rows: readonly (readonly NestedData[])[]): number[] {
  const shape: number[] = []
  let element: unknown = rows.find((row) => row.length > 0)?.[0]
  while (Array.isArray(element) || isNumbers(element)) {
    shape.push(element.length)
    element = element[0]
  }
  return shape
}

/** Rows `from` to `to` - 1 of a column, sharing its memory. */
export function sliceColumn(column: Column, from: number, to: number): Column {
  const { shape, offsets } = column
  const rows = to - from
  if (offsets) {
    const width = sizeOf(shape.slice(1) as number[])
    const data = column.data.subarray(offsets[from] * width, offsets[to] * width)
    const moved = offsets.slice(from, to + 1).map((offset) => offset - offsets[from])
    return { ...column, rows, data, offsets: moved }
  }
  const size = sizeOf(shape as number[])
  return { ...column, rows, data: column.data.subarray(from * size, to * size) }
}

/**
 * The given rows of a column as a batch, in the arena or, if they stand together where kernels can
 * read them, in place. Ragged sequences are padded with zeros at the end and masked.
 *
 * @param steps length to pad to; by default the longest of these rows, at least 1
 */
export function batchOf(arena: Arena, column: Column, rows: Int32Array, steps?: number): Tensor {
  const { data, offsets, shape, dtype } = column
  if (!offsets) {
    const size = sizeOf(shape as number[])
    const wanted = [rows.length, ...(shape as number[])]
    const start = rows[0] * size
    const together = rows.every((row, r) => row === rows[0] + r)
    const place = together && dtype === 'float' ? arena.borrow(data, start, wanted, dtype) : null
    if (place) return place
    const batch = arena.tensor(wanted, dtype)
    const out = dtype === 'float' ? batch.values : batch.ints
    if (together) {
      out.set(data.subarray(start, start + rows.length * size))
      return batch
    }
    for (let r = 0; r < rows.length; r++) {
      const from = rows[r] * size
      if (size === 1) out[r] = data[from]
      else out.set(data.subarray(from, from + size), r * size)
    }
    return batch
  }
  const inner = shape.slice(1) as number[]
  const width = sizeOf(inner)
  const lengths = Array.from(rows, (row) => offsets[row + 1] - offsets[row])
  const longest = steps ?? lengths.reduce((most, length) => Math.max(most, length), 1)
  const batch = arena.tensor([rows.length, longest, ...inner], dtype)
  const out = dtype === 'float' ? batch.values : batch.ints
  out.fill(0)
  rows.forEach((row, r) => {
    out.set(data.subarray(offsets[row] * width, offsets[row + 1] * width), r * longest * width)
  })
  batch.mask = maskFromLengths(arena, lengths, longest)
  return batch
}
