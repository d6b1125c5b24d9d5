/** Operators that compute, as layers. */
import { activation, clip, erf, numbered, softmax } from './read-activations.ts'
import { elementwise, squareRoot } from './read-elementwise.ts'
import { maskReaders } from './read-masks.ts'
import { gemm, matMul, placed } from './read-products.ts'
import { conv, globalPooling, pooling, reduce, reduceSum } from './read-windows.ts'
import type { Read } from './reader.ts'
import { viewOf } from './view.ts'

const batchNormalization: Read = (reader, [given, ...rest], { attributes }) => {
  const x = placed(reader, reader.view(given), 1)
  const [axis] = x.axes[1]
  const names = ['gamma', 'beta', 'movingMean', 'movingVariance']
  const weights = names.map((name, i) => [name, reader.vector(rest[i], x.out.shape[axis])] as const)
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
    gamma: reader.vector(scale, size),
    ...(bias && { beta: reader.vector(bias, size) }),
  }
  const out = reader.plan.add('layerNormalization', [x.out], shape, options, weights)
  return [{ ...x, out }]
}

/** Operators by their names. */
export const layerReaders: Readonly<Record<string, Read>> = {
  Add: elementwise('add', (a, b) => a + b),
  AveragePool: pooling('averagePooling'),
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
  MaxPool: pooling('maxPooling'),
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
  Sqrt: squareRoot,
  Sub: elementwise('subtract', (a, b) => a - b),
  Sum: elementwise('add', (a, b) => a + b),
  Tanh: activation('tanh'),
  ...maskReaders,
}
