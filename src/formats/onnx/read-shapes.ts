/** Operators that rearrange: of constants computed at once, of lengths followed, of the model's values as views. */
import { readArray, sizeOfDims, transpose } from './arrays.ts'
import { lengths } from './lengths.ts'
import { Unsupported } from './operation.ts'
import type { Dim } from './plan.ts'
import { concatOf, gather, slice, split } from './read-parts.ts'
import type { Read, Reader } from './reader.ts'
import {
  dimsOf,
  product,
  reshaped,
  squeezed,
  transposed,
  unsqueezed,
  type View,
  viewOf,
} from './view.ts'

/** Fails on more dimensions than models have. */
function checkRank(rank: number): number {
  if (rank > 16) throw new Unsupported(`makes ${rank} dimensions`)
  return rank
}

const identity: Read = (_, [x]) => [x!]

const constant: Read = (reader, _, { attributes }) => {
  const tensor = attributes.tensor('value')
  if (tensor) return [readArray(tensor, 'a Constant')]
  for (const name of ['value_float', 'value_int'] as const) {
    if (!attributes.has(name)) continue
    const value = name === 'value_int' ? attributes.int(name, 0) : attributes.float(name, 0)
    return [
      { kind: 'array', dims: [], data: name === 'value_int' ? [value] : Float32Array.of(value) },
    ]
  }
  const list = attributes.ints('value_ints') ?? attributes.floats('value_floats')
  reader.budget.take(list.length)
  return [{ kind: 'array', dims: [list.length], data: list }]
}

const shape: Read = (_, [x]) => {
  if (x?.kind === 'array') return [lengths(x.dims)]
  if (x?.kind === 'view') return [lengths(dimsOf(x))]
  if (x?.kind === 'lengths') return [lengths(x.scalar ? [] : [x.values.length])]
  throw new Unsupported('asks for the shape of something else than a tensor')
}

const cast: Read = (reader, [x], { attributes }) => {
  const to = attributes.int('to', 0)
  const whole = [2, 3, 5, 6, 7, 12, 13].includes(to)
  if (x?.kind === 'view') {
    const { call, input } = x.out
    const isIds = call === null && reader.plan.inputs[input].dtype === 'int32'
    if (isIds !== whole) throw new Unsupported(`makes other numbers, of type ${to}`)
  }
  if (x?.kind !== 'array') return [x!]
  const data = whole ? Array.from(x.data, Math.trunc) : Array.from(x.data)
  return [{ ...x, data: to === 1 ? Float32Array.from(x.data) : data }]
}

/** Open lengths as 1: the constant stands for one that is repeated. */
const closed = (dims: readonly Dim[]) => dims.map((dim) => (typeof dim === 'number' ? dim : 1))

const constantOfShape: Read = (reader, [given], { attributes }) => {
  const tensor = attributes.tensor('value')
  const value = tensor ? readArray(tensor, 'a ConstantOfShape').data[0] : 0
  const wanted = reader.dims(given, 'its shape')
  checkRank(wanted.length)
  const dims = closed(wanted)
  const spread = wanted.some((dim) => typeof dim !== 'number')
  const size = reader.budget.take(sizeOfDims(dims, 'a ConstantOfShape'))
  return [
    { kind: 'array', dims, data: new Float32Array(size).fill(value), ...(spread && { spread }) },
  ]
}

const expand: Read = (reader, [x, given]) => {
  const target = reader.dims(given, 'its shape')
  checkRank(target.length)
  if (x?.kind === 'array') {
    // What it meets repeats it.
    const dims = [...new Array(Math.max(0, target.length - x.dims.length)).fill(1), ...x.dims]
    return [{ ...x, dims, spread: true }]
  }
  const view = reader.view(x)
  const rank = Math.max(target.length, view.axes.length)
  const raised = unsqueezed(
    view,
    Array.from({ length: rank - view.axes.length }, (_, i) => i),
  )
  const own = dimsOf(raised)
  const wanted = [...new Array(rank - target.length).fill(1), ...target] as Dim[]
  const grows = own.flatMap((dim, i) => (dim === 1 && wanted[i] !== 1 ? [i] : []))
  if (grows.length === 0) return [raised]
  const n = wanted[grows[0]]
  const isVector = rank === 3 && grows.length === 1 && grows[0] === 1 && typeof n === 'number'
  if (!isVector) throw new Unsupported(`repeats [${own.join(', ')}] to [${wanted.join(', ')}]`)
  const out = reader.settler.settle(squeezed(raised, [1]))
  const [batch, width] = out.shape
  return [viewOf(reader.plan.add('repeatVector', [out], [batch, n, width], { n }))]
}

