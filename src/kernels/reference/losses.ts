/** The losses, row by row, and their gradients with respect to the prediction. */
import { type Kernels, lossCodes } from '../kernels.ts'
import { sigmoid } from './activations.ts'

/** One row: predictions p and the weight y(c) of each class or target of each column. */
interface Row {
  cols: number
  p(c: number): number
  y(c: number): number
  /** The loss's own options. */
  option(i: number): number
  /** p cut to [1e-7, 1 - 1e-7], the limits rounded to the floats' own precision as Keras does. */
  clip(p: number): number
}

interface Loss {
  value(row: Row): number
  /** ∂loss/∂p_c, written to out[c]. */
  gradient(row: Row, out: Float64Array): void
}

type Term = (p: number, y: number, row: Row, c: number) => number

/** A loss that is the mean, or the sum, of a function of each column. */
function columnwise(term: Term, slope: Term, mean = true): Loss {
  const each = (row: Row, of: Term, c: number) =>
    of(row.p(c), row.y(c), row, c) / (mean ? row.cols : 1)
  return {
    value(row) {
      let sum = 0
      for (let c = 0; c < row.cols; c++) sum += each(row, term, c)
      return sum
    },
    gradient(row, out) {
      for (let c = 0; c < row.cols; c++) out[c] = each(row, slope, c)
    },
  }
}

const epsilon = 1e-7
const { abs, sign, log, log1p, exp, max, min, sqrt, tanh } = Math

const binaryEntropy: Term = (p, y, { clip }) => -(y * log(clip(p)) + (1 - y) * log(1 - clip(p)))
const binaryEntropySlope: Term = (p, y, { clip }) => (clip(p) === p ? (p - y) / (p * (1 - p)) : 0)

/** The focal loss's factor of an element, w (1 - p_t)^γ, and its derivative. */
function focalFactor(p: number, y: number, row: Row): { factor: number; slope: number } {
  const [gamma, alpha] = [row.option(0), row.option(1)]
  const wrong = y * (1 - p) + (1 - y) * p
  const weight = alpha < 0 ? 1 : y * alpha + (1 - y) * (1 - alpha)
  return {
    factor: weight * wrong ** gamma,
    slope: weight * gamma * wrong ** (gamma - 1) * (1 - 2 * y),
  }
}

/** Σ of f(c) over the columns. */
function total(row: Row, f: (c: number) => number): number {
  let sum = 0
  for (let c = 0; c < row.cols; c++) sum += f(c)
  return sum
}

/** Cross-entropy of p / Σp, each term times α(1-q)^γ: 1 for γ 0, α 1. */
function categorical(gammaOf: (row: Row) => number, alphaOf: (row: Row) => number): Loss {
  return {
    value(row) {
      const sum = total(row, row.p)
      return total(row, (c) => {
        const q = row.clip(row.p(c) / sum)
        const factor = alphaOf(row) * (1 - q) ** gammaOf(row)
        return row.y(c) === 0 ? 0 : -row.y(c) * log(q) * factor
      })
    },
    // With q = p / S: dp_c = (dq_c - Σ_k dq_k q_k) / S. A clipped q has dq 0.
    gradient(row, out) {
      const sum = total(row, row.p)
      const [gamma, alpha] = [gammaOf(row), alphaOf(row)]
      const products = total(row, (c) => {
        const q = row.p(c) / sum
        const turn = gamma === 0 ? 0 : gamma * (1 - q) ** (gamma - 1) * log(q)
        const slope = alpha * ((1 - q) ** gamma / q - turn)
        out[c] = row.y(c) !== 0 && row.clip(q) === q ? -row.y(c) * slope : 0
        return out[c] * q
      })
      for (let c = 0; c < row.cols; c++) out[c] = (out[c] - products) / sum
    },
  }
}

/** The position of the largest (1 - y_c) p_c, the first of equals. */
function rival(row: Row): number {
  let best = 0
  const value = (c: number) => (1 - row.y(c)) * row.p(c)
  for (let c = 1; c < row.cols; c++) if (value(c) > value(best)) best = c
  return best
}

/** Σ p y, and 1 / |p| and 1 / |y|, at most 1e7. */
function cosineParts(row: Row) {
  const inverse = (squares: number) => (squares > 1e-14 ? 1 / sqrt(squares) : 1e7)
  return {
    product: total(row, (c) => row.p(c) * row.y(c)),
    p: inverse(total(row, (c) => row.p(c) ** 2)),
    y: inverse(total(row, (c) => row.y(c) ** 2)),
  }
}

/** log Σ_c exp(p_c), without overflow. */
function logSumExp(row: Row): number {
  let most = -Infinity
  for (let c = 0; c < row.cols; c++) most = max(most, row.p(c))
  return most + log(total(row, (c) => exp(row.p(c) - most)))
}

