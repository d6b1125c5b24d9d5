/** Products with constant matrices, as dense layers; scales and offsets. */
import type { Known } from './arrays.ts'
import { Unsupported } from './operation.ts'
import type { Call, Out } from './plan.ts'
import type { Read, Reader } from './reader.ts'
import { dimsOf, squeezed, unsqueezed, type View, viewOf, withOutput } from './view.ts'

/** Transposes a matrix [rows, columns]. */
function turned({ dims: [rows, columns], data }: Known): Float32Array {
  const out = new Float32Array(rows * columns)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]
  }
  return out
}

/** x·kernel [K,N] over the features. */
function dense(
  reader: Reader,
  given: View,
  matrix: Known,
  weights: ArrayLike<number>,
  form = '',
): View {
  const x = reader.features(given)
  const [inputs, units] = matrix.dims
  const shape = [...x.out.shape.slice(0, -1), units]
  if (x.out.shape.at(-1) !== inputs) throw new Unsupported('multiplies matrices that do not fit')
  // The array's identity: weights that are the same make the same layer.
  const purpose = `dense ${reader.identify(matrix.data)} ${form}`
  const out = reader.settler.once(x.out, purpose, () =>
    reader.plan.add('dense', [x.out], shape, { units, useBias: false }, { kernel: weights }),
  )
  return withOutput(x, out)
}

/** The product of two outputs' matrices for each row, [B,M,K]·[B,K,N], wherever they have these dimensions. */
function ofMatrices(reader: Reader, a: View, b: View): View {
  if (a.axes.length !== 3 || b.axes.length !== 3) {
    const [m, n] = [a, b].map((view) => `[${dimsOf(view).join(', ')}]`)
    throw new Unsupported(`multiplies ${m} by ${n}: only [B,M,K] by [B,K,N] has a layer`)
  }
  const [x, k] = withAxis(reader, a, 2)
  const [y, n] = withAxis(reader, b, 1)
  if (x.shape[k] !== y.shape[n]) throw new Unsupported('multiplies matrices that do not fit')
  const rest = ({ shape }: Out, axis: number) => shape.filter((_, i) => i > 0 && i !== axis)
  const shape = [x.shape[0], ...rest(x, k), ...rest(y, n)]
  return viewOf(reader.plan.add('dot', [x, y], shape, { axes: [k, n] }))
}

/** An output of three dimensions that shows the view, and which of them is the view's at `place`. */
function withAxis(reader: Reader, given: View, place: number): [Out, number] {
  const view = reader.settler.unpick(given)
  const { out, parts, axes } = view
  const whole = `${parts}` === `${out.shape}` && axes.every(({ length }) => length === 1)
  if (whole && axes[0][0] === 0) return [out, axes[place][0]]
  return [reader.settler.settle(view), place]
}

/** A dense layer without bias. */
export const matMul: Read = (reader, [x, w]) => {
  if (x?.kind === 'view' && w?.kind === 'view') return [ofMatrices(reader, x, w)]
  if (x?.kind === 'array' || w?.kind !== 'array' || w.dims.length !== 2) {
    throw new Unsupported("multiplies something else than a layer's output and a constant matrix")
  }
  return [dense(reader, reader.view(x), w, w.data)]
}

/** A dense layer, with a bias. */
export const gemm: Read = (reader, [x, w, c], { attributes }) => {
  const matrix = reader.known(w, 'its matrix')
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)]
  if (attributes.int('transA', 0) !== 0) throw new Unsupported('transposes its first matrix')
  if (matrix.dims.length !== 2) throw new Unsupported('multiplies by something else than a matrix')
  const flip = attributes.int('transB', 0) !== 0
  const dims = flip ? [matrix.dims[1], matrix.dims[0]] : matrix.dims
  const kernel = flip ? turned(matrix) : matrix.data
  const weights = alpha === 1 ? kernel : Float32Array.from(kernel, (v) => alpha * v)
  const y = dense(reader, reader.view(x), { ...matrix, dims }, weights, `${flip} ${alpha}`)
  if (!c) return [y]
  const bias = reader.known(c, 'its bias')
  const values =
    beta === 1 ? bias : { ...bias, data: Float32Array.from(bias.data, (v) => beta * v) }
  return [plus(reader, y, values, y.out.call)]
}

