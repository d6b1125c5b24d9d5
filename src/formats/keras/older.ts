/**
 * Layers as Keras 1 and 2 had them: Keras 1's names of options, its arrays for each gate, and the layers of Keras 2 for
 * CuDNN, whose arrays lie as that library wants them. The layouts are those that Keras 2 converts on loading
 * (keras-team/keras 2.3.1, keras/engine/saving.py: preprocess_weights_for_loading, _convert_rnn_weights).
 */
import type { Parameter } from '../../tensor/parameter.ts'
import type { JsonObject } from '../json.ts'
import type { KerasLayer } from './model.ts'
import type { Leaf } from './walk.ts'
import type { FileArray } from './weights.ts'

/** Classes by the names that they have since Keras 2. */
const renamedClasses: Readonly<Record<string, string>> = {
  Convolution1D: 'Conv1D',
  Convolution2D: 'Conv2D',
  TimeDistributedDense: 'Dense',
}

/** Keras 1's options by the names that they have since Keras 2. */
const renamedOptions: Readonly<Record<string, string>> = {
  output_dim: 'units',
  inner_activation: 'recurrent_activation',
  dropout_W: 'dropout',
  dropout_U: 'recurrent_dropout',
  W_regularizer: 'kernel_regularizer',
  U_regularizer: 'recurrent_regularizer',
  b_regularizer: 'bias_regularizer',
  W_constraint: 'kernel_constraint',
  b_constraint: 'bias_constraint',
  bias: 'use_bias',
  p: 'rate',
  sigma: 'stddev',
  nb_filter: 'filters',
  filter_length: 'kernel_size',
  subsample_length: 'strides',
  subsample: 'strides',
  border_mode: 'padding',
  pool_length: 'pool_size',
  stride: 'strides',
  concat_axis: 'axis',
}

/** Of an embedding `output_dim` is what it was, and so is `input_dim`. */
const renamedInEmbeddings: Readonly<Record<string, string>> = {
  W_regularizer: 'embeddings_regularizer',
  W_constraint: 'embeddings_constraint',
}

/** Keras 1's options that say nothing of what a trained layer computes. */
const leftOut = ['init', 'inner_init', 'forget_bias_init', 'input_dim', 'consume_less', 'weights']

/** Merge's modes by the classes that they became. */
const merges: Readonly<Record<string, string>> = {
  sum: 'Add',
  mul: 'Multiply',
  ave: 'Average',
  max: 'Maximum',
  concat: 'Concatenate',
}

/** Whether a layer's configuration has options that only Keras 1 had. */
const isKeras1 = ({ className, config }: KerasLayer) =>
  className in renamedClasses ||
  (className === 'Merge' && 'concat_axis' in config) ||
  ['inner_activation', 'W_regularizer', 'nb_filter', 'pool_length', 'border_mode'].some(
    (key) => key in config,
  ) ||
  (['Dropout', 'SpatialDropout1D'].includes(className) && 'p' in config) ||
  ('sigma' in config && className === 'GaussianNoise')

/** The layer in the words of Keras 2, which are those of Keras 3. */
export function modernized(layer: KerasLayer): KerasLayer {
  const { className, config } = layer
  if (className === 'CuDNNLSTM' || className === 'CuDNNGRU') {
    const own = { ...config, activation: 'tanh', recurrent_activation: 'sigmoid' }
    return className === 'CuDNNLSTM'
      ? { ...layer, className: 'LSTM', config: own }
      : { ...layer, className: 'GRU', config: { ...own, reset_after: true } }
  }
  if (!isKeras1(layer)) return layer
  if (className === 'Merge') {
    const mode = typeof config.mode === 'string' ? config.mode : ''
    if (!Object.hasOwn(merges, mode)) return layer
    const { name, concat_axis: axis } = config
    const own: JsonObject = mode === 'concat' ? { name, axis } : { name }
    return { ...layer, className: merges[mode], config: own }
  }
  const isEmbedding = className === 'Embedding'
  const names = isEmbedding ? renamedInEmbeddings : renamedOptions
  const left = isEmbedding ? ['init', 'weights', 'dropout'] : leftOut
  const entries = Object.entries(config).flatMap(([key, value]) =>
    left.includes(key) ? [] : [[Object.hasOwn(names, key) ? names[key] : key, value]],
  )
  return {
    ...layer,
    className: renamedClasses[className] ?? className,
    config: Object.fromEntries(entries),
  }
}

