/** Operators that compute, as layers: products, sums, activations, normalization, windows, pooling. */
import type { ActivationName } from '../../layers/activation.ts'
import { combine, type Known } from './arrays.ts'
import { Unsupported } from './operation.ts'
import type { Call, Dim, Out } from './plan.ts'
import { countSteps, maskReaders, ofMasks } from './read-masks.ts'
import type { Operation, Read, Reader, Value } from './reader.ts'
import { transposed, type View, viewOf, withOutput } from './view.ts'

const near = (a: number, b: number) => Math.abs(a - b) < 1e-6

/** A number that is the same for all elements; null if there are several. */
const only = (x: Value | null | undefined): number | null =>
  x?.kind === 'array' && x.data.length === 1 ? x.data[0] : null

/** Transposes a matrix [rows, columns]. */
function turned({ dims: [rows, columns], data }: Known): Float32Array {
  const out = new Float32Array(rows * columns)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]
  }
  return out
}

/** x·kernel [K,N] over the features. */
function dense(reader: Reader, given: View, matrix: Known, weights: ArrayLike<number>): View {
  const x = reader.features(given)
  const [inputs, units] = matrix.dims
  const shape = [...x.out.shape.slice(0, -1), units]
  if (x.out.shape.at(-1) !== inputs) throw new Unsupported('multiplies matrices that do not fit')
  // The array's identity: weights that are the same make the same layer.
  const purpose = `dense ${identify(reader, matrix.data)}`
  const out = reader.settler.once(x.out, purpose, () =>
    reader.plan.add('dense', [x.out], shape, { units, useBias: false }, { kernel: weights }),
  )
  return withOutput(x, out)
}

const identities = new WeakMap<Reader, Map<ArrayLike<number>, number>>()

/** A number for a constant of the file. */
function identify(reader: Reader, data: ArrayLike<number>): number {
  const known = identities.get(reader) ?? new Map<ArrayLike<number>, number>()
  identities.set(reader, known)
  const number = known.get(data) ?? known.size
  known.set(data, number)
  return number
}

const matMul: Read = (reader, [x, w]) => {
  if (x?.kind === 'array' || w?.kind !== 'array' || w.dims.length !== 2) {
    throw new Unsupported("multiplies something else than a layer's output and a constant matrix")
  }
  return [dense(reader, reader.view(x), w, w.data)]
}

const gemm: Read = (reader, [x, w, c], { attributes }) => {
  const matrix = reader.known(w, 'its matrix')
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)]
  if (attributes.int('transA', 0) !== 0) throw new Unsupported('transposes its first matrix')
  if (matrix.dims.length !== 2) throw new Unsupported('multiplies by something else than a matrix')
  const flip = attributes.int('transB', 0) !== 0
  const dims = flip ? [matrix.dims[1], matrix.dims[0]] : matrix.dims
  const kernel = flip ? turned(matrix) : matrix.data
  const weights = alpha === 1 ? kernel : Float32Array.from(kernel, (v) => alpha * v)
  const y = dense(reader, reader.view(x), { ...matrix, dims }, weights)
  if (!c) return [y]
  const bias = reader.known(c, 'its bias')
  const values =
    beta === 1 ? bias : { ...bias, data: Float32Array.from(bias.data, (v) => beta * v) }
  return [plus(reader, y, values, y.out.call)]
}

/** x + a constant: the bias of the layer that made x, if only this adds to it, or a layer of its own. */
function plus(reader: Reader, x: View, c: Known, fuse: Call | null): View {
  const width = x.out.shape.at(-1)
  const isRow = c.data.length === width && (c.dims.at(-1) === width || c.dims.length === 0)
  if (fuse && isRow && fuse.layer.options.useBias === false && endsInFeatures(x)) {
    return refitted(
      reader,
      x,
      fuse,
      { useBias: true },
      { bias: c.data },
      `plus ${identify(reader, c.data)}`,
    )
  }
  return affine(reader, x, null, c)
}

