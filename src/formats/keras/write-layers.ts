/**
 * Refrain's layers in Keras's words. Options have the same names in both but for their spelling, so a table of
 * what each of Keras's classes has is enough; any other option that is set is reported.
 *
 * Initializers are left out, as the weights are there: Keras's defaults stand in for them.
 */
import { show } from '../../errors.ts'
import type { LayerConfig } from '../../layers/layer.ts'
import type { JsonObject } from '../json.ts'
import type { Problems } from '../problems.ts'
import { snakeCase } from './values.ts'

/** Whose words: Keras 3's, or TensorFlow.js's, which are Keras 2's. */
export type Dialect = 'keras' | 'tfjs'

/** What the conversion of a model's layers needs to know. */
export interface Writing {
  readonly dialect: Dialect
  readonly problems: Problems
  /** Whether steps of the model's sequences may be masked. */
  readonly masks: boolean
  /** The configuration of a model inside a layer. */
  readonly nested: (layer: LayerConfig) => JsonObject
}

interface KerasClass {
  readonly className: string
  /** Refrain's options that it has, beside those of all layers. */
  readonly options: readonly string[]
  /** False if TensorFlow.js does not have it. */
  readonly tfjs?: boolean
}

const has = (className: string, options: readonly string[] = [], tfjs = true): KerasClass => ({
  className,
  options,
  tfjs,
})

const weights = (...names: readonly string[]) =>
  names.flatMap((name) => [`${name}Regularizer`, `${name}Constraint`])

const step = [
  ...['units', 'activation', 'useBias', 'dropout', 'recurrentDropout'],
  ...weights('kernel', 'recurrent', 'bias'),
]
const lstmStep = [...step, 'recurrentActivation', 'unitForgetBias']
const gruStep = [...step, 'recurrentActivation', 'resetAfter']
const windowed = ['filters', 'kernelSize', 'strides', 'padding', 'dilationRate']
const sequence = [
  ...['returnSequences', 'returnState', 'goBackwards', 'zeroOutputForMask', 'stateful'],
]
const convolution = [
  ...['filters', 'kernelSize', 'strides', 'padding', 'dilationRate', 'groups', 'activation'],
  ...['useBias', ...weights('kernel', 'bias')],
]
const windows = ['poolSize', 'strides', 'padding']
const normalization = ['axis', 'epsilon', 'center', 'scale', ...weights('gamma', 'beta')]

const classes: Readonly<Record<string, KerasClass>> = {
  lstm: has('LSTM', [...lstmStep, ...sequence]),
  gru: has('GRU', [...gruStep, ...sequence]),
  simpleRnn: has('SimpleRNN', [...step, ...sequence]),
  lstmCell: has('LSTMCell', lstmStep),
  gruCell: has('GRUCell', gruStep),
  simpleRnnCell: has('SimpleRNNCell', step),
  stackedRnnCells: has('StackedRNNCells', ['cells']),
  rnn: has('RNN', ['cell', ...sequence]),
  bidirectional: has('Bidirectional', ['layer', 'backwardLayer', 'mergeMode']),
  timeDistributed: has('TimeDistributed', ['layer']),
  dense: has('Dense', ['units', 'activation', 'useBias', ...weights('kernel', 'bias')]),
  embedding: has('Embedding', ['inputDim', 'outputDim', 'maskZero', ...weights('embeddings')]),
  batchNormalization: has('BatchNormalization', [...normalization, 'momentum']),
  layerNormalization: has('LayerNormalization', normalization),
  activation: has('Activation', ['activation']),
  dropout: has('Dropout', ['rate', 'noiseShape']),
  spatialDropout1d: has('SpatialDropout1D', ['rate']),
  gaussianNoise: has('GaussianNoise', ['stddev']),
  masking: has('Masking', ['maskValue']),
  flatten: has('Flatten'),
  reshape: has('Reshape', ['targetShape']),
  permute: has('Permute', ['dims']),
  repeatVector: has('RepeatVector', ['n']),
  concatenate: has('Concatenate', ['axis']),
  dot: has('Dot', ['axes']),
  add: has('Add'),
  subtract: has('Subtract', [], false),
  multiply: has('Multiply'),
  average: has('Average'),
  maximum: has('Maximum'),
  minimum: has('Minimum'),
  attention: has('Attention', ['useScale', 'scoreMode', 'dropout'], false),
  additiveAttention: has('AdditiveAttention', ['useScale', 'dropout'], false),
  conv1d: has('Conv1D', convolution),
  conv2d: has('Conv2D', convolution),
  convLstm2d: has('ConvLSTM2D', [...windowed, ...lstmStep.slice(1), ...sequence]),
  maxPooling1d: has('MaxPooling1D', windows),
  averagePooling1d: has('AveragePooling1D', windows),
  maxPooling2d: has('MaxPooling2D', windows),
  averagePooling2d: has('AveragePooling2D', windows),
  globalMaxPooling1d: has('GlobalMaxPooling1D', ['keepdims']),
  globalAveragePooling1d: has('GlobalAveragePooling1D', ['keepdims']),
  globalMaxPooling2d: has('GlobalMaxPooling2D', ['keepdims']),
  globalAveragePooling2d: has('GlobalAveragePooling2D', ['keepdims']),
}

/** Kinds of layers that a dialect has, models aside. */
export const writtenKinds = (dialect: Dialect): string[] =>
  Object.keys(classes).filter((kind) => dialect === 'keras' || classes[kind].tfjs)