/** x + a constant: the bias of the layer that made x, if only this adds to it, or a layer of its own. */
export function plus(reader: Reader, x: View, c: Known, fuse: Call | null): View {
  const width = x.out.shape.at(-1)
  const isRow = c.data.length === width && (c.dims.at(-1) === width || c.dims.length === 0)
  if (fuse && isRow && fuse.layer.options.useBias === false && endsInFeatures(x)) {
    return refitted(
      reader,
      x,
      fuse,
      { useBias: true },
      { bias: c.data },
      `plus ${reader.identify(c.data)}`,
    )
  }
  return affine(reader, x, null, c)
}

/** The same view of a layer with further options and weights, in the place of the one that made it. */
export function refitted(
  reader: Reader,
  x: View,
  { layer, inputs }: Call,
  options: Record<string, unknown>,
  weights: Record<string, ArrayLike<number>>,
  purpose: string,
): View {
  const out = reader.settler.once(x.out, purpose, () =>
    reader.plan.add(
      layer.kind,
      inputs,
      x.out.shape,
      { ...layer.options, ...options },
      { ...Object.fromEntries(layer.weights), ...weights },
    ),
  )
  return { ...x, out }
}

const endsInFeatures = ({ axes, parts }: View) => axes.at(-1)?.at(-1) === parts.length - 1

/** x·scale + offset with constants, along one dimension or for all: normalization by given statistics. */
export function affine(
  reader: Reader,
  given: View,
  scale: Known | null,
  offset: Known | null,
): View {
  const constant = (scale ?? offset)!
  const rank = given.axes.length
  const dims = [...new Array(Math.max(0, rank - constant.dims.length)).fill(1), ...constant.dims]
  const long = dims.flatMap((length, i) => (length > 1 ? [i] : []))
  if (long.length > 1 || dims.length > rank) {
    throw new Unsupported('computes with a constant of several dimensions')
  }
  // One number may be put on any dimension of known length.
  const known = dimsOf(given).findLastIndex(
    (dim, i) => typeof dim === 'number' && given.axes[i][0] !== 0,
  )
  const { call, shape } = given.out
  if (long.length === 0 && known < 0 && scale && !offset && call?.layer.kind === 'dot') {
    // A product of which all is open is scaled by one of its factors.
    const [a, b] = call.inputs
    const factor = affine(reader, viewOf(a), scale, null).out
    return { ...given, out: reader.plan.add('dot', [factor, b], shape, call.layer.options) }
  }
  if (long.length === 0 && known < 0) {
    return squeezed(affine(reader, unsqueezed(given, [rank]), scale, offset), [rank])
  }
  const place = long[0] ?? known
  const x = placed(reader, given, place)
  const axis = x.axes[place][0]
  const length = x.out.shape[axis]
  if (typeof length !== 'number' || (long.length === 1 && dims[place] !== length) || axis === 0) {
    throw new Unsupported('computes with a constant that does not fit')
  }
  const spread = (c: Known | null, otherwise: number) => {
    const out = new Float32Array(reader.budget.take(length))
    for (let i = 0; i < length; i++) out[i] = c ? c.data[c.data.length === 1 ? 0 : i] : otherwise
    return out
  }
  const last = axis === x.out.shape.length - 1
  const options = { axis: last ? -1 : axis, epsilon: 0, trainable: false }
  const purpose = `affine ${axis} ${scale && reader.identify(scale.data)} ${offset && reader.identify(offset.data)}`
  const out = reader.settler.once(x.out, purpose, () =>
    reader.plan.add('batchNormalization', [x.out], x.out.shape, options, {
      gamma: spread(scale, 1),
      beta: spread(offset, 0),
      movingMean: new Float32Array(length),
      movingVariance: new Float32Array(length).fill(1),
    }),
  )
  return { ...x, out }
}

/** The view with a dimension that is one of its output's. */
export function placed(reader: Reader, view: View, place: number): View {
  const { out, parts, axes } = view
  const whole = parts.length === out.shape.length && axes[place].length === 1
  if (whole) return view
  return viewOf(reader.settler.settle(view))
}