/** The same view of a layer with further options and weights, in the place of the one that made it. */
function refitted(
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
function affine(reader: Reader, given: View, scale: Known | null, offset: Known | null): View {
  const constant = (scale ?? offset)!
  const rank = given.axes.length
  const dims = [...new Array(Math.max(0, rank - constant.dims.length)).fill(1), ...constant.dims]
  const long = dims.flatMap((length, i) => (length > 1 ? [i] : []))
  if (long.length > 1 || dims.length > rank) {
    throw new Unsupported('computes with a constant of several dimensions')
  }
  const place = long[0] ?? rank - 1
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
  const purpose = `affine ${axis} ${scale && identify(reader, scale.data)} ${offset && identify(reader, offset.data)}`
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
function placed(reader: Reader, view: View, place: number): View {
  const { out, parts, axes } = view
  const whole = parts.length === out.shape.length && axes[place].length === 1
  if (whole) return view
  return viewOf(reader.settler.settle(view))
}

/** Element by element: of constants at once, of one constant a layer by itself, of outputs a layer that joins. */
const elementwise =
  (
    operator: 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'average',
    compute: (a: number, b: number) => number,
  ): Read =>
  (reader, inputs, node) => {
    if (inputs.length === 1) return [inputs[0]!]
    const masked = ofMasks(operator, inputs)
    if (masked) return [masked]
    if (inputs.every((x) => x?.kind === 'array')) {
      const parts = inputs as Known[]
      const join = (a: Known | null, b: Known) => a && combine(a, b, compute, reader.budget)
      const result = parts.slice(1).reduce<Known | null>(join, parts[0])
      if (!result) throw new Unsupported('computes with constants that do not fit')
      const count = operator === 'average' ? parts.length : 1
      return [count === 1 ? result : { ...result, data: Array.from(result.data, (v) => v / count) }]
    }
    const at = inputs.findIndex((x) => x?.kind === 'array')
    if (at >= 0) {
      if (inputs.length > 2) throw new Unsupported('computes with more than two values')
      const other = 1 - at
      return [
        withConstant(reader, operator, reader.view(inputs[other]), inputs[at] as Known, at, node),
      ]
    }
    if (operator === 'divide') throw new Unsupported("divides by a layer's output")
    const views = inputs.map((x) => reader.view(x))
    const special = operator === 'multiply' && views.length === 2 && gated(reader, views)
    return [special || merged(reader, operator, views)]
  }

function withConstant(
  reader: Reader,
  operator: string,
  x: View,
  c: Known,
  place: number,
  node: Operation,
): View {
  const mapped = (compute: (v: number) => number) => ({
    ...c,
    data: Float32Array.from(c.data, compute),
  })
  const fuse = reader.fusable(node, 1 - place, x, ['dense', 'conv1d'])
  switch (operator) {
    case 'add':
      return plus(reader, x, c, fuse)
    case 'subtract':
      if (place === 1)
        return plus(
          reader,
          x,
          mapped((v) => -v),
          fuse,
        )
      return affine(
        reader,
        x,
        mapped(() => -1),
        c,
      )
    case 'multiply':
      return affine(reader, x, c, null)
    case 'divide':
      if (place === 1)
        return affine(
          reader,
          x,
          mapped((v) => 1 / v),
          null,
        )
      break
    case 'maximum':
      if (only(c) === 0) return activated(reader, x, 'relu', fuse)
  }
  throw new Unsupported('computes this with a constant')
}

/** A layer that joins outputs, element by element. */
function merged(reader: Reader, operator: string, given: readonly View[]): View {
  const views = given.map((view) => reader.settler.unpick(view))
  const rank = Math.max(...views.map(({ axes }) => axes.length))
  const [first] = views
  const order = (view: View) => view.axes.flat().join()
  const alike = views.every(
    (view) =>
      `${view.parts}` === `${view.out.shape}` &&
      view.axes.length === rank &&
      order(view) === order(first) &&
      view.axes.every((axis) => axis.length === 1),
  )
  if (alike) {
    const out = reader.plan.add(
      operator,
      views.map(({ out }) => out),
      broadcast(views.map(({ out }) => out.shape)),
    )
    return { ...first, out, parts: out.shape }
  }
  const outs = views.map((view) => {
    if (view.axes.length !== rank) throw new Unsupported('joins values of different ranks')
    return reader.settler.settle(view)
  })
  return viewOf(reader.plan.add(operator, outs, broadcast(outs.map(({ shape }) => shape))))
}

function broadcast(shapes: readonly (readonly Dim[])[]): Dim[] {
  return shapes[0].map((_, i) => {
    const long = shapes.map((shape) => shape[i]).filter((dim) => dim !== 1)
    const known = long.find((dim) => typeof dim === 'number')
    if (long.some((dim) => typeof dim === 'number' && dim !== known)) {
      throw new Unsupported('joins values of different shapes')
    }
    return known ?? long[0] ?? 1
  })
}

/** The layer and input of an activation that stands by itself, if the output is one's. */
function activationOf({ call }: Out): { name: unknown; input: Out } | null {
  return call?.layer.kind === 'activation'
    ? { name: call.layer.options.activation, input: call.inputs[0] }
    : null
}

/** x·sigmoid(x), x·tanh(softplus(x)) and x/2·(1 + erf(x/√2)), which are activations; null if it is none. */
function gated(reader: Reader, views: readonly View[]): View | null {
  for (const [x, gate] of [views, [...views].reverse()]) {
    const outer = activationOf(gate.out)
    if (outer?.name === 'sigmoid' && outer.input === x.out)
      return activated(reader, x, 'silu', null)
    const inner = outer && activationOf(outer.input)
    if (outer?.name === 'tanh' && inner?.name === 'softplus' && inner.input === x.out) {
      return activated(reader, x, 'mish', null)
    }
    const plusOne = affineOf(gate.out)
    const erf = plusOne?.input.call
    const scaled = erf?.layer.kind === 'erf' ? affineOf(erf.inputs[0]) : null
    const half = affineOf(x.out)
    if (!plusOne || !scaled) continue
    const isErf = plusOne.offset === 1 && plusOne.scale === 1 && near(scaled.scale, Math.SQRT1_2)
    if (isErf && half && half.input === scaled.input && half.scale === 0.5) {
      return activated(reader, { ...x, out: half.input }, 'gelu', null)
    }
    // Older exports: (x·(1 + erf))·0.5, which a product that follows halves.
    if (isErf && scaled.input === x.out) {
      const twice = activated(reader, x, 'gelu', null)
      const two: Known = { kind: 'array', dims: [], data: [2] }
      return affine(reader, twice, two, null)
    }
  }
  return null
}

/** What one number multiplies and adds to an output. */
function affineOf({ call }: Out): { input: Out; scale: number; offset: number } | null {
  if (call?.layer.kind !== 'batchNormalization' || call.layer.options.epsilon !== 0) return null
  const [gamma, beta] = ['gamma', 'beta'].map((name) => call.layer.weights.get(name)!)
  return { input: call.inputs[0], scale: gamma[0], offset: beta[0] }
}

/** An activation as a layer of its own, or as the option of the layer that made x. */
function activated(reader: Reader, x: View, name: ActivationName, fuse: Call | null): View {
  if (fuse) return refitted(reader, x, fuse, { activation: name }, {}, name)
  const out = reader.settler.once(x.out, `activation ${name}`, () =>
    reader.plan.add('activation', [x.out], x.out.shape, { activation: name }),
  )
  return { ...x, out }
}

const activation =
  (name: ActivationName): Read =>
  (reader, [x], node) => {
    const view = reader.view(x)
    return [activated(reader, view, name, reader.fusable(node, 0, view, ['dense', 'conv1d']))]
  }

/** Activations of which one set of numbers is Refrain's. */
const numbered =
  (
    wanted: readonly [name: ActivationName, ...numbers: number[]][],
    names: readonly [string, number][],
  ): Read =>
  (reader, inputs, node) => {
    const numbers = names.map(([name, otherwise]) => node.attributes.float(name, otherwise))
    const found = wanted.find(([, ...own]) => own.every((number, i) => near(number, numbers[i])))
    if (found) return activation(found[0])(reader, inputs, node)
    throw new Unsupported(`has ${names.map(([name], i) => `${name} ${numbers[i]}`).join(', ')}`)
  }

/** Over one dimension: the last, of the features. */
const softmax =
  (name: 'softmax' | 'logSoftmax'): Read =>
  (reader, [x], node) => {
    const given = reader.view(x)
    const rank = given.axes.length
    const axis = reader.axis(node.attributes.int('axis', reader.opset < 13 ? 1 : -1), rank)
    // Before set 13 all dimensions from the axis on are one.
    if (axis !== rank - 1) throw new Unsupported(`is over the dimension ${axis} of ${rank}`)
    const view = reader.features(given)
    return [activated(reader, view, name, reader.fusable(node, 0, view, ['dense', 'conv1d']))]
  }

const clip: Read = (reader, [x, low, high], node) => {
  const { attributes } = node
  const least = low ? only(low) : attributes.float('min', -Infinity)
  const most = high ? only(high) : attributes.float('max', Infinity)
  if (least === 0 && most === 6) return activation('relu6')(reader, [x], node)
  if (least === 0 && (most ?? 0) > 1e38) return activation('relu')(reader, [x], node)
  throw new Unsupported(`limits to ${least} and ${most}`)
}

const batchNormalization: Read = (reader, [given, ...rest], { attributes }) => {
  const x = placed(reader, reader.view(given), 1)
  const [axis] = x.axes[1]
  const names = ['gamma', 'beta', 'movingMean', 'movingVariance']
  const weights = names.map(
    (name, i) => [name, vector(reader, rest[i], x.out.shape[axis])] as const,
  )
  const options = {
    axis: axis === x.out.shape.length - 1 ? -1 : axis,
    epsilon: attributes.float('epsilon', 1e-5),
  }
  const out = reader.plan.add(
    'batchNormalization',
    [x.out],
    x.out.shape,
    options,
    Object.fromEntries(weights),
  )
  return [{ ...x, out }]
}

/** A constant of that many elements. */
function vector(reader: Reader, value: Value | null | undefined, length: Dim | undefined) {
  const { data } = reader.known(value, 'a weight')
  if (data.length === length) return data
  throw new Unsupported(`has ${data.length} weights for ${length}`)
}

const layerNormalization: Read = (reader, [given, scale, bias], { attributes }) => {
  const view = reader.view(given)
  const axis = reader.axis(attributes.int('axis', -1), view.axes.length)
  const last = axis === view.axes.length - 1
  const x = last ? reader.features(view) : viewOf(reader.settler.settle(view))
  const { shape } = x.out
  const count = view.axes.length - axis
  const axes = Array.from({ length: count }, (_, i) => i - count)
  const size = shape.slice(-count).reduce<number>((all, dim) => all * Number(dim), 1)
  const options = {
    axis: last ? -1 : axes,
    epsilon: attributes.float('epsilon', 1e-5),
    center: !!bias,
  }
  const weights = {
    gamma: vector(reader, scale, size),
    ...(bias && { beta: vector(reader, bias, size) }),
  }
  const out = reader.plan.add('layerNormalization', [x.out], shape, options, weights)
  return [{ ...x, out }]
}

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
        : `(${steps}-${covered})/${strides}`
  if (typeof after === 'number' && after < 1) throw new Unsupported('has windows that do not fit')
  if (node.attributes.int('ceil_mode', 0) !== 0) throw new Unsupported('rounds up')
  const out = make(x, { strides, dilationRate, padding }, after)
  return transposed(viewOf(out), [0, 2, 1])
}

const conv: Read = (reader, [x, w, b], node) => {
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
    const own = { kernel: weights, ...(b && { bias: vector(reader, b, filters) }) }
    return reader.plan.add('conv1d', [input], [input.shape[0], steps, filters], options, own)
  })
  return [view]
}