/** Options that Keras takes as arguments of the call. */
export const callOptions = ['useCausalMask', 'returnAttentionScores']

const upperFirst = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)

/** `{ class_name, config }` as Keras writes what has a class. */
export const classed = (module: string, className: string, config: JsonObject) => ({
  module,
  class_name: className,
  config,
  registered_name: null,
})

/** The layer's `{ class_name, config }`; reports what cannot be said. */
export function kerasLayer(layer: LayerConfig, writing: Writing): JsonObject & { config: object } {
  const { kind, name, options } = layer
  const { dialect, problems } = writing
  if (kind === 'model' || kind === 'sequential') return writing.nested(layer) as never
  const where = `${kind} '${name}'`
  const known = Object.hasOwn(classes, kind) ? classes[kind] : null
  if (!known || (dialect === 'tfjs' && !known.tfjs)) {
    problems.add(`the layer ${where}`)
    return classed('keras.layers', kind, { name })
  }
  const config: Record<string, unknown> = { name }
  if (options.trainable === false) config.trainable = false
  for (const [key, value] of Object.entries(options)) {
    if (/Initializer$/.test(key) || unsaid.includes(key) || callOptions.includes(key)) continue
    if (known.options.includes(key) || key === 'activityRegularizer') {
      config[snakeCase(key)] = kerasValue(key, value, where, writing)
    } else if (value !== false && value !== 0 && value !== null && value !== undefined) {
      problems.add(`${where} with ${key}: ${show(value)}`)
    }
  }
  return classed('keras.layers', known.className, settle(kind, config, where, writing))
}

/** Options that change nothing where a model predicts, and have no counterpart, or are said elsewhere. */
const unsaid = ['trainable', 'seed', 'temporalActivityRegularizer']

/** What the option is in Keras. */
function kerasValue(key: string, value: unknown, where: string, writing: Writing): unknown {
  if (value === null || value === undefined) return null
  if (/activation$/i.test(key)) return activationName(value as string, where, writing)
  if (/Regularizer$/.test(key)) return regularizer(value as { name: string })
  if (/Constraint$/.test(key)) {
    const { name, ...rest } = value as { name: string }
    const config = Object.entries(rest).map(([one, given]) => [snakeCase(one), given])
    return classed('keras.constraints', upperFirst(name), Object.fromEntries(config))
  }
  if (key === 'layer' || key === 'backwardLayer' || key === 'cell') {
    return kerasLayer(value as LayerConfig, writing)
  }
  if (key === 'cells') return (value as LayerConfig[]).map((cell) => kerasLayer(cell, writing))
  return value
}

function regularizer({ name, ...config }: { name: string }) {
  const className = name === 'l1l2' ? 'L1L2' : upperFirst(name)
  return classed('keras.regularizers', className, config)
}

/** Activations of which TensorFlow.js has none, or another. */
const notInTfjs = ['exponential', 'leakyRelu', 'hardSigmoid']

function activationName(name: string, where: string, { dialect, problems }: Writing): string {
  const missing = dialect === 'tfjs' ? notInTfjs.includes(name) : name === 'hardSigmoidLegacy'
  if (missing) problems.add(`${where} with the activation ${name}`)
  if (dialect === 'tfjs' && name === 'silu') return 'swish'
  return name === 'hardSigmoidLegacy' ? 'hard_sigmoid' : snakeCase(name)
}

/** What is particular to a class. */
function settle(
  kind: string,
  config: Record<string, unknown>,
  where: string,
  { dialect, problems, masks }: Writing,
): JsonObject {
  if (kind === 'bidirectional') {
    if (dialect === 'tfjs' && masks) {
      problems.add(`${where} of masked sequences: it would read the padding`)
    }
    const both = [config.layer, config.backward_layer].filter((one) => one) as {
      config: Record<string, unknown>
    }[]
    const [first] = both
    // Its directions are named after the layer: forward_lstm, backward_lstm.
    if (first.config.name === 'forward') first.config.name = snakeCase(kindOf(config.layer))
    // Keras sets it itself, so that masked steps give zeros.
    for (const one of both) {
      if (one.config.return_sequences) one.config.zero_output_for_mask = dialect === 'keras'
    }
    return { ...config, merge_mode: config.merge_mode === 'none' ? null : config.merge_mode }
  }
  if (dialect === 'keras') return config
  if (config.reset_after) {
    problems.add(`${where} with resetAfter: true, the default, which TensorFlow.js cannot compute`)
  }
  if (kind === 'concatenate' && masks)
    problems.add(`${where} of masked sequences, on which it fails`)
  if (config.zero_output_for_mask && masks) problems.add(`${where} with zeroOutputForMask: true`)
  if (config.padding === 'causal') problems.add(`${where} with padding: 'causal'`)
  if (typeof config.groups === 'number' && config.groups > 1) problems.add(`${where} with groups`)
  // Its default is an orthogonal matrix, which it takes half a minute to make for a large layer.
  const zeros = classed('keras.initializers', 'Zeros', {})
  return 'unit_forget_bias' in config || 'recurrent_dropout' in config
    ? { ...config, recurrent_initializer: zeros }
    : config
}

/** 'LSTM' → 'lstm', 'SimpleRNN' → 'simpleRnn', of a layer as Keras writes it. */
function kindOf(layer: unknown): string {
  const { class_name } = layer as { class_name: string }
  return Object.keys(classes).find((kind) => classes[kind].className === class_name) ?? 'layer'
}
