/** The losses, row by row, and their gradients with respect to the prediction. */
import { type Floats, type Ints, type Kernels, lossCodes } from '../kernels.ts'
import { sigmoid } from './activations.ts'

/** One row: predictions p and the weight y(c) of each class or target of each column. */
interface Row {
  cols: number
  p(c: number): number
  y(c: number): number
  /** p cut to [1e-7, 1 - 1e-7], the limits rounded to the floats' own precision as Keras does. */
  clip(p: number): number
}

interface Loss {
  value(row: Row): number
  /** ∂loss/∂p_c, written to out[c]. */
  gradient(row: Row, out: Float64Array): void
}

function meanOf(row: Row, term: (p: number, y: number) => number): number {
  let sum = 0
  for (let c = 0; c < row.cols; c++) sum += term(row.p(c), row.y(c))
  return sum / row.cols
}

/** A loss that is the mean of a function of each column. */
function columnwise(
  term: (p: number, y: number, row: Row) => number,
  slope: (p: number, y: number, row: Row) => number,
): Loss {
  return {
    value: (row) => meanOf(row, (p, y) => term(p, y, row)),
    gradient(row, out) {
      for (let c = 0; c < row.cols; c++) out[c] = slope(row.p(c), row.y(c), row) / row.cols
    },
  }
}

function sumOfPredictions(row: Row): number {
  let sum = 0
  for (let c = 0; c < row.cols; c++) sum += row.p(c)
  return sum
}

/** log Σ_c exp(p_c), without overflow. */
function logSumExp(row: Row): number {
  let max = -Infinity
  for (let c = 0; c < row.cols; c++) max = Math.max(max, row.p(c))
  let sum = 0
  for (let c = 0; c < row.cols; c++) sum += Math.exp(row.p(c) - max)
  return max + Math.log(sum)
}

const byName: Record<keyof typeof lossCodes, Loss> = {
  squaredError: columnwise(
    (p, y) => (p - y) ** 2,
    (p, y) => 2 * (p - y),
  ),
  absoluteError: columnwise(
    (p, y) => Math.abs(p - y),
    (p, y) => Math.sign(p - y),
  ),
  binaryCrossentropy: columnwise(
    (p, y, { clip }) => -(y * Math.log(clip(p)) + (1 - y) * Math.log(1 - clip(p))),
    (p, y, { clip }) => (clip(p) === p ? (p - y) / (p * (1 - p)) : 0),
  ),
  binaryCrossentropyLogits: columnwise(
    (x, y) => Math.max(x, 0) - x * y + Math.log1p(Math.exp(-Math.abs(x))),
    (x, y) => sigmoid(x) - y,
  ),
  categoricalCrossentropy: {
    value(row) {
      const sum = sumOfPredictions(row)
      let loss = 0
      for (let c = 0; c < row.cols; c++) {
        if (row.y(c) !== 0) loss -= row.y(c) * Math.log(row.clip(row.p(c) / sum))
      }
      return loss
    },
    // With q = p / S and dq_c = -y_c / q_c: dp_c = (dq_c - Σ_k dq_k q_k) / S. A clipped q has dq 0.
    gradient(row, out) {
      const sum = sumOfPredictions(row)
      let products = 0
      for (let c = 0; c < row.cols; c++) {
        const q = row.p(c) / sum
        out[c] = row.y(c) !== 0 && row.clip(q) === q ? -row.y(c) / q : 0
        products += out[c] * q
      }
      for (let c = 0; c < row.cols; c++) out[c] = (out[c] - products) / sum
    },
  },
  categoricalCrossentropyLogits: {
    value(row) {
      const normalizer = logSumExp(row)
      let loss = 0
      for (let c = 0; c < row.cols; c++) {
        if (row.y(c) !== 0) loss -= row.y(c) * (row.p(c) - normalizer)
      }
      return loss
    },
    gradient(row, out) {
      const normalizer = logSumExp(row)
      let weight = 0
      for (let c = 0; c < row.cols; c++) weight += row.y(c)
      for (let c = 0; c < row.cols; c++) {
        out[c] = weight * Math.exp(row.p(c) - normalizer) - row.y(c)
      }
    },
  },
}

const byCode: Loss[] = []
for (const name of Object.keys(byName) as (keyof typeof byName)[]) {
  byCode[lossCodes[name]] = byName[name]
}

function rowOf(
  r: number,
  cols: number,
  prediction: Floats,
  target: Floats | null,
  labels: Ints | null,
): Row {
  const round = prediction instanceof Float32Array ? Math.fround : (limit: number) => limit
  const low = round(1e-7)
  const high = round(1 - 1e-7)
  return {
    cols,
    p: (c) => prediction[r * cols + c],
    y: (c) => (labels ? Number(labels[r] === c) : target![r * cols + c]),
    clip: (p) => Math.min(Math.max(p, low), high),
  }
}

export const lossKernels: Pick<Kernels, 'loss'> = {
  loss(code, prediction, target, labels, scale, out, dPrediction, rows, cols) {
    const gradient = new Float64Array(cols)
    for (let r = 0; r < rows; r++) {
      const factor = scale ? scale[r] : 1
      const row = rowOf(r, cols, prediction, target, labels)
      out[r] = factor === 0 ? 0 : byCode[code].value(row)
      if (!dPrediction) continue
      byCode[code].gradient(row, gradient)
      for (let c = 0; c < cols; c++) {
        dPrediction[r * cols + c] = factor === 0 ? 0 : factor * gradient[c]
      }
    }
  },
}
