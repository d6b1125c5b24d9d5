/** Layers that are not recurrent as ONNX's operators, by their kinds. */
import type { ActivationName } from '../../layers/activation.ts'
import type { Embedding } from '../../layers/embedding.ts'
import type { Layer, Shape } from '../../layers/layer.ts'
import { writeActivation } from './activations.ts'
import type { AttributeValue } from './builder.ts'
import { dataTypes } from './proto.ts'
import { additiveScores, attentionWith, dot, dotScores, luongScores } from './write-attention.ts'
import type { Value, Writer } from './writer.ts'

/** Writes a layer of one output: the value's name, with the mask of its first input, or another one. */
export type WriteLayer = (
  writer: Writer,
  layer: Layer,
  inputs: readonly Value[],
  output: Shape,
) => string | Pick<Value, 'name' | 'mask'>

type Options = Readonly<Record<string, unknown>>

const optionsOf = (layer: Layer): Options => layer.options()

/** The value without a mask: of layers at which masks end. */
const unmasked = (name: string) => ({ name, mask: null })

const same: WriteLayer = (_, __, [x]) => x.name

const activate = (writer: Writer, layer: Layer, x: string) =>
  writeActivation(writer.graph, optionsOf(layer).activation as ActivationName, x)

/** x + a layer's bias, if it has one. */
function plusBias(writer: Writer, layer: Layer, x: string): string {
  const bias = writer.parameter(layer, 'bias')
  return bias ? writer.graph.node('Add', [x, writer.constant(bias)]) : x
}

const dense: WriteLayer = (writer, layer, [x]) => {
  const kernel = writer.constant(writer.parameter(layer, 'kernel')!)
  const product = writer.graph.node('MatMul', [x.name, kernel], {}, layer.name)
  return activate(writer, layer, plusBias(writer, layer, product))
}

const tiedDense: WriteLayer = (writer, layer, [x]) => {
  const table = writer.constant(writer.parameter(layer.tiedTo!, 'embeddings')!)
  const turned = writer.once(`turned ${table}`, () => writer.transpose(table, [1, 0]))
  const product = writer.graph.node('MatMul', [x.name, turned], {}, layer.name)
  return activate(writer, layer, plusBias(writer, layer, product))
}

const embedding: WriteLayer = (writer, layer, [ids]) => {
  const { graph } = writer
  const table = writer.constant(writer.parameter(layer, 'embeddings')!)
  const name = graph.node('Gather', [table, ids.name], { axis: 0 }, layer.name)
  if (!(layer as Embedding).maskZero || ids.shape.length !== 2) return name
  const valid = writer.once(`not zero ${ids.name}`, () =>
    graph.node('Not', [graph.node('Equal', [ids.name, graph.ints([0], 'int32')])]),
  )
  return { name, mask: writer.combine('And', ids.mask, { valid, padsRight: true }) }
}

/** Steps whose features are all `maskValue` become zeros, and do not count. */
const masking: WriteLayer = (writer, layer, [x]) => {
  const { graph } = writer
  const value = graph.number(Number(optionsOf(layer).maskValue))
  const flags = graph.node('Cast', [graph.node('Equal', [x.name, value])], { to: dataTypes.float })
  const all = graph.node('ReduceMin', [flags], { axes: [2], keepdims: 0 })
  const valid = graph.node('Less', [all, graph.number(0.5)])
  const own = { valid, padsRight: true }
  return {
    name: writer.choose(own, 3, x.name, graph.number(0)),
    mask: writer.combine('And', x.mask, own),
  }
}

const batchNormalization: WriteLayer = (writer, layer, [x]) => {
  const { graph } = writer
  const rank = x.shape.length
  const given = Number(optionsOf(layer).axis)
  const axis = given < 0 ? given + rank : given
  // The operator's channels are dimension 1.
  const others = x.shape.map((_, i) => i).filter((i) => i !== 0 && i !== axis)
  const perm = [0, axis, ...others]
  const get = (name: string) => writer.parameter(layer, name)
  const variance = get('movingVariance')!
  const fill = (name: string, value: number) => {
    const parameter = get(name)
    if (parameter) return writer.constant(parameter)
    const make = () => new Float32Array(variance.size).fill(value)
    return writer.constant(variance, [variance.size], make, `/${name}`)
  }
  const inputs = [
    fill('gamma', 1),
    fill('beta', 0),
    fill('movingMean', 0),
    writer.constant(variance),
  ]
  const epsilon = { float: Number(optionsOf(layer).epsilon) }
  const turned = writer.transpose(x.name, perm)
  const y = graph.node('BatchNormalization', [turned, ...inputs], { epsilon }, layer.name)
  return writer.transpose(y, inverse(perm))
}

