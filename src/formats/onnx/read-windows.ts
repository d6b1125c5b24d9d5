/** Convolutions and pooling, over time and over images; sums. */
import { Unsupported } from './operation.ts'
import type { Dim } from './plan.ts'
import { countSteps } from './read-masks.ts'
import type { Operation, Read, Reader, Value } from './reader.ts'
import {
  dimsOf,
  endsWithFeatures,
  squeezed,
  transposed,
  unsqueezed,
  type View,
  viewOf,
  withOutput,
} from './view.ts'

/** A layer and the shape of what it gives, without the batch. */
interface RowLayer {
  readonly kind: string
  readonly options: Record<string, unknown>
  readonly weights?: Readonly<Record<string, ArrayLike<number>>>
  readonly shape: readonly Dim[]
}

/**
 * A layer on every row of a view [rows,…]; `make` is told a row's shape. Where rows are the steps of sequences, as
 * [B·T,C,H,W] has the frames of videos, it is a layer at every step.
 */
function rowwise(
  { settler, plan }: Reader,
  view: View,
  make: (row: readonly Dim[]) => RowLayer,
): View {
  const [rows, ...each] = settler.unpick(view).axes
  if (rows.length !== 2) {
    const x = settler.settle(view)
    const { kind, options, weights, shape } = make(x.shape.slice(1))
    return viewOf(plan.add(kind, [x], [x.shape[0], ...shape], options, weights))
  }
  const x = settler.settle({ ...settler.unpick(view), axes: [[rows[0]], [rows[1]], ...each] })
  const [batch, steps, ...row] = x.shape
  const { kind, options, weights = {}, shape } = make(row)
  const paths = Object.entries(weights).map(([name, array]) => [`layer/${name}`, array])
  const out = plan.add(
    'timeDistributed',
    [x],
    [batch, steps, ...shape],
    { layer: { kind, name: 'layer', options } },
    Object.fromEntries(paths),
  )
  return viewOf(out, [[0, 1], ...shape.map((_, i) => [i + 2])])
}

type Padding = 'valid' | 'causal' | 'same'

/** Refrain's names for what pads one dimension. */
function paddingsOf(
  [before, after]: readonly [number, number],
  size: number,
  stride: number,
  dilation: number,
  length: Dim,
): Padding[] {
  const reach = dilation * (size - 1)
  const rest =
    stride === 1
      ? reach
      : typeof length === 'number'
        ? Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach + 1 - length)
        : -1
  const fits = {
    valid: before === 0 && after === 0,
    causal: before === reach && after === 0,
    same: before === rest >> 1 && before + after === rest,
  }
  return (['valid', 'causal', 'same'] as const).filter((name) => fits[name])
}

/** A layer of windows over [B,C,T] or [B,C,H,W]: Refrain's is over [B,T,C] or [B,H,W,C]. */
function windows(
  reader: Reader,
  given: Value | null,
  node: Operation,
  sizes: readonly number[],
  make: (channels: Dim, common: Record<string, unknown>, lengths: Dim[]) => RowLayer,
): View {
  const view = reader.view(given)
  const rank = sizes.length
  if (view.axes.length !== rank + 2 || rank > 2) {
    throw new Unsupported(`is over ${view.axes.length - 2} dimensions, not over 1 or 2`)
  }
  if (node.attributes.int('ceil_mode', 0) !== 0) throw new Unsupported('rounds up')
  const all = (name: string) => sizes.map((_, i) => node.attributes.ints(name)?.[i] ?? 1)
  const [strides, dilations] = [all('strides'), all('dilations')]
  const auto = node.attributes.text('auto_pad', 'NOTSET')
  const pads = node.attributes.ints('pads') ?? []
  const y = rowwise(reader, transposed(view, channelsLast(rank)), (row) => {
    const possible = sizes.map((size, i): Padding[] => {
      if (auto === 'VALID') return ['valid']
      if (auto === 'SAME_UPPER') return ['same']
      if (auto !== 'NOTSET') throw new Unsupported(`has the padding ${auto}`)
      const own = [pads[i] ?? 0, pads[i + rank] ?? 0] as const
      return paddingsOf(own, size, strides[i], dilations[i], row[i])
    })
    const padding = possible[0].find(
      (one) => possible.every((list) => list.includes(one)) && !(rank === 2 && one === 'causal'),
    )
    if (!padding) throw new Unsupported(`pads by ${pads.join(', ')}`)
    const lengths = sizes.map((size, i) => {
      const covered = padding === 'valid' ? dilations[i] * (size - 1) : 0
      const length = row[i]
      if (typeof length === 'number') return Math.ceil((length - covered) / strides[i])
      return covered === 0 && strides[i] === 1 ? length : reader.plan.open()
    })
    if (lengths.some((length) => typeof length === 'number' && length < 1)) {
      throw new Unsupported('has windows that do not fit')
    }
    const common = { strides: sizeOf(strides), dilationRate: sizeOf(dilations), padding }
    return make(row[rank], common, lengths)
  })
  return transposed(y, channelsFirst(rank))
}

