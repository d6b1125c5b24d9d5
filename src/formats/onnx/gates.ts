/**
 * Weights of recurrent layers between Refrain's layout and ONNX's: kernels [I,GU] there are [GU,I] here, and
 * gates are in another order (LSTM i, o, f, c; GRU z, r, h).
 */

/** Refrain's gate at each of ONNX's places; null: a gate that coupled gates do not have. */
export const gateOrders = {
  lstm: [0, 3, 1, 2],
  coupled: [0, 2, null, 1],
  gru: [0, 1, 2],
  simpleRnn: [0],
} as const

/** Refrain's peephole at each of ONNX's places: i, o, f. */
export const peepholeOrders = { lstm: [0, 2, 1], coupled: [0, 1, null] } as const

type Order = readonly (number | null)[]

/** Refrain's [rows, G·U], as ONNX's [G·U, rows]. */
export function toOnnx(from: ArrayLike<number>, rows: number, units: number, order: Order) {
  const width = from.length / rows
  const out = new Float32Array(order.length * units * rows)
  order.forEach((gate, place) => {
    for (let u = 0; gate !== null && u < units; u++) {
      for (let row = 0; row < rows; row++) {
        out[(place * units + u) * rows + row] = from[row * width + gate * units + u]
      }
    }
  })
  return out
}

/** ONNX's [G·U, rows] as Refrain's [rows, G·U]. */
export function fromOnnx(from: ArrayLike<number>, rows: number, units: number, order: Order) {
  const width = units * order.filter((gate) => gate !== null).length
  const out = new Float32Array(rows * width)
  order.forEach((gate, place) => {
    for (let u = 0; gate !== null && u < units; u++) {
      for (let row = 0; row < rows; row++) {
        out[row * width + gate * units + u] = from[(place * units + u) * rows + row]
      }
    }
  })
  return out
}

/** Arrays one after the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
