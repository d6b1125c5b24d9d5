/** Convolutions and pooling over time. */
import { Unsupported } from './operation.ts'
import type { Dim, Out } from './plan.ts'
import { countSteps } from './read-masks.ts'
import type { Operation, Read, Reader, Value } from './reader.ts'
import { transposed, type View, viewOf } from './view.ts'

/** The padding of windows over time by Refrain's name. */
function paddingOf(
  { attributes }: Operation,
  size: number,
  stride: number,
  dilation: number,
  steps: Dim,
): 'valid' | 'same' | 'causal' {
  const auto = attributes.text('auto_pad', 'NOTSET')
  if (auto === 'VALID') return 'valid'
  if (auto === 'SAME_UPPER') return 'same'
  if (auto !== 'NOTSET') throw new Unsupported(`has the padding ${auto}`)
  const [before, after] = attributes.ints('pads') ?? [0, 0]
  const reach = dilation * (size - 1)
  if (before === 0 && after === 0) return 'valid'
  if (before === reach && after === 0) return 'causal'
  const rest =
    stride === 1
      ? reach
      : typeof steps === 'number'
        ? Math.max(0, (Math.ceil(steps / stride) - 1) * stride + reach + 1 - steps)
        : -1
  if (before === rest >> 1 && before + after === rest) return 'same'
  throw new Unsupported(`pads by ${before} and ${after}`)
}

/** A layer of windows over [B,C,T]: Refrain's is over [B,T,C]. */
function windows(
  reader: Reader,
  given: Value | null,
  node: Operation,
  size: number,
  make: (x: Out, options: Record<string, unknown>, steps: Dim) => Out,
): View {
  const view = reader.view(given)
  if (view.axes.length !== 3) throw new Unsupported('is over images')
  const x = reader.settler.settle(transposed(view, [0, 2, 1]))
  const one = (name: string) => node.attributes.ints(name)?.[0] ?? 1
  const [strides, dilationRate] = [one('strides'), one('dilations')]
  const steps = x.shape[1]
  const padding = paddingOf(node, size, strides, dilationRate, steps)
  const covered = padding === 'valid' ? dilationRate * (size - 1) : 0
  const after =
    typeof steps === 'number'
      ? Math.ceil((steps - covered) / strides)
      : covered === 0 && strides === 1
        ? steps
        : reader.plan.open()
  if (typeof after === 'number' && after < 1) throw new Unsupported('has windows that do not fit')
  if (node.attributes.int('ceil_mode', 0) !== 0) throw new Unsupported('rounds up')
  const out = make(x, { strides, dilationRate, padding }, after)
  return transposed(viewOf(out), [0, 2, 1])
}

/** A convolution over time. */
export const conv: Read = (reader, [x, w, b], node) => {
  const kernel = reader.known(w, 'its kernel')
  if (kernel.dims.length !== 3) throw new Unsupported('is over images')
  const [filters, channels, size] = kernel.dims
  const groups = node.attributes.int('group', 1)
  const weights = new Float32Array(kernel.data.length)
  for (let i = 0; i < weights.length; i++) {
    const [f, c, k] = [Math.floor(i / (channels * size)), Math.floor(i / size) % channels, i % size]
    weights[(k * channels + c) * filters + f] = kernel.data[i]
  }
  const view = windows(reader, x, node, size, (input, common, steps) => {
    if (input.shape[2] !== channels * groups)
      throw new Unsupported('has another number of channels')
    const options = { filters, kernelSize: size, groups, useBias: !!b, ...common }
    const own = { kernel: weights, ...(b && { bias: reader.vector(b, filters) }) }
    return reader.plan.add('conv1d', [input], [input.shape[0], steps, filters], options, own)
  })
  return [view]
}

/** Pooling of windows over time. */
export const pooling =
  (kind: 'maxPooling1d' | 'averagePooling1d'): Read =>
  (reader, [x], node) => {
    const [size] = node.attributes.ints('kernel_shape') ?? [1]
    const view = windows(
      reader,
      x,
      node,
      size,
      (input, { strides, padding, dilationRate }, steps) => {
        const counts = node.attributes.int('count_include_pad', 0) !== 0 && padding !== 'valid'
        if (dilationRate !== 1 || padding === 'causal' || counts) throw new Unsupported('pads so')
        const [batch, , channels] = input.shape
        return reader.plan.add(kind, [input], [batch, steps, channels], {
          poolSize: size,
          strides,
          padding,
        })
      },
    )
    return [view]
  }

/** Pools a sequence [B,T,F] over time; `masked` if steps that do not count are left out. */
function pooled(reader: Reader, of: 'Average' | 'Max', x: Out, masked = false): Out {
  const [batch, , width] = x.shape
  const out = reader.plan.add(`global${of}Pooling1d`, [x], [batch, width])
  out.call!.masked = masked
  return out
}

/** Pooling over all of time. */
export const reduce =
  (of: 'Average' | 'Max'): Read =>
  (reader, [x, given], node) => {
    const chosen = x?.kind === 'chosen' ? x : null
    if (chosen && (of === 'Max' ? !(chosen.otherwise < -1e38) : chosen.otherwise !== 0)) {
      throw new Unsupported('reduces chosen values')
    }
    const view = reader.settler.unpick(chosen?.view ?? reader.view(x))
    const axes = reader.axes(node, given, view.axes.length) ?? []
    const [axis] = axes
    const time = axes.length === 1 && view.axes[axis].length === 1 && view.axes[axis][0] === 1
    if (!time || view.out.shape.length !== 3 || view.parts.length !== 3) {
      throw new Unsupported('reduces something else than time')
    }
    const out = pooled(reader, of, view.out, chosen !== null)
    const keeps = node.attributes.int('keepdims', 1) !== 0
    const left = view.axes.flatMap((own, i) =>
      i === axis ? (keeps ? [[]] : []) : [own.map((part) => (part > 1 ? part - 1 : part))],
    )
    const y = viewOf(out, left)
    return [chosen && of === 'Average' ? { kind: 'sum', mean: y, flags: chosen.flags } : y]
  }

/** The sum over the steps that count; what divides it by their number makes the mean of it. */
export const reduceSum: Read = (reader, inputs, node) =>
  (inputs[0]?.kind === 'chosen' ? reduce('Average') : countSteps)(reader, inputs, node)

/** The same of [B,C,T]. */
export const globalPooling =
  (of: 'Average' | 'Max'): Read =>
  (reader, [x]) => {
    const view = reader.view(x)
    if (view.axes.length !== 3) throw new Unsupported('is over images')
    const out = pooled(reader, of, reader.settler.settle(transposed(view, [0, 2, 1])))
    return [viewOf(out, [[0], [1], []])]
  }