const inverse = (perm: readonly number[]) => perm.map((_, i) => perm.indexOf(i))

const layerNormalization: WriteLayer = (writer, layer, [x]) => {
  const { graph } = writer
  const rank = x.shape.length
  const { axis, epsilon } = optionsOf(layer)
  const axes = [axis as number | number[]].flat().map((one) => (one < 0 ? one + rank : one))
  axes.sort((a, b) => a - b)
  const perm = [...x.shape.map((_, i) => i).filter((i) => !axes.includes(i)), ...axes]
  const lengths = axes.map((one) => x.shape[one]!)
  const [gamma, beta] = ['gamma', 'beta'].map((name) => writer.parameter(layer, name))
  const ones = () => {
    const size = lengths.reduce((product, length) => product * length, 1)
    return graph.floats(`${layer.name}/ones`, lengths, new Float32Array(size).fill(1))
  }
  const scale = gamma ? writer.constant(gamma) : writer.once(`ones ${layer.name}`, ones)
  const inputs = [writer.transpose(x.name, perm), scale]
  if (beta) inputs.push(writer.constant(beta))
  const attributes = { axis: -axes.length, epsilon: { float: Number(epsilon) } }
  const y = graph.node('LayerNormalization', inputs, attributes, layer.name)
  return writer.transpose(y, inverse(perm))
}

const flatten: WriteLayer = (writer, _, [x], output) =>
  unmasked(writer.reshape(x.name, [{ axis: 0 }, output[1]!]))

const reshape: WriteLayer = (writer, layer, [x]) => {
  const target = optionsOf(layer).targetShape as number[]
  return unmasked(writer.reshape(x.name, [{ axis: 0 }, ...target]))
}

const permute: WriteLayer = (writer, layer, [x]) =>
  unmasked(writer.transpose(x.name, [0, ...(optionsOf(layer).dims as number[])]))

const repeatVector: WriteLayer = (writer, layer, [x]) => {
  const { graph } = writer
  const shape = graph.ints([1, Number(optionsOf(layer).n), 1])
  return unmasked(graph.node('Expand', [writer.unsqueeze(x.name, 1), shape]))
}

/** `write` of a sequence or image with its channels in dimension 1, as operators with windows have them. */
function channelsFirst(writer: Writer, x: Value, write: (turned: string) => string): string {
  const last = x.shape.length - 1
  const perm = [0, last, ...x.shape.slice(1, -1).map((_, i) => i + 1)]
  return writer.transpose(write(writer.transpose(x.name, perm)), inverse(perm))
}

/** A layer's size in each dimension. */
const sizes = (value: unknown): number[] => [value as number | number[]].flat()

/** The attributes that pad as Keras does. */
function padding(
  x: Value,
  mode: unknown,
  size: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): Record<string, AttributeValue> {
  const reach = size.map((one, i) => dilations[i] * (one - 1))
  if (mode === 'causal') return { pads: [...reach, 0] }
  if (mode !== 'same') return {}
  const lengths = x.shape.slice(1, -1)
  if (lengths.some((length, i) => length === null && strides[i] > 1)) {
    return { auto_pad: 'SAME_UPPER' }
  }
  const pads = lengths.map((length, i) => {
    const stride = strides[i]
    if (stride === 1) return reach[i]
    return Math.max(0, (Math.ceil(length! / stride) - 1) * stride + reach[i] + 1 - length!)
  })
  const before = pads.map((all) => all >> 1)
  return { pads: [...before, ...pads.map((all, i) => all - before[i])] }
}

