/** Operators that rearrange: of constants computed at once, of lengths followed, of the model's values as views. */
import { concat, type Known, readArray, sizeOfDims, take, transpose } from './arrays.ts'
import { Unsupported } from './operation.ts'
import type { Dim } from './plan.ts'
import type { Read, Reader, Value } from './reader.ts'
import {
  batchFirst,
  dimsOf,
  product,
  reshaped,
  squeezed,
  transposed,
  unsqueezed,
  type View,
  viewOf,
} from './view.ts'

/** Lengths or a constant of whole numbers, as lengths. */
function asLengths(value: Value | null): Dim[] | null {
  if (value?.kind === 'lengths') return [...value.values]
  if (value?.kind === 'array' && value.dims.length <= 1) return Array.from(value.data)
  return null
}

const lengths = (values: readonly Dim[], scalar = false): Value =>
  values.every((dim) => typeof dim === 'number')
    ? { kind: 'array', dims: scalar ? [] : [values.length], data: values as number[] }
    : { kind: 'lengths', values, scalar }

const identity: Read = (_, [x]) => [x!]

const constant: Read = (reader, _, { attributes }) => {
  const tensor = attributes.tensor('value')
  if (tensor) return [readArray(tensor, 'a Constant')]
  for (const name of ['value_float', 'value_int'] as const) {
    if (!attributes.has(name)) continue
    const value = name === 'value_int' ? attributes.int(name, 0) : attributes.float(name, 0)
    return [{ kind: 'array', dims: [], data: [value] }]
  }
  const list = attributes.ints('value_ints') ?? attributes.floats('value_floats')
  reader.budget.take(list.length)
  return [{ kind: 'array', dims: [list.length], data: list }]
}

const shape: Read = (_, [x]) => {
  if (x?.kind === 'array') return [lengths(x.dims)]
  if (x?.kind === 'view') return [lengths(dimsOf(x))]
  throw new Unsupported('asks for the shape of something else than a tensor')
}

const cast: Read = (_, [x], { attributes }) => {
  const to = attributes.int('to', 0)
  if (x?.kind !== 'array') return [x!]
  const whole = [2, 3, 5, 6, 7, 12, 13].includes(to)
  const data = whole ? Array.from(x.data, Math.trunc) : Array.from(x.data)
  return [{ ...x, data: to === 1 ? Float32Array.from(x.data) : data }]
}

/** Open lengths as 1: the constant stands for one that is repeated. */
const closed = (dims: readonly Dim[]) => dims.map((dim) => (typeof dim === 'number' ? dim : 1))

const constantOfShape: Read = (reader, [given], { attributes }) => {
  const tensor = attributes.tensor('value')
  const value = tensor ? readArray(tensor, 'a ConstantOfShape').data[0] : 0
  const wanted = reader.dims(given, 'its shape')
  const dims = closed(wanted)
  const spread = wanted.some((dim) => typeof dim !== 'number')
  const size = reader.budget.take(sizeOfDims(dims, 'a ConstantOfShape'))
  return [
    { kind: 'array', dims, data: new Float32Array(size).fill(value), ...(spread && { spread }) },
  ]
}

const expand: Read = (reader, [x, given]) => {
  const target = reader.dims(given, 'its shape')
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
  const axes = reader.axes(node, given, rank + count)!
  if (x?.kind !== 'array') return [unsqueezed(reader.view(x), axes)]
  const dims = [...x.dims]
  for (const axis of [...axes].sort((a, b) => a - b)) dims.splice(axis, 0, 1)
  return [{ ...x, dims }]
}