/** A size as layers have it: a number over time, two over images. */
const sizeOf = (sizes: readonly number[]) => (sizes.length === 1 ? sizes[0] : sizes)
const channelsLast = (rank: number) => [0, ...Array.from({ length: rank }, (_, i) => i + 2), 1]
const channelsFirst = (rank: number) => [
  0,
  rank + 1,
  ...Array.from({ length: rank }, (_, i) => i + 1),
]

/** A convolution. */
export const conv: Read = (reader, [x, w, b], node) => {
  const kernel = reader.known(w, 'its kernel')
  const [filters, channels, ...sizes] = kernel.dims
  const groups = node.attributes.int('group', 1)
  const area = sizes.reduce((all, size) => all * size, 1)
  const weights = new Float32Array(kernel.data.length)
  for (let i = 0; i < weights.length; i++) {
    const [f, c, k] = [Math.floor(i / (channels * area)), Math.floor(i / area) % channels, i % area]
    weights[(k * channels + c) * filters + f] = kernel.data[i]
  }
  const view = windows(reader, x, node, sizes, (width, common, lengths) => {
    if (width !== channels * groups) throw new Unsupported('has another number of channels')
    return {
      kind: `conv${sizes.length}d`,
      options: { filters, kernelSize: sizeOf(sizes), groups, useBias: !!b, ...common },
      weights: { kernel: weights, ...(b && { bias: reader.vector(b, filters) }) },
      shape: [...lengths, filters],
    }
  })
  return [view]
}

/** Pooling of windows. */
export const pooling =
  (kind: 'maxPooling' | 'averagePooling'): Read =>
  (reader, [x], node) => {
    const sizes = node.attributes.ints('kernel_shape') ?? [1]
    const dilated = node.attributes.ints('dilations')?.some((one) => one !== 1)
    const view = windows(reader, x, node, sizes, (channels, { strides, padding }, lengths) => {
      const counts = node.attributes.int('count_include_pad', 0) !== 0 && padding !== 'valid'
      if (dilated || padding === 'causal' || counts) throw new Unsupported('pads so')
      return {
        kind: `${kind}${sizes.length}d`,
        options: { poolSize: sizeOf(sizes), strides, padding },
        shape: [...lengths, channels],
      }
    })
    return [view]
  }

/** Pooling over all of [B,T,C] or [B,H,W,C]: [B,C]. */
function pooledWhole(reader: Reader, of: 'Average' | 'Max', view: View): View {
  const rank = view.axes.length - 2
  if (rank !== 1 && rank !== 2) throw new Unsupported(`is over ${rank} dimensions, not over 1 or 2`)
  return rowwise(reader, view, (row) => ({
    kind: `global${of}Pooling${rank}d`,
    options: {},
    shape: [row[rank]],
  }))
}

/** Pooling over all of [B,C,T] or [B,C,H,W], with dimensions of length 1 in place of those that are gone. */
export const globalPooling =
  (of: 'Average' | 'Max'): Read =>
  (reader, [x]) => {
    const view = reader.view(x)
    const last = transposed(view, channelsLast(view.axes.length - 2))
    return [unsqueezed(pooledWhole(reader, of, last), view.axes.map((_, i) => i).slice(2))]
  }

