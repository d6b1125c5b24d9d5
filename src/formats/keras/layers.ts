/**
 * Keras's layers in Refrain's words. Every option of a layer must be taken by someone: what is left and not
 * known to be without effect is reported, as a layer that computes something else is worse than none.
 */
import { show } from '../../errors.ts'
import type { LayerConfig } from '../../layers/layer.ts'
import { isObject, type JsonObject } from '../json.ts'
import type { Problems } from '../problems.ts'
import { type KerasLayer, modelClasses, readLayer } from './model.ts'
import { modernized } from './older.ts'
import { activationOf, camelCase, constraintOf, initializerOf, regularizerOf } from './values.ts'

/** What the conversion of a file's layers needs to know. */
export interface Conversion {
  readonly problems: Problems
  /** Whether Keras 1 or 2, or TensorFlow.js, wrote it: other defaults, another hard_sigmoid. */
  readonly legacy: boolean
  /** The user's own layers, by class, and functions of Lambda layers, by name. */
  readonly custom: Readonly<Record<string, unknown>>
  /** Makes the configuration of a model inside a layer. */
  readonly nested: (layer: KerasLayer) => LayerConfig
}

/** Options that say nothing about what a layer computes. */
const withoutEffect = new Set([
  'name',
  'dtype',
  'input_dtype',
  'autocast',
  'batch_input_shape',
  'batch_shape',
  'batch_size',
  'built for',
  'input_length',
  'implementation',
  'unroll',
  'synchronized',
  'lora_rank',
  'lora_alpha',
  'quantization_config',
  'use_cudnn',
  'sparse',
  'ragged',
  'optional',
  'module',
  'registered_name',
  'seed',
  'force_seed',
  'experimental_run_tf_function',
])

/** Reads a layer's configuration key by key, and reports what nobody has read. */
class Reader {
  readonly #layer: KerasLayer
  readonly #context: Conversion
  readonly #read = new Set<string>()

  constructor(layer: KerasLayer, context: Conversion) {
    this.#layer = layer
    this.#context = context
  }

  get where(): string {
    return `${this.#layer.className} '${this.#layer.name}'`
  }

  report(text: string): void {
    this.#context.problems.add(`${this.where} has ${text}`)
  }

  get(key: string): unknown {
    this.#read.add(key)
    return this.#layer.config[key]
  }

  /** The value, or what it is where the key is absent. */
  or(key: string, absent: unknown): unknown {
    return this.get(key) ?? absent
  }

  /** Reports any value but these; null and absent are the first of them. */
  only(key: string, ...allowed: readonly unknown[]): void {
    const value = this.get(key) ?? allowed[0]
    const text = JSON.stringify(value)
    if (allowed.every((one) => JSON.stringify(one) !== text)) this.report(`${key} ${show(value)}`)
  }

  activation(key = 'activation', absent: unknown = 'linear'): string {
    const { legacy } = this.#context
    try {
      return activationOf(this.or(key, absent), legacy)
    } catch (problem) {
      if (typeof problem !== 'string') throw problem
      this.report(problem)
      return 'linear'
    }
  }

  /** Initializers, regularizers and constraints of these weights, by Refrain's names. */
  weights(...names: readonly string[]): Record<string, unknown> {
    const options: Record<string, unknown> = {}
    const { notes } = this.#context.problems
    for (const name of names) {
      options[`${camelCase(name)}Initializer`] = initializerOf(this.get(`${name}_initializer`))
      for (const [rule, of] of [
        ['regularizer', regularizerOf],
        ['constraint', constraintOf],
      ] as const) {
        const value = this.get(`${name}_${rule}`)
        const found = of(value)
        if (found === undefined) notes.push(`${this.where}: left out ${rule} ${show(value)}`)
        else if (found !== null) options[camelCase(`${name}_${rule}`)] = found
      }
    }
    return options
  }

