/** Operators that take parts of a value, and such that join values: Gather, Slice, Concat. */
import { concat, type Known, take } from './arrays.ts'
import { asLengths, lengths } from './lengths.ts'
import { Unsupported } from './operation.ts'
import type { Dim } from './plan.ts'
import type { Read, Reader, Value } from './reader.ts'
import { batchFirst, dimsOf, squeezed, transposed, type View, viewOf } from './view.ts'

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

/** Places of a dimension; rows of a table by ids. */
export const gather: Read = (reader, [x, given], { attributes }) => {
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
export const slice: Read = (reader, [x, ...bounds], { attributes }) => {
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
  const indices = Array.from({ length: reader.budget.take(count) }, (_, i) => from + i * step)
  if (x.kind === 'lengths') return lengths(indices.map((i) => x.values[i]))
  if (x.kind === 'array') return { ...take(x, axis, indices, reader.budget), spread: x.spread }
  const view = reader.view(x)
  if (count === 0) throw new Unsupported('leaves nothing')
  return count === 1 ? pick(view, axis, indices[0], true) : selected(reader, view, axis, indices)
}

/** Parts beside each other: of lengths that are given, or as many equal ones as there are outputs. */
export const split: Read = (reader, [x, given], { node, attributes }) => {
  const dims = x?.kind === 'array' ? x.dims : dimsOf(reader.view(x))
  const axis = reader.axis(attributes.int('axis', 0), dims.length)
  const length = dims[axis]
  const count = node.output.length
  const sizes = attributes.ints('split') ?? (given ? reader.ints(given, 'its lengths') : null)
  if (typeof length !== 'number') throw new Unsupported('splits a dimension of open length')
  const each = Math.ceil(length / count)
  let from = 0
  return Array.from({ length: count }, (_, i) => {
    const to = Math.min(length, from + (sizes?.[i] ?? each))
    const part = sliceOne(reader, x!, axis, from, to, 1)
    from = to
    return part
  })
}

/** A layer that reads backwards shows its steps in that order. */
function reversed(reader: Reader, view: View, axis: number): View {
  const { out, axes } = view
  const isTime = axes[axis].length === 1 && axes[axis][0] === 1
  if (out.role !== 'timed' || !isTime) throw new Unsupported('reverses a dimension')
  return { ...view, out: reader.plan.output(out.call!, 'steps', out.shape) }
}

/** Concat: of constants, lengths, steps of a loop that was unrolled, both directions, or any outputs. */
export const concatOf: Read = (reader, inputs, { attributes }) => {
  if (inputs.every((x) => x?.kind === 'array')) {
    const parts = inputs as Known[]
    const axis = reader.axis(attributes.int('axis', 1), parts[0].dims.length)
    const joined = concat(parts, axis, reader.budget)
    if (!joined) throw new Unsupported('joins constants that do not fit')
    return [{ ...joined, spread: parts.some(({ spread }) => spread) }]
  }
  const dims = inputs.map(asLengths)
  if (dims.every((part) => part !== null)) {
    reader.budget.take(dims.reduce((sum, part) => sum + part.length, 0))
    return [lengths(dims.flat())]
  }
  const given = attributes.int('axis', 1)
  const views = inputs.flatMap((x) =>
    x?.kind === 'stack' && x.axis === given ? x.views : [reader.view(x)],
  )
  reader.budget.take(views.length)
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
    : reader.plan.open()
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