/** Where the gates of Keras 2's order, i f c o and z r h, are in Keras 1's list of arrays: three for each gate. */
const gatesOfKeras1: Readonly<Record<string, readonly number[]>> = {
  LSTM: [0, 2, 1, 3],
  GRU: [0, 1, 2],
}

/**
 * A top layer's arrays in the layout since Keras 2, from what the file has in its order: what training moves of each
 * layer in it, then the rest.
 */
export function modernArrays(
  leaves: readonly Leaf[],
  arrays: readonly FileArray[],
  moves: (parameter: Parameter) => boolean,
): readonly FileArray[] {
  if (leaves.every(({ keras }) => !isOlder(keras, arrays))) return arrays
  const found: FileArray[] = []
  let at = 0
  for (const { keras, layer } of leaves) {
    const own = layer.parameters.filter(moves)
    const gates = gatesOfKeras1[keras.className]
    const cudnn = keras.className.startsWith('CuDNN')
    const separate = isKeras1(keras) && gates && isByGates(arrays.slice(at))
    const count = cudnn ? 3 : separate ? 3 * gates.length : own.length
    const taken = arrays.slice(at, at + count)
    at += count
    // Too few are told of where they are counted.
    if (taken.length < count) return arrays
    if (cudnn) found.push(...fromCudnn(taken, own))
    else if (separate) found.push(...[0, 1, 2].map((k) => joined(taken, gates, k)))
    else found.push(...taken)
  }
  return [...found, ...arrays.slice(at)]
}

const isOlder = (keras: KerasLayer, arrays: readonly FileArray[]) =>
  keras.className.startsWith('CuDNN') || (isKeras1(keras) && isByGates(arrays))

/** 'lstm_1_W_i': with the option consume_less='gpu' there was one array for all gates, 'lstm_1_W'. */
const isByGates = (arrays: readonly FileArray[]) =>
  arrays.some(({ name }) => /_[WUb]_[ifcozrh](:0)?$/.test(name))

/** The arrays W, U or b, by `kind`, of all gates side by side. */
function joined(arrays: readonly FileArray[], gates: readonly number[], kind: number): FileArray {
  const parts = gates.map((gate) => arrays[3 * gate + kind])
  const [{ name, shape }] = parts
  const units = shape.at(-1) ?? 0
  const same = parts.every((part) => part.shape.join() === shape.join())
  return {
    name,
    // Of unequal parts a shape that fits nothing.
    shape: same ? [...shape.slice(0, -1), units * parts.length] : [],
    values() {
      const rows = units === 0 ? 0 : shape.slice(0, -1).reduce((a, b) => a * b, 1)
      const all = parts.map((part) => part.values())
      const out = new Float32Array(rows * units * parts.length)
      all.forEach((values, g) => {
        for (let row = 0; row < rows; row++) {
          out.set(values.subarray(row * units, (row + 1) * units), (row * parts.length + g) * units)
        }
      })
      return out
    },
  }
}

/**
 * CuDNN's arrays: of each gate's kernel, [I, U] in the file, the numbers are those of [U, I]; its biases are two for
 * each gate, one after the other in one list, which an LSTM adds and a GRU has in two rows.
 */
function fromCudnn(
  [kernel, recurrent, bias]: readonly FileArray[],
  [, , biases]: readonly Parameter[],
): FileArray[] {
  return [transposed(kernel), transposed(recurrent), biasOf(bias, biases)]

  function transposed(array: FileArray): FileArray {
    const { name, shape } = array
    const [rows, columns] = shape
    const units = recurrent.shape[0]
    return {
      name,
      shape,
      values() {
        const from = array.values()
        const out = new Float32Array(from.length)
        for (let first = 0; first < columns; first += units) {
          for (let i = 0; i < rows; i++) {
            for (let u = 0; u < units; u++) {
              // Number u·I + i of the gate, which the file counts along its rows of U.
              const k = u * rows + i
              const at = Math.floor(k / units) * columns + first + (k % units)
              out[i * columns + first + u] = from[at]
            }
          }
        }
        return out
      },
    }
  }

  function biasOf(array: FileArray, { shape }: Parameter): FileArray {
    const [length] = array.shape
    const isFlat = array.shape.length === 1 && length === 2 * shape.at(-1)!
    return {
      name: array.name,
      shape: isFlat ? shape : array.shape,
      values() {
        const values = array.values()
        if (shape.length === 2) return values
        const half = values.length / 2
        return Float32Array.from({ length: half }, (_, i) => values[i] + values[i + half])
      },
    }
  }
}