/** Pooling over all of time, or over images. */
export const reduce =
  (of: 'Average' | 'Max'): Read =>
  (reader, [x, given], node) => {
    const chosen = x?.kind === 'chosen' ? x : null
    if (chosen && (of === 'Max' ? !(chosen.otherwise < -1e38) : chosen.otherwise !== 0)) {
      throw new Unsupported('reduces chosen values')
    }
    const view = reader.settler.unpick(chosen?.view ?? reader.view(x))
    const axes = reader.axes(node, given, view.axes.length) ?? []
    const keeps = node.attributes.int('keepdims', 1) !== 0
    if (!chosen && view.axes.length === 4 && axes.length === 2 && !axes.includes(0)) {
      const channels = 6 - axes[0] - axes[1]
      const whole = pooledWhole(reader, of, transposed(view, [0, ...axes, channels]))
      return [keeps ? unsqueezed(whole, axes) : whole]
    }
    const [axis] = axes
    const time = axes.length === 1 && view.axes[axis].length === 1 && view.axes[axis][0] === 1
    if (!time || view.out.shape.length !== 3 || view.parts.length !== 3) {
      throw new Unsupported('reduces something else than time')
    }
    const [batch, , width] = view.out.shape
    const out = reader.plan.add(`global${of}Pooling1d`, [view.out], [batch, width])
    out.call!.masked = chosen !== null
    const left = view.axes.flatMap((own, i) =>
      i === axis ? (keeps ? [[]] : []) : [own.map((part) => (part > 1 ? part - 1 : part))],
    )
    const y = viewOf(out, left)
    return [chosen && of === 'Average' ? { kind: 'sum', mean: y, flags: chosen.flags } : y]
  }

/** A sum over one dimension; over the steps that count, what divides it by their number makes the mean of it. */
export const reduceSum: Read = (reader, inputs, node) => {
  const [x, given] = inputs
  if (x?.kind === 'chosen') return reduce('Average')(reader, inputs, node)
  if (x?.kind === 'mask') return countSteps(reader, inputs, node)
  const view = reader.settler.unpick(reader.view(x))
  const axes = reader.axes(node, given, view.axes.length) ?? []
  if (axes.length !== 1) throw new Unsupported('adds up several dimensions')
  const y = sumOfProduct(reader, view, axes[0]) ?? sum(reader, view, axes[0])
  return [node.attributes.int('keepdims', 1) !== 0 ? unsqueezed(y, axes) : y]
}

/** Σ_k a[b,k,1]·c[b,k,n], as weights of attention have it: a product of matrices; null if it is not that. */
function sumOfProduct({ plan }: Reader, { out, parts, axes }: View, place: number): View | null {
  const { call, shape } = out
  const whole = shape.length === 3 && axes.length === 3 && `${parts}` === `${shape}`
  const axis = axes[place][0]
  if (call?.layer.kind !== 'multiply' || call.inputs.length !== 2 || !whole || axis === 0)
    return null
  const other = 3 - axis
  const [a, c] = call.inputs
  const fits = a.shape.length === 3 && c.shape.length === 3 && a.shape[axis] === c.shape[axis]
  if (!fits || (a.shape[other] !== 1 && c.shape[other] !== 1)) return null
  const dims = [shape[0], a.shape[other], c.shape[other]]
  const summed = viewOf(plan.add('dot', call.inputs, dims, { axes: [axis, axis] }))
  const flat = squeezed(summed, [a.shape[other] === 1 ? 1 : 2])
  const left = axes.filter((_, i) => i !== place)
  return left[0][0] === 0 ? flat : transposed(flat, [1, 0])
}

/** Of features a dense layer of ones; of steps what a recurrent layer that only adds ends with. */
function sum(reader: Reader, view: View, place: number): View {
  const last = view.axes.length - 1
  const length = dimsOf(view)[place]
  if (place === last && typeof length === 'number' && endsWithFeatures(view)) {
    const kernel = new Float32Array(reader.budget.take(length)).fill(1)
    const options = { units: 1, useBias: false, trainable: false }
    const shape = [...view.out.shape.slice(0, -1), 1]
    const out = reader.plan.add('dense', [view.out], shape, options, { kernel })
    return squeezed(withOutput(view, out), [last])
  }
  const rest = view.axes.map((_, i) => i).filter((i) => i !== place)
  if (rest.length !== 2) throw new Unsupported(`adds up one of ${view.axes.length} dimensions`)
  const [rows, features] = view.axes[rest[0]][0] === 0 ? rest : [...rest].reverse()
  const x = reader.settler.settle(transposed(view, [rows, place, features]))
  const y = viewOf(reader.settler.total(x))
  return rows < features ? y : transposed(y, [1, 0])
}