const conv: WriteLayer = (writer, layer, [x]) => {
  const { kernelSize, strides, dilationRate, padding: mode, groups } = optionsOf(layer)
  const [size, stride, dilation] = [kernelSize, strides, dilationRate].map(sizes)
  const kernel = writer.parameter(layer, 'kernel')!
  const bias = writer.parameter(layer, 'bias')
  const [channels, filters] = kernel.shape.slice(-2)
  const area = size.reduce((product, one) => product * one, 1)
  // [size…, C, F] → [F, C, size…]
  const turned = writer.constant(
    kernel,
    [filters, channels, ...size],
    (values) =>
      values.map((_, i) => {
        const [f, c, k] = [
          Math.floor(i / (channels * area)),
          Math.floor(i / area) % channels,
          i % area,
        ]
        return values[(k * channels + c) * filters + f]
      }),
    '/turned',
  )
  const inputs = bias ? [turned, writer.constant(bias)] : [turned]
  const attributes = {
    kernel_shape: size,
    strides: stride,
    dilations: dilation,
    group: Number(groups),
    ...padding(x, mode, size, stride, dilation),
  }
  const y = channelsFirst(writer, x, (turned) =>
    writer.graph.node('Conv', [turned, ...inputs], attributes, layer.name),
  )
  return unmasked(activate(writer, layer, y))
}

const pooling =
  (operator: 'MaxPool' | 'AveragePool'): WriteLayer =>
  (writer, layer, [x]) => {
    const { poolSize, strides, padding: mode } = optionsOf(layer)
    const [size, stride] = [poolSize, strides].map(sizes)
    const ones = size.map(() => 1)
    const attributes = {
      kernel_shape: size,
      strides: stride,
      ...padding(x, mode, size, stride, ones),
    }
    return unmasked(
      channelsFirst(writer, x, (turned) =>
        writer.graph.node(operator, [turned], attributes, layer.name),
      ),
    )
  }

/** Over the steps that count, zeros where there is none; over all pixels of images. */
const globalPooling =
  (of: 'mean' | 'max'): WriteLayer =>
  (writer, layer, [x]) => {
    const { graph } = writer
    const axes = x.shape.slice(1, -1).map((_, i) => i + 1)
    const attributes = { axes, keepdims: optionsOf(layer).keepdims ? 1 : 0 }
    const { mask } = x
    if (!mask) {
      return unmasked(graph.node(of === 'mean' ? 'ReduceMean' : 'ReduceMax', [x.name], attributes))
    }
    const kept = (other: number) => writer.choose(mask, 3, x.name, graph.number(other))
    const { keepdims } = attributes
    const any = keepdims ? writer.unsqueeze(writer.any(mask), 2) : writer.any(mask)
    if (of === 'max') {
      const most = graph.node('ReduceMax', [kept(-3.4e38)], attributes)
      return unmasked(graph.node('Where', [any, most, graph.number(0)]))
    }
    const sum = graph.node('ReduceSum', [kept(0), graph.ints([1])], { keepdims })
    const least = graph.node('Max', [writer.counts(mask), graph.number(1)])
    const count = writer.unsqueeze(least, ...(keepdims ? [1, 2] : [1]))
    return unmasked(graph.node('Div', [sum, count]))
  }

/** The inputs of one rank, missing dimensions behind the batch, and the masks that hold for the output. */
function raised(writer: Writer, inputs: readonly Value[], output: Shape) {
  return inputs.map(({ name, shape, mask }) => {
    const missing = output.length - shape.length
    const axes = Array.from({ length: missing }, (_, i) => i + 1)
    const broadcast = missing > 0 || (shape[1] === 1 && output[1] !== 1)
    return {
      name: missing > 0 ? writer.unsqueeze(name, ...axes) : name,
      mask: broadcast ? null : mask,
    }
  })
}

/** A step counts if it does in any of the inputs; all do if one has no mask. */
function anyOf(writer: Writer, masks: readonly Value['mask'][]): Value['mask'] {
  return masks.reduce((a, b) => (a && b ? (a === b ? a : writer.combine('Or', a, b)) : null))
}