const pooling =
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

const reduce =
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
const reduceSum: Read = (reader, inputs, node) =>
  (inputs[0]?.kind === 'chosen' ? reduce('Average') : countSteps)(reader, inputs, node)

const globalPooling =
  (of: 'Average' | 'Max'): Read =>
  (reader, [x]) => {
    const view = reader.view(x)
    if (view.axes.length !== 3) throw new Unsupported('is over images')
    const out = pooled(reader, of, reader.settler.settle(transposed(view, [0, 2, 1])))
    return [viewOf(out, [[0], [1], []])]
  }

/** A layer that does not exist, as a mark for what comes of it. */
const erf: Read = (reader, [x]) => {
  const view = reader.view(x)
  const out = reader.settler.once(view.out, 'erf', () =>
    reader.plan.add('erf', [view.out], view.out.shape),
  )
  return [{ ...view, out }]
}

/** Operators by their names. */
export const layerReaders: Readonly<Record<string, Read>> = {
  Add: elementwise('add', (a, b) => a + b),
  AveragePool: pooling('averagePooling1d'),
  BatchNormalization: batchNormalization,
  Clip: clip,
  Conv: conv,
  Div: elementwise('divide', (a, b) => a / b),
  Elu: numbered([['elu', 1]], [['alpha', 1]]),
  Erf: erf,
  Exp: activation('exponential'),
  Gelu: activation('gelu'),
  Gemm: gemm,
  GlobalAveragePool: globalPooling('Average'),
  GlobalMaxPool: globalPooling('Max'),
  HardSigmoid: numbered(
    [
      ['hardSigmoid', 1 / 6, 0.5],
      ['hardSigmoidLegacy', 0.2, 0.5],
    ],
    [
      ['alpha', 0.2],
      ['beta', 0.5],
    ],
  ),
  LayerNormalization: layerNormalization,
  LeakyRelu: numbered([['leakyRelu', 0.2]], [['alpha', 0.01]]),
  LogSoftmax: softmax('logSoftmax'),
  MatMul: matMul,
  Max: elementwise('maximum', Math.max),
  MaxPool: pooling('maxPooling1d'),
  Mean: elementwise('average', (a, b) => a + b),
  Min: elementwise('minimum', Math.min),
  Mish: activation('mish'),
  Mul: elementwise('multiply', (a, b) => a * b),
  ReduceMax: reduce('Max'),
  ReduceSum: reduceSum,
  ReduceMean: reduce('Average'),
  Relu: activation('relu'),
  Selu: numbered(
    [['selu', 1.6732632423543772, 1.0507009873554805]],
    [
      ['alpha', 1.67326],
      ['gamma', 1.0507],
    ],
  ),
  Sigmoid: activation('sigmoid'),
  Softmax: softmax('softmax'),
  Softplus: activation('softplus'),
  Softsign: activation('softsign'),
  Sub: elementwise('subtract', (a, b) => a - b),
  Sum: elementwise('add', (a, b) => a + b),
  Tanh: activation('tanh'),
  ...maskReaders,
}