/** A shape that may have 0 for a length that stays and -1 for what is left. */
const reshape: Read = (reader, [x, given], { attributes }) => {
  const asked = attributes.ints('shape') ?? reader.dims(given, 'its shape')
  const zeros = attributes.int('allowzero', 0) === 1
  const own = x?.kind === 'array' ? x.dims : dimsOf(reader.view(x))
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

/** Places of a dimension, from the front. */
function places(indices: readonly number[], length: Dim): number[] {
  return indices.map((index) => {
    if (typeof length !== 'number') return index
    const at = index < 0 ? index + length : index
    if (!Number.isInteger(at) || at < 0 || at >= length) {
      throw new Unsupported(`takes place ${index} of ${length}`)
    }
    return at
  })
}

/** One place of a view's dimension, which stays with length 1 or not. */
function pick(view: View, axis: number, index: number, stays: boolean): View {
  const parts = view.axes[axis]
  const axes = view.axes.flatMap((own, i) => (i === axis ? (stays ? [[]] : []) : [own]))
  if (parts.length === 0) return { ...view, axes }
  if (parts.length > 1) throw new Unsupported('takes a place of joined dimensions')
  return { ...view, axes, picks: new Map([...view.picks, [parts[0], index]]) }
}

const gather: Read = (reader, [x, given], { attributes }) => {
  if (x?.kind === 'array' && given?.kind === 'view') return [embed(reader, x, given)]
  const indices = reader.known(given, 'the index')
  const rank = indices.dims.length
  const list = Array.from(indices.data)
  if (rank > 1) throw new Unsupported('takes places by a table')
  const values = x?.kind === 'lengths' ? x.values : null
  if (values)
    return [
      lengths(
        places(list, values.length).map((i) => values[i]),
        rank === 0,
      ),
    ]
  if (x?.kind === 'array') {
    const axis = reader.axis(attributes.int('axis', 0), x.dims.length)
    const taken = take(x, axis, places(list, x.dims[axis]), reader.budget)
    return [rank === 1 ? taken : { ...taken, dims: taken.dims.filter((_, i) => i !== axis) }]
  }
  if (x?.kind === 'stack') {
    const axis = reader.axis(attributes.int('axis', 0), x.views[0].axes.length)
    const [index] = places(list, x.views.length)
    if (axis === x.axis && list.length === 1) {
      return [rank === 1 ? x.views[index] : squeezed(x.views[index], [axis])]
    }
  }
  const view = reader.view(x)
  const axis = reader.axis(attributes.int('axis', 0), view.axes.length)
  const chosen = places(list, dimsOf(view)[axis])
  if (chosen.length === 1) return [pick(view, axis, chosen[0], rank === 1)]
  return [selected(reader, view, axis, chosen)]
}

/** Rows of a table by ids. */
function embed(reader: Reader, table: Known, ids: View): View {
  const { out } = ids
  if (table.dims.length !== 2) throw new Unsupported('takes rows of a table that is none')
  if (out.call !== null || reader.plan.inputs[out.input].dtype !== 'int32') {
    throw new Unsupported('takes rows of a table by numbers that are no ids of an input')
  }
  const [inputDim, outputDim] = table.dims
  const options = { inputDim, outputDim, maskZero: false }
  const made = reader.plan.add('embedding', [out], [...out.shape, outputDim], options, {
    embeddings: table.data,
  })
  const parts = [...ids.parts, outputDim]
  return { ...ids, out: made, parts, axes: [...ids.axes, [parts.length - 1]] }
}

/** Several places of a dimension. */
function selected(reader: Reader, view: View, axis: number, indices: readonly number[]): View {
  const whole = reader.settler.unpick(view)
  const order = batchFirst(whole)
  const out = reader.settler.settle(toFront(whole))
  const chosen = viewOf(reader.settler.select(out, order.indexOf(axis), indices))
  return transposed(chosen, inverse(order))
}

function toFront(view: View): View {
  const order = batchFirst(view)
  return order.every((from, to) => from === to) ? view : transposed(view, order)
}

const inverse = (order: readonly number[]) => order.map((_, i) => order.indexOf(i))

/** starts, ends, axes, steps: attributes before set 10, inputs since then. */
const slice: Read = (reader, [x, ...bounds], { attributes }) => {
  const old = attributes.has('starts')
  const get = (name: string, i: number) =>
    old ? attributes.ints(name) : bounds[i] ? reader.ints(bounds[i], `its ${name}`) : null
  const [starts, ends] = [get('starts', 0), get('ends', 1)]
  if (!starts || !ends || starts.length !== ends.length) throw new Unsupported('has no bounds')
  const rank =
    x?.kind === 'array' ? x.dims.length : x?.kind === 'lengths' ? 1 : reader.view(x).axes.length
  const axes = (get('axes', 2) ?? starts.map((_, i) => i)).map((axis) => reader.axis(axis, rank))
  const steps = old ? starts.map(() => 1) : (get('steps', 3) ?? starts.map(() => 1))
  let value = x!
  starts.forEach((start, i) => {
    value = sliceOne(reader, value, axes[i], start, ends[i], steps[i] ?? 1)
  })
  return [value]
}

function sliceOne(
  reader: Reader,
  x: Value,
  axis: number,
  start: number,
  end: number,
  step: number,
): Value {
  const far = 2 ** 31 - 1
  const length: Dim =
    x.kind === 'lengths'
      ? x.values.length
      : x.kind === 'array'
        ? x.dims[axis]
        : dimsOf(reader.view(x))[axis]
  if (start === -1 && step === -1 && end <= -far) return reversed(reader, reader.view(x), axis)
  if (step < 1) throw new Unsupported('takes steps backwards')
  if (typeof length !== 'number') {
    if (start === 0 && end >= far && step === 1) return x
    const view = reader.view(x)
    if (step === 1 && start === -1 && end >= far) return pick(view, axis, -1, true)
    if (step === 1 && start === 0 && end === 1) return pick(view, axis, 0, true)
    throw new Unsupported(`takes steps ${start} to ${end} of a sequence of open length`)
  }
  const at = (bound: number) => Math.min(length, Math.max(0, bound < 0 ? bound + length : bound))
  const [from, to] = [at(start), at(end)]
  const count = Math.max(0, Math.ceil((to - from) / step))
  if (count === length && x.kind !== 'lengths') return x
  if (count > 1 << 22) throw new Unsupported('takes too many places')
  const indices = Array.from({ length: count }, (_, i) => from + i * step)
  if (x.kind === 'lengths') return lengths(indices.map((i) => x.values[i]))
  if (x.kind === 'array') return { ...take(x, axis, indices, reader.budget), spread: x.spread }
  const view = reader.view(x)
  if (count === 0) throw new Unsupported('leaves nothing')
  return count === 1 ? pick(view, axis, indices[0], true) : selected(reader, view, axis, indices)
}

/** A layer that reads backwards shows its steps in that order. */
function reversed(reader: Reader, view: View, axis: number): View {
  const { out, axes } = view
  const isTime = axes[axis].length === 1 && axes[axis][0] === 1
  if (out.role !== 'timed' || !isTime) throw new Unsupported('reverses a dimension')
  return { ...view, out: reader.plan.output(out.call!, 'steps', out.shape) }
}

const concatOf: Read = (reader, inputs, { attributes }) => {
  if (inputs.every((x) => x?.kind === 'array')) {
    const parts = inputs as Known[]
    const axis = reader.axis(attributes.int('axis', 1), parts[0].dims.length)
    const joined = concat(parts, axis, reader.budget)
    if (!joined) throw new Unsupported('joins constants that do not fit')
    return [{ ...joined, spread: parts.some(({ spread }) => spread) }]
  }
  const dims = inputs.map(asLengths)
  if (dims.every((part) => part !== null)) return [lengths(dims.flat())]
  const given = attributes.int('axis', 1)
  const views = inputs.flatMap((x) =>
    x?.kind === 'stack' && x.axis === given ? x.views : [reader.view(x)],
  )
  const rank = views[0].axes.length
  const axis = reader.axis(given, rank)
  const whole = unrolled(views, axis)
  if (whole) return [whole]
  if (views.every((view) => view.axes.length === rank && view.axes[axis].length === 0)) {
    return [{ kind: 'stack', views, axis }]
  }
  return [join(reader, views, axis)]
}

/** The sequence whose steps are all there, in their order. */
function unrolled(views: readonly View[], axis: number): View | null {
  const [{ out, parts, axes, picks }] = views
  for (const [part] of picks) {
    const fits = views.every(
      (view, i) =>
        view.out === out &&
        view.picks.get(part) === i &&
        view.axes[axis]?.length === 0 &&
        view.axes.length === axes.length,
    )
    if (!fits || parts[part] !== views.length) continue
    const rest = new Map([...picks].filter(([other]) => other !== part))
    return { ...views[0], picks: rest, axes: axes.map((own, i) => (i === axis ? [part] : own)) }
  }
  return null
}

/** Views one behind the other along a dimension. */
function join(reader: Reader, views: readonly View[], axis: number): View {
  const settled = views.map((view) => {
    const whole = reader.settler.unpick(view)
    return { order: batchFirst(whole), out: reader.settler.settle(toFront(whole)) }
  })
  const [{ order }] = settled
  if (settled.some((one) => `${one.order}` !== `${order}`)) {
    throw new Unsupported('joins values whose dimensions are in different orders')
  }
  const outs = settled.map(({ out }) => out)
  const place = order.indexOf(axis)
  if (place === 0) throw new Unsupported('joins batches')
  const both = directions(reader, outs, place)
  const out = both ?? concatenated(reader, outs, place)
  return transposed(viewOf(out), inverse(order))
}

function concatenated(reader: Reader, outs: readonly View['out'][], place: number) {
  const lengthsOf = outs.map(({ shape }) => shape[place])
  const total = lengthsOf.every((dim) => typeof dim === 'number')
    ? lengthsOf.reduce<number>((sum, dim) => sum + (dim as number), 0)
    : `(${lengthsOf.join('+')})`
  const shape = outs[0].shape.map((dim, i) => (i === place ? total : dim))
  const axis = place === shape.length - 1 ? -1 : place
  return reader.plan.add('concatenate', outs, shape, { axis })
}

/** The output of a bidirectional layer of which these are the two directions. */
function directions(reader: Reader, outs: readonly View['out'][], place: number) {
  const [one, other] = outs
  const what = one.role.replace('forward ', '')
  const fits =
    outs.length === 2 &&
    one.call !== null &&
    one.call === other.call &&
    (what === 'steps' || what === 'last') &&
    one.role === `forward ${what}` &&
    other.role === `backward ${what}` &&
    place === one.shape.length - 1
  if (!fits) return null
  const shape = [...one.shape.slice(0, -1), 2 * (one.shape.at(-1) as number)]
  return reader.plan.output(one.call!, what as 'steps' | 'last', shape)
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
  Squeeze: squeeze,
  Transpose: transposeOf,
  Unsqueeze: unsqueeze,
}