const byName: Record<keyof typeof lossCodes, Loss> = {
  squaredError: columnwise(
    (p, y) => (p - y) ** 2,
    (p, y) => 2 * (p - y),
  ),
  absoluteError: columnwise(
    (p, y) => abs(p - y),
    (p, y) => sign(p - y),
  ),
  binaryCrossentropy: columnwise(binaryEntropy, binaryEntropySlope),
  binaryCrossentropyLogits: columnwise(
    (x, y) => max(x, 0) - x * y + log1p(exp(-abs(x))),
    (x, y) => sigmoid(x) - y,
  ),
  huber: columnwise(
    (p, y, { option }) => {
      const [size, delta] = [abs(p - y), option(0)]
      return size <= delta ? size ** 2 / 2 : delta * (size - delta / 2)
    },
    (p, y, { option }) => max(-option(0), min(p - y, option(0))),
  ),
  logCosh: columnwise(
    (p, y) => abs(p - y) + log1p(exp(-2 * abs(p - y))) - Math.LN2,
    (p, y) => tanh(p - y),
  ),
  poisson: columnwise(
    (p, y) => p - y * log(p + epsilon),
    (p, y) => 1 - y / (p + epsilon),
  ),
  percentageError: columnwise(
    (p, y) => (100 * abs(p - y)) / max(abs(y), epsilon),
    (p, y) => (100 * sign(p - y)) / max(abs(y), epsilon),
  ),
  logarithmicError: columnwise(
    (p, y) => (log(max(p, epsilon) + 1) - log(max(y, epsilon) + 1)) ** 2,
    (p, y) => (p < epsilon ? 0 : (2 * (log(p + 1) - log(max(y, epsilon) + 1))) / (p + 1)),
  ),
  hinge: columnwise(
    (p, y) => max(1 - y * p, 0),
    (p, y) => (y * p < 1 ? -y : 0),
  ),
  squaredHinge: columnwise(
    (p, y) => max(1 - y * p, 0) ** 2,
    (p, y) => -2 * y * max(1 - y * p, 0),
  ),
  binaryFocal: columnwise(
    (p, y, row, c) => focalFactor(p, y, row).factor * binaryEntropy(p, y, row, c),
    (p, y, row, c) => {
      const { factor, slope } = focalFactor(p, y, row)
      return factor * binaryEntropySlope(p, y, row, c) + slope * binaryEntropy(p, y, row, c)
    },
  ),
  klDivergence: columnwise(
    (p, y) => {
      const [q, z] = [p, y].map((x) => max(epsilon, min(x, 1)))
      return z * log(z / q)
    },
    (p, y) => (p < epsilon || p > 1 ? 0 : -max(epsilon, min(y, 1)) / p),
    false,
  ),
  quantile: columnwise(
    (p, y, { option }, c) => max(option(c) * (y - p), (option(c) - 1) * (y - p)),
    (p, y, { option }, c) => (p > y ? 1 - option(c) : p < y ? -option(c) : 0),
  ),
  categoricalCrossentropy: categorical(
    () => 0,
    () => 1,
  ),
  categoricalFocal: categorical(
    (row) => row.option(0),
    (row) => row.option(1),
  ),
  categoricalHinge: {
    value: (row) => {
      const other = rival(row)
      const right = total(row, (c) => row.y(c) * row.p(c))
      return max(0, 1 + (1 - row.y(other)) * row.p(other) - right)
    },
    gradient(row, out) {
      const acts = byName.categoricalHinge.value(row) > 0
      for (let c = 0; c < row.cols; c++) out[c] = acts ? -row.y(c) : 0
      if (acts) out[rival(row)] += 1 - row.y(rival(row))
    },
  },
  cosineSimilarity: {
    value: (row) => {
      const { product, p, y } = cosineParts(row)
      return -product * p * y
    },
    gradient(row, out) {
      const { product, p, y } = cosineParts(row)
      const pull = p < 1e7 ? product * p ** 3 * y : 0
      for (let c = 0; c < row.cols; c++) out[c] = pull * row.p(c) - p * y * row.y(c)
    },
  },
  categoricalCrossentropyLogits: {
    value(row) {
      const normalizer = logSumExp(row)
      return -total(row, (c) => (row.y(c) === 0 ? 0 : row.y(c) * (row.p(c) - normalizer)))
    },
    gradient(row, out) {
      const normalizer = logSumExp(row)
      const weight = total(row, row.y)
      for (let c = 0; c < row.cols; c++) {
        out[c] = weight * exp(row.p(c) - normalizer) - row.y(c)
      }
    },
  },
}

const byCode: Loss[] = []
for (const name of Object.keys(byName) as (keyof typeof byName)[]) {
  byCode[lossCodes[name]] = byName[name]
}

const halves = [
  lossCodes.binaryCrossentropy,
  lossCodes.binaryCrossentropyLogits,
  lossCodes.binaryFocal,
] as number[]

export const lossKernels: Pick<Kernels, 'loss'> = {
  loss(code, prediction, target, labels, scale, options, out, dPrediction, rows, cols) {
    const gradient = new Float64Array(cols)
    const round = prediction instanceof Float32Array ? Math.fround : (limit: number) => limit
    const [low, high] = [round(epsilon), round(1 - epsilon)]
    const smoothing = options ? options[0] : 0
    const rest = smoothing / (halves.includes(code) ? 2 : cols)
    const wanted = (r: number, c: number) =>
      labels ? Number(labels[r] === c) : target![r * cols + c]
    for (let r = 0; r < rows; r++) {
      const factor = scale ? scale[r] : 1
      const row: Row = {
        cols,
        p: (c) => prediction[r * cols + c],
        y: (c) => wanted(r, c) * (1 - smoothing) + rest,
        option: (i) => options![i + 1],
        clip: (p) => min(max(p, low), high),
      }
      out[r] = factor === 0 ? 0 : byCode[code].value(row)
      if (!dPrediction) continue
      byCode[code].gradient(row, gradient)
      for (let c = 0; c < cols; c++) {
        dPrediction[r * cols + c] = factor === 0 ? 0 : factor * gradient[c]
      }
    }
  },
}
