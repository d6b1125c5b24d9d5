/**
 * A workload's LSTM layers as an ONNX model, written as protobuf by hand: the ONNX packages on npm can
 * run a model but not build one. Field numbers are those of onnx.proto3.
 *
 * Input x [T,B,I] (the operator's `layout` attribute, batch first, is not supported by ONNX Runtime on
 * the CPU), output the last step of the last layer [1,B,U].
 */
import { inputsOf } from '../workloads.mjs'

export const float = 1
const int64 = 7

/** @param {import('../workloads.mjs').Workload} workload @param {Float32Array[][]} weights */
export function onnxModel(workload, weights) {
  const { B, T, I, U, layers } = workload
  const nodes = []
  const initializers = [tensor('directions', int64, [1], BigInt64Array.of(1n))]
  let input = 'x'
  for (let k = 0; k < layers; k++) {
    const [kernel, recurrentKernel, bias] = weights[k]
    const inputs = inputsOf(workload, k)
    const both = new Float32Array(8 * U)
    both.set(byGate(bias, 1, U))
    initializers.push(
      tensor(`W${k}`, float, [1, 4 * U, inputs], byGate(kernel, inputs, U)),
      tensor(`R${k}`, float, [1, 4 * U, U], byGate(recurrentKernel, U, U)),
      tensor(`B${k}`, float, [1, 8 * U], both),
    )
    const last = k === layers - 1
    const outputs = last ? ['', 'y'] : [`all${k}`]
    const size = message([string(1, 'hidden_size'), integer(3, U), integer(20, 2)])
    nodes.push(node('LSTM', [input, `W${k}`, `R${k}`, `B${k}`], outputs, [size]))
    // [T,1,B,U] → [T,B,U]
    if (!last) nodes.push(node('Squeeze', [`all${k}`, 'directions'], [`h${k}`], []))
    input = `h${k}`
  }
  const graph = message([
    ...nodes.map((bytes) => field(1, bytes)),
    string(2, 'lstm'),
    ...initializers.map((bytes) => field(5, bytes)),
    field(11, valueInfo('x', [T, B, I])),
    field(12, valueInfo('y', [1, B, U])),
  ])
  const operators = message([string(1, ''), integer(2, 14)])
  return message([integer(1, 8), field(7, graph), field(8, operators)])
}

/** Keras's [rows,4U] with gates i, f, c, o → ONNX's [4U,rows] with gates i, o, f, c. */
function byGate(
  /** @type {Float32Array} */ kernel,
  /** @type {number} */ rows,
  /** @type {number} */ U,
) {
  const result = new Float32Array(kernel.length)
  const order = [0, 3, 1, 2]
  for (let gate = 0; gate < 4; gate++) {
    for (let u = 0; u < U; u++) {
      for (let row = 0; row < rows; row++) {
        result[(gate * U + u) * rows + row] = kernel[row * 4 * U + order[gate] * U + u]
      }
    }
  }
  return result
}

/** NodeProto. @param {string} operator @param {string[]} inputs @param {string[]} outputs @param {Uint8Array[]} attributes */
export const node = (operator, inputs, outputs, attributes) =>
  message([
    ...inputs.map((name) => string(1, name)),
    ...outputs.map((name) => string(2, name)),
    string(4, operator),
    ...attributes.map((bytes) => field(5, bytes)),
  ])

/** TensorProto. @param {string} name @param {number} type @param {number[]} shape @param {Float32Array | BigInt64Array} data */
export const tensor = (name, type, shape, data) =>
  message([
    ...shape.map((size) => integer(1, size)),
    integer(2, type),
    string(8, name),
    field(9, new Uint8Array(data.buffer)),
  ])

/** ValueInfoProto of a float tensor. @param {string} name @param {number[]} shape */
export function valueInfo(name, shape) {
  const sizes = message(shape.map((size) => field(1, message([integer(1, size)]))))
  const type = message([integer(1, float), field(2, sizes)])
  return message([string(1, name), field(2, message([field(1, type)]))])
}

/** @param {number} number @param {number} value */
export const integer = (number, value) =>
  Uint8Array.from([...varint(number << 3), ...varint(value)])

/** @param {number} number @param {string} text */
export const string = (number, text) => field(number, new TextEncoder().encode(text))

/** A field of given length. @param {number} number @param {Uint8Array} bytes */
export const field = (number, bytes) =>
  message([Uint8Array.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes])

/** @param {Uint8Array[]} parts */
export const message = (parts) => new Uint8Array(Buffer.concat(parts))

/** Seven bits a byte, lowest first. @param {number} value */
function varint(value) {
  const bytes = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  bytes.push(value)
  return bytes
}