  /** The options that every layer may have; reports what is left. */
  rest(): Record<string, unknown> {
    const trainable = this.get('trainable')
    const activity = this.get('activity_regularizer')
    const regularizer = regularizerOf(activity)
    if (regularizer === undefined) {
      this.#context.problems.notes.push(`${this.where}: left out the activity regularizer`)
    }
    for (const [key, value] of Object.entries(this.#layer.config)) {
      if (this.#read.has(key) || withoutEffect.has(key)) continue
      if (value === null || value === false) continue
      this.report(`the option ${key}: ${show(value)}`)
    }
    return {
      ...(trainable === false && { trainable: false }),
      ...(regularizer ? { activityRegularizer: regularizer } : {}),
    }
  }
}

type Converter = (reader: Reader, context: Conversion, layer: KerasLayer) => Converted
interface Converted {
  readonly kind: string
  readonly options: Record<string, unknown>
}

const plain =
  (kind: string): Converter =>
  () => ({ kind, options: {} })

/** One number, or a list of as many. */
const single = (value: unknown) => (Array.isArray(value) && value.length === 1 ? value[0] : value)

function channelsLast(reader: Reader) {
  reader.only('data_format', 'channels_last')
}

const sequence = (reader: Reader) => ({
  returnSequences: reader.or('return_sequences', false),
  returnState: reader.or('return_state', false),
  goBackwards: reader.or('go_backwards', false),
  stateful: reader.or('stateful', false),
})

/** Of a step: what the layer has in common with its cell. */
function recurrent(reader: Reader, { legacy }: Conversion) {
  reader.only('time_major', false)
  return {
    units: reader.get('units'),
    activation: reader.activation('activation', 'tanh'),
    useBias: reader.or('use_bias', true),
    dropout: reader.or('dropout', 0),
    recurrentDropout: reader.or('recurrent_dropout', 0),
    ...reader.weights('kernel', 'recurrent', 'bias'),
    gates: legacy ? 'hard_sigmoid' : 'sigmoid',
  }
}

function sequences(reader: Reader) {
  const options = sequence(reader)
  const zeroOutput = reader.or('zero_output_for_mask', false)
  if (zeroOutput && !options.returnSequences) {
    reader.report('zero_output_for_mask without return_sequences')
  }
  return {
    ...options,
    ...(zeroOutput && options.returnSequences ? { zeroOutputForMask: true } : {}),
  }
}

const lstmStep: Converter = (reader, context) => {
  const { gates, ...options } = recurrent(reader, context)
  const recurrentActivation = reader.activation('recurrent_activation', gates)
  const unitForgetBias = reader.or('unit_forget_bias', true)
  return { kind: 'lstm', options: { ...options, recurrentActivation, unitForgetBias } }
}

const gruStep: Converter = (reader, context) => {
  const { gates, ...options } = recurrent(reader, context)
  const recurrentActivation = reader.activation('recurrent_activation', gates)
  // Before there was the option, it was what false is now.
  const resetAfter = reader.or('reset_after', false)
  return { kind: 'gru', options: { ...options, recurrentActivation, resetAfter } }
}

const rnnStep: Converter = (reader, context) => {
  const { gates: _, ...options } = recurrent(reader, context)
  return { kind: 'simpleRnn', options }
}

/** The layer over a sequence that has this step. */
const over =
  (step: Converter): Converter =>
  (reader, context, layer) => {
    const { kind, options } = step(reader, context, layer)
    return { kind, options: { ...options, ...sequences(reader) } }
  }

const asCell =
  (step: Converter): Converter =>
  (reader, context, layer) => {
    const { kind, options } = step(reader, context, layer)
    return { kind: `${kind}Cell`, options }
  }

const convolution =
  (kind: string, size: (value: unknown) => unknown): Converter =>
  (reader) => {
    channelsLast(reader)
    return {
      kind,
      options: {
        filters: reader.get('filters'),
        kernelSize: size(reader.get('kernel_size')),
        strides: size(reader.or('strides', 1)),
        padding: reader.or('padding', 'valid'),
        dilationRate: size(reader.or('dilation_rate', 1)),
        groups: reader.or('groups', 1),
        activation: reader.activation(),
        useBias: reader.or('use_bias', true),
        ...reader.weights('kernel', 'bias'),
      },
    }
  }

const convolutionalLstm: Converter = (reader, context) => {
  channelsLast(reader)
  const { units: _, gates, ...options } = recurrent(reader, context)
  return {
    kind: 'convLstm2d',
    options: {
      filters: reader.get('filters'),
      kernelSize: reader.get('kernel_size'),
      strides: reader.or('strides', 1),
      padding: reader.or('padding', 'valid'),
      dilationRate: reader.or('dilation_rate', 1),
      ...options,
      recurrentActivation: reader.activation('recurrent_activation', gates),
      unitForgetBias: reader.or('unit_forget_bias', true),
      ...sequences(reader),
    },
  }
}

const windows =
  (kind: string, size: (value: unknown) => unknown): Converter =>
  (reader) => {
    channelsLast(reader)
    const poolSize = size(reader.or('pool_size', 2))
    return {
      kind,
      options: {
        poolSize,
        strides: size(reader.or('strides', poolSize)),
        padding: reader.or('padding', 'valid'),
      },
    }
  }

const global =
  (kind: string): Converter =>
  (reader) => {
    channelsLast(reader)
    return { kind, options: { keepdims: reader.or('keepdims', false) } }
  }

const attention =
  (kind: string, scores: readonly string[]): Converter =>
  (reader) => ({
    kind,
    options: {
      useScale: reader.or('use_scale', kind === 'additiveAttention'),
      dropout: reader.or('dropout', 0),
      // Arguments of the call, which Refrain's layers have as options.
      useCausalMask: reader.or('use_causal_mask', false),
      returnAttentionScores: reader.or('return_attention_scores', false),
      ...Object.fromEntries(scores.map((key) => [camelCase(key), reader.or(key, 'dot')])),
    },
  })

/** An activation as a layer; a slope or limit must be the function's own. */
const activationLayer =
  (name: string, limits: Record<string, readonly unknown[]> = {}): Converter =>
  (reader) => {
    for (const [key, allowed] of Object.entries(limits)) reader.only(key, ...allowed)
    return { kind: 'activation', options: { activation: name } }
  }

const same = (value: unknown) => value

const converters: Readonly<Record<string, Converter>> = {
  LSTM: over(lstmStep),
  GRU: over(gruStep),
  SimpleRNN: over(rnnStep),
  LSTMCell: asCell(lstmStep),
  GRUCell: asCell(gruStep),
  SimpleRNNCell: asCell(rnnStep),
  StackedRNNCells: (reader, context) => {
    const cells = reader.get('cells')
    const list = Array.isArray(cells) ? cells : []
    return {
      kind: 'stackedRnnCells',
      options: { cells: list.map((cell) => inner(cell, reader, context)) },
    }
  },
  RNN: (reader, context) => {
    reader.only('time_major', false)
    return {
      kind: 'rnn',
      options: { cell: inner(reader.get('cell'), reader, context), ...sequences(reader) },
    }
  },
  Bidirectional: (reader, context) => {
    const backward = reader.get('backward_layer')
    // What its two layers say of their outputs is what this one's do.
    for (const key of ['return_sequences', 'return_state', 'stateful']) reader.get(key)
    return {
      kind: 'bidirectional',
      options: {
        layer: inner(reader.get('layer'), reader, context),
        ...(backward ? { backwardLayer: inner(backward, reader, context) } : {}),
        mergeMode: reader.get('merge_mode') ?? 'none',
      },
    }
  },
  TimeDistributed: (reader, context) => ({
    kind: 'timeDistributed',
    options: { layer: inner(reader.get('layer'), reader, context) },
  }),
  Dense: (reader) => ({
    kind: 'dense',
    options: {
      units: reader.get('units'),
      activation: reader.activation(),
      useBias: reader.or('use_bias', true),
      ...reader.weights('kernel', 'bias'),
    },
  }),
  Embedding: (reader) => ({
    kind: 'embedding',
    options: {
      inputDim: reader.get('input_dim'),
      outputDim: reader.get('output_dim'),
      maskZero: reader.or('mask_zero', false),
      ...reader.weights('embeddings'),
    },
  }),
  BatchNormalization: (reader) => {
    reader.get('virtual_batch_size')
    const options = reader.weights('beta', 'gamma')
    const [clipping, renormMomentum] = [
      reader.get('renorm_clipping'),
      reader.get('renorm_momentum'),
    ]
    if (reader.get('renorm')) {
      const limits = isObject(clipping) ? Object.entries(clipping) : []
      options.renorm = true
      options.renormClipping = Object.fromEntries(
        limits.map(([key, limit]) => [camelCase(key), limit]),
      )
      options.renormMomentum = renormMomentum
    }
    for (const moving of ['moving_mean', 'moving_variance']) {
      options[`${camelCase(moving)}Initializer`] = initializerOf(
        reader.get(`${moving}_initializer`),
      )
    }
    return {
      kind: 'batchNormalization',
      options: {
        axis: single(reader.or('axis', -1)),
        momentum: reader.or('momentum', 0.99),
        epsilon: reader.or('epsilon', 1e-3),
        center: reader.or('center', true),
        scale: reader.or('scale', true),
        ...options,
      },
    }
  },
  LayerNormalization: (reader) => {
    reader.only('rms_scaling', false)
    return {
      kind: 'layerNormalization',
      options: {
        axis: single(reader.or('axis', -1)),
        epsilon: reader.or('epsilon', 1e-3),
        center: reader.or('center', true),
        scale: reader.or('scale', true),
        ...reader.weights('beta', 'gamma'),
      },
    }
  },
  Activation: (reader) => ({
    kind: 'activation',
    options: { activation: reader.activation() },
  }),
  Softmax: activationLayer('softmax', { axis: [-1, [-1]] }),
  ReLU: activationLayer('relu', {
    max_value: [null],
    negative_slope: [0],
    threshold: [0],
  }),
  LeakyReLU: activationLayer('leakyRelu', { negative_slope: [0.2], alpha: [0.2] }),
  ELU: activationLayer('elu', { alpha: [1] }),
  Dropout: (reader) => {
    // A shape in which the mask is repeated changes training alone.
    reader.get('noise_shape')
    return { kind: 'dropout', options: { rate: reader.or('rate', 0) } }
  },
  SpatialDropout1D: (reader) => ({
    kind: 'spatialDropout1d',
    options: { rate: reader.or('rate', 0) },
  }),
  GaussianNoise: (reader) => ({
    kind: 'gaussianNoise',
    options: { stddev: reader.or('stddev', 1) },
  }),
  Masking: (reader) => ({
    kind: 'masking',
    options: { maskValue: reader.or('mask_value', 0) },
  }),
  Flatten: (reader) => {
    channelsLast(reader)
    return { kind: 'flatten', options: {} }
  },
  Reshape: (reader) => ({
    kind: 'reshape',
    options: { targetShape: reader.get('target_shape') },
  }),
  Permute: (reader) => ({ kind: 'permute', options: { dims: reader.get('dims') } }),
  RepeatVector: (reader) => ({ kind: 'repeatVector', options: { n: reader.get('n') } }),
  Concatenate: (reader) => ({
    kind: 'concatenate',
    options: { axis: reader.or('axis', -1) },
  }),
  Dot: (reader) => {
    reader.only('normalize', false)
    return { kind: 'dot', options: { axes: reader.get('axes') } }
  },
  Add: plain('add'),
  Subtract: plain('subtract'),
  Multiply: plain('multiply'),
  Average: plain('average'),
  Maximum: plain('maximum'),
  Minimum: plain('minimum'),
  Attention: attention('attention', ['score_mode']),
  AdditiveAttention: attention('additiveAttention', []),
  Conv1D: convolution('conv1d', single),
  Conv2D: convolution('conv2d', same),
  ConvLSTM2D: convolutionalLstm,
  MaxPooling1D: windows('maxPooling1d', single),
  AveragePooling1D: windows('averagePooling1d', single),
  MaxPooling2D: windows('maxPooling2d', same),
  AveragePooling2D: windows('averagePooling2d', same),
  GlobalMaxPooling1D: global('globalMaxPooling1d'),
  GlobalAveragePooling1D: global('globalAveragePooling1d'),
  GlobalMaxPooling2D: global('globalMaxPooling2d'),
  GlobalAveragePooling2D: global('globalAveragePooling2d'),
}

/** Keras's classes that can be read, models and input layers aside. */
export const layerClasses = Object.keys(converters)

/** A layer inside a wrapper. */
function inner(value: unknown, reader: Reader, context: Conversion): LayerConfig {
  return layerConfig(readLayer(value, reader.where), context)
}

/** The configuration of Refrain's layer for one of Keras's; reports what it cannot have. */
export function layerConfig(found: KerasLayer, context: Conversion): LayerConfig {
  const layer = modernized(found)
  const { className, name, config } = layer
  if (modelClasses.includes(className)) return context.nested(layer)
  const reader = new Reader(layer, context)
  if (className === 'Lambda' && Object.hasOwn(context.custom, name)) {
    return { kind: 'lambda', name, options: {} }
  }
  if (Object.hasOwn(context.custom, className)) {
    return { kind: className, name, options: ownOptions(config) }
  }
  const convert = Object.hasOwn(converters, className) ? converters[className] : null
  if (!convert) {
    const what =
      className === 'Lambda'
        ? `the function of the Lambda layer '${name}', which is Python code`
        : `the layer ${reader.where}`
    context.problems.add(what)
    return { kind: className, name, options: {} }
  }
  const { kind, options } = convert(reader, context, layer)
  const all = { ...options, ...reader.rest() }
  const given = Object.entries(all).filter(([, value]) => value !== undefined)
  return { kind, name, options: Object.fromEntries(given) }
}

/** Options of a class of the user's own: as the file has them, in camel case. */
function ownOptions(config: JsonObject): Record<string, unknown> {
  const given = Object.entries(config).filter(([key]) => !withoutEffect.has(key))
  return Object.fromEntries(given.map(([key, value]) => [camelCase(key), value]))
}