const transposeOf: Read = (reader, [x], { attributes }) => {
  const rank = x?.kind === 'array' ? x.dims.length : reader.view(x).axes.length
  const perm = attributes.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
  const isOrder =
    perm.length === rank && new Set(perm.map((p) => reader.axis(p, rank))).size === rank
  if (!isOrder) throw new Unsupported(`has the order ${perm} for ${rank} dimensions`)
  if (x?.kind === 'array') return [{ ...transpose(x, perm, reader.budget), spread: x.spread }]
  return [transposed(reader.view(x), perm)]
}

const squeeze: Read = (reader, [x, given], node) => {
  if (x?.kind === 'lengths') return [lengths(x.values, true)]
  if (x?.kind === 'mask') return [x]
  const dims = x?.kind === 'array' ? x.dims : dimsOf(reader.view(x))
  const all = dims.flatMap((dim, i) => (dim === 1 ? [i] : []))
  const axes = reader.axes(node, given, dims.length) ?? all
  if (x?.kind !== 'array') return [squeezed(reader.view(x), axes)]
  if (axes.some((axis) => x.dims[axis] !== 1)) throw new Unsupported('squeezes a longer dimension')
  return [{ ...x, dims: x.dims.filter((_, i) => !axes.includes(i)) }]
}

const unsqueeze: Read = (reader, [x, given], node) => {
  if (x?.kind === 'mask') return [x]
  if (x?.kind === 'lengths') return [{ ...x, scalar: false }]
  const rank = x?.kind === 'array' ? x.dims.length : reader.view(x).axes.length
  const count = node.attributes.ints('axes')?.length ?? reader.ints(given, 'its axes').length
  const axes = reader.axes(node, given, checkRank(rank + count))!
  if (x?.kind !== 'array') return [unsqueezed(reader.view(x), axes)]
  const dims = [...x.dims]
  for (const axis of [...axes].sort((a, b) => a - b)) dims.splice(axis, 0, 1)
  return [{ ...x, dims }]
}

/** A shape that may have 0 for a length that stays and -1 for what is left. */
const reshape: Read = (reader, [x, given], { attributes }) => {
  const asked = attributes.ints('shape') ?? reader.dims(given, 'its shape')
  const zeros = attributes.int('allowzero', 0) === 1
  if (x?.kind === 'lengths' && asked.length <= 1) return [lengths(x.values, asked.length === 0)]
  const own = x?.kind === 'array' ? x.dims : dimsOf(reader.view(x))
  checkRank(asked.length)
  const target = asked.map((dim, i) => (dim === 0 && !zeros ? own[i] : dim))
  if (x?.kind === 'mask') return [x]
  if (x?.kind !== 'array') return [inShape(reader, reader.view(x), target)]
  const rest = product(target.filter((dim) => dim !== -1))
  const size = x.data.length
  const dims = target.map((dim) => (dim === -1 ? size / (rest as number) : dim)) as number[]
  if (product(dims) !== size || x.spread)
    throw new Unsupported('reshapes a constant to another size')
  return [{ ...x, dims }]
}

/** The view in another shape, by a layer where it is more than another look. */
function inShape(reader: Reader, view: View, target: readonly Dim[]): View {
  try {
    return reshaped(view, target, reader.batch)
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
    const [batch, ...own] = dimsOf(view)
    const [first, ...rest] = target
    const isBatch = first === batch || first === reader.batch
    const size = product(own)
    const known = product(rest.filter((dim) => dim !== -1))
    if (!isBatch || typeof size !== 'number' || typeof known !== 'number') throw error
    const shape = rest.map((dim) => (dim === -1 ? size / known : dim)) as number[]
    if (product(shape) !== size || !shape.every(Number.isInteger)) throw error
    const out = reader.settler.settle(view)
    return viewOf(reader.plan.add('reshape', [out], ['batch', ...shape], { targetShape: shape }))
  }
}

const flatten: Read = (reader, [x], { attributes }) => {
  const view = reader.view(x)
  const dims = dimsOf(view)
  const axis = attributes.int('axis', 1)
  if (axis !== 1 && axis !== 1 - dims.length) throw new Unsupported(`flattens from axis ${axis}`)
  return [inShape(reader, view, [dims[0], -1])]
}

/** Operators by their names. */
export const shapeReaders: Readonly<Record<string, Read>> = {
  Cast: cast,
  Concat: concatOf,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Dropout: identity,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Identity: identity,
  Reshape: reshape,
  Shape: shape,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Transpose: transposeOf,
  Unsqueeze: unsqueeze,
}