const sum =
  (write: (writer: Writer, names: readonly string[]) => string): WriteLayer =>
  (writer, _, inputs, output) => {
    const parts = raised(writer, inputs, output)
    const mask = anyOf(
      writer,
      parts.map((part) => part.mask),
    )
    return {
      name: write(
        writer,
        parts.map(({ name }) => name),
      ),
      mask,
    }
  }

/** The product; masked steps of an input are left out of it, and zeros where all are masked. */
const multiply: WriteLayer = (writer, _, inputs, output) => {
  const { graph } = writer
  const parts = raised(writer, inputs, output)
  const rank = output.length
  const mask = anyOf(
    writer,
    parts.map((part) => part.mask),
  )
  const name = parts
    .map((part) => writer.choose(part.mask, rank, part.name, graph.number(1)))
    .reduce((a, b) => graph.node('Mul', [a, b]))
  return { name: writer.choose(mask, rank, name, graph.number(0)), mask }
}

/** The largest, or smallest, of the inputs that count at a step; the first where none does. */
const extreme =
  (operator: 'Max' | 'Min'): WriteLayer =>
  (writer, _, inputs, output) => {
    const { graph } = writer
    const rank = output.length
    return raised(writer, inputs, output).reduce((before, part) => {
      const x = writer.choose(part.mask, rank, part.name, before.name)
      const y = writer.choose(before.mask, rank, before.name, x)
      return { name: graph.node(operator, [y, x]), mask: anyOf(writer, [part.mask, before.mask]) }
    })
  }

const concatenate: WriteLayer = (writer, layer, inputs, output) => {
  const given = Number(optionsOf(layer).axis)
  const axis = given < 0 ? given + output.length : given
  const masks = inputs.map(({ mask }) => mask)
  const joins = axis === 1 && output.length > 2 && masks.some((mask) => mask)
  if (joins) writer.refuse(layer, 'joins sequences in time of which some have a mask')
  const name = writer.graph.node(
    'Concat',
    inputs.map((x) => x.name),
    { axis },
  )
  return { name, mask: joins ? null : anyOf(writer, masks) }
}

/** The activation alone, over the last dimension. */
const activation: WriteLayer = (writer, layer, [x]) => activate(writer, layer, x.name)

/** The layers by their kinds. */
export const layerWriters: Readonly<Record<string, WriteLayer>> = {
  activation,
  add: sum(({ graph }, names) => names.reduce((a, b) => graph.node('Add', [a, b]))),
  average: sum(({ graph }, names) => {
    const total = names.reduce((a, b) => graph.node('Add', [a, b]))
    return graph.node('Mul', [total, graph.number(1 / names.length)])
  }),
  additiveAttention: attentionWith(additiveScores),
  attention: attentionWith(dotScores),
  averagePooling1d: pooling('AveragePool'),
  averagePooling2d: pooling('AveragePool'),
  batchNormalization,
  concatenate,
  conv1d: conv,
  conv2d: conv,
  dense,
  dot,
  dropout: same,
  embedding,
  flatten,
  gaussianNoise: same,
  globalAveragePooling1d: globalPooling('mean'),
  globalAveragePooling2d: globalPooling('mean'),
  globalMaxPooling1d: globalPooling('max'),
  globalMaxPooling2d: globalPooling('max'),
  layerNormalization,
  luongAttention: attentionWith(luongScores),
  masking,
  maxPooling1d: pooling('MaxPool'),
  maxPooling2d: pooling('MaxPool'),
  maximum: extreme('Max'),
  minimum: extreme('Min'),
  multiply,
  permute,
  repeatVector,
  reshape,
  spatialDropout1d: same,
  subtract: sum(({ graph }, names) => graph.node('Sub', names)),
  tiedDense,
  tokenDropout: same,
}

/** Kinds that act on the last dimension alone, or on each number: at every step of a sequence at once. */
export const stepwise = (layer: Layer): boolean => {
  if (layer.kind.endsWith('Normalization')) return optionsOf(layer).axis === -1
  const kinds = ['activation', 'dense', 'tiedDense', 'dropout', 'gaussianNoise', 'tokenDropout']
  return kinds.includes(layer.kind)
}
