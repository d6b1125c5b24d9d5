/** Layers other than recurrent ones in PyTorch's words. */
import type { Call } from './program.ts'

/** What PyTorch calls Refrain's activations. */
const activations: Readonly<Record<string, (x: string) => string>> = {
  linear: (x) => x,
  relu: (x) => `F.relu(${x})`,
  sigmoid: (x) => `torch.sigmoid(${x})`,
  tanh: (x) => `torch.tanh(${x})`,
  hardSigmoid: (x) => `F.hardsigmoid(${x})`,
  hardSigmoidLegacy: (x) => `(0.2 * ${x} + 0.5).clamp(0, 1)`,
  elu: (x) => `F.elu(${x})`,
  selu: (x) => `F.selu(${x})`,
  softplus: (x) => `F.softplus(${x})`,
  softsign: (x) => `F.softsign(${x})`,
  exponential: (x) => `torch.exp(${x})`,
  gelu: (x) => `F.gelu(${x})`,
  silu: (x) => `F.silu(${x})`,
  leakyRelu: (x) => `F.leaky_relu(${x}, 0.2)`,
  relu6: (x) => `F.relu6(${x})`,
  mish: (x) => `F.mish(${x})`,
  softmax: (x) => `torch.softmax(${x}, -1)`,
  logSoftmax: (x) => `torch.log_softmax(${x}, -1)`,
}

/** Applies the layer's activation. */
function activated({ options, refuse }: Call, x: string): string {
  const name = String(options.activation)
  if (Object.hasOwn(activations, name)) return activations[name](x)
  refuse(`activation '${name}'`)
  return x
}

const width = ({ shapes }: Call) => Number(shapes[0].at(-1))

/** PyTorch's layers of sequences have the channels before the steps. */
const overTime = (x: string, code: (x: string) => string) =>
  `${code(`${x}.transpose(1, 2)`)}.transpose(1, 2)`

const noBias = ({ options }: Call) => (options.useBias ? [] : ['bias=False'])

/** Inputs of one rank: a missing dimension stands behind the batch. */
function raised({ inputs, shapes }: Call): string[] {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  return inputs.map((x, i) => x + '.unsqueeze(1)'.repeat(rank - shapes[i].length))
}

const nested = (name: string) => (call: Call) =>
  raised(call).reduce((a, b) => `torch.${name}(${a}, ${b})`)

const pooling = (name: string) => (call: Call) => {
  const { poolSize, strides, padding } = call.options
  if (padding !== 'valid') call.refuse(`padding '${padding}'`)
  return overTime(call.inputs[0], (x) => `F.${name}(${x}, ${poolSize}, ${strides})`)
}

const overSteps = (name: string) => (call: Call) =>
  `${call.inputs[0]}.${name}(1${call.options.keepdims ? ', keepdim=True' : ''})`

const listed = (numbers: unknown) => (numbers as readonly number[]).join(', ')

const same = ({ inputs }: Call) => inputs[0]

/** Whether a normalization is that of the features. */
function ofFeatures({ options, shapes, refuse }: Call): void {
  const axes = [options.axis].flat()
  const last = shapes[0].length - 1
  if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== last)) refuse(`axis ${axes}`)
}

const codes: Readonly<Record<string, (call: Call) => string>> = {
  activation: (call) => activated(call, call.inputs[0]),
  add: (call) => raised(call).join(' + '),
  average: (call) => `(${raised(call).join(' + ')}) / ${call.inputs.length}`,
  averagePooling1d: pooling('avg_pool1d'),
  batchNormalization: (call) => {
    const { epsilon, momentum, renorm } = call.options
    ofFeatures(call)
    if (renorm) call.refuse('renorm')
    const moves = Number((1 - Number(momentum)).toPrecision(12))
    const module = call.module(`nn.BatchNorm1d(${width(call)}, eps=${epsilon}, momentum=${moves})`)
    const [x] = call.inputs
    if (call.shapes[0].length === 2) return `${module}(${x})`
    return `${module}(${x}.reshape(-1, ${width(call)})).view(${x}.shape)`
  },
  concatenate: ({ inputs, options }) => `torch.cat([${inputs.join(', ')}], ${options.axis})`,
  conv1d: (call) => {
    const { filters, kernelSize, strides, padding, dilationRate, groups } = call.options
    const reach = Number(dilationRate) * (Number(kernelSize) - 1)
    if (padding === 'same' && strides !== 1) call.refuse("padding 'same' with strides")
    const before = { valid: 0, same: reach >> 1, causal: reach }[padding as 'valid']
    const after = padding === 'same' ? reach - before : 0
    const given = [
      width(call),
      filters,
      kernelSize,
      ...(strides === 1 ? [] : [`stride=${strides}`]),
      ...(dilationRate === 1 ? [] : [`dilation=${dilationRate}`]),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...noBias(call),
    ]
    const module = call.module(`nn.Conv1d(${given.join(', ')})`)
    const padded = (x: string) => (before + after ? `F.pad(${x}, (${before}, ${after}))` : x)
    return activated(
      call,
      overTime(call.inputs[0], (x) => `${module}(${padded(x)})`),
    )
  },
  dense: (call) => {
    const given = [width(call), call.options.units, ...noBias(call)].join(', ')
    return activated(call, `${call.module(`nn.Linear(${given})`)}(${call.inputs[0]})`)
  },
  dropout: ({ inputs: [x], options }) => `F.dropout(${x}, ${options.rate}, self.training)`,
  embedding: (call) => {
    const { inputDim, outputDim, maskZero } = call.options
    if (maskZero) call.refuse('maskZero')
    return `${call.module(`nn.Embedding(${inputDim}, ${outputDim})`)}(${call.inputs[0]})`
  },
  flatten: ({ inputs: [x] }) => `${x}.flatten(1)`,
  gaussianNoise: same,
  globalAveragePooling1d: overSteps('mean'),
  globalMaxPooling1d: overSteps('amax'),
  layerNormalization: (call) => {
    const { epsilon, center, scale } = call.options
    const [x] = call.inputs
    ofFeatures(call)
    if (!center && !scale) return `F.layer_norm(${x}, (${width(call)},), eps=${epsilon})`
    return `${call.module(`nn.LayerNorm(${width(call)}, eps=${epsilon})`)}(${x})`
  },
  maxPooling1d: pooling('max_pool1d'),
  maximum: nested('maximum'),
  minimum: nested('minimum'),
  multiply: (call) => raised(call).join(' * '),
  permute: ({ inputs: [x], options }) => `${x}.permute(0, ${listed(options.dims)})`,
  repeatVector: ({ inputs: [x], options }) => `${x}.unsqueeze(1).repeat(1, ${options.n}, 1)`,
  reshape: ({ inputs: [x], options }) =>
    `${x}.reshape(${x}.shape[0], ${listed(options.targetShape)})`,
  spatialDropout1d: same,
  subtract: (call) => raised(call).join(' - '),
  tokenDropout: same,
}

/** The expression of one call; null for a layer that PyTorch has not, the input's name if nothing is done. */
export function layerCode(call: Call): string | null {
  const { kind } = call.layer
  return Object.hasOwn(codes, kind) ? codes[kind](call) : null
}
