/** The element-wise activations and their derivatives, in double precision; softmax. */
import { activationCodes, type Kernels } from '../kernels.ts'

const SELU_ALPHA = 1.6732632423543772
const SELU_SCALE = 1.0507009873554805
const LEAKY_SLOPE = 0.2

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/**
 * The complementary error function, 1 - erf(x), to about 13 digits: the series of Abramowitz and
 * Stegun 7.1.6 near zero, their continued fraction 7.1.14 in the tail.
 */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x)
  if (x < 2) {
    let term = x
    let sum = x
    for (let n = 1; n < 60; n++) {
      term *= (2 * x * x) / (2 * n + 1)
      sum += term
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
  }
  let tail = x
  for (let n = 100; n > 0; n--) tail = x + n / 2 / tail
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail
}

/** Φ, the distribution function of the standard normal distribution. */
const normalCdf = (x: number): number => erfc(-x / Math.SQRT2) / 2
const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

interface Activation {
  /** f(x). NaN stays NaN: Math.max and Math.min pass it on. */
  value(x: number): number
  /** f'(x), given y = f(x). */
  slope(x: number, y: number): number
}

const byName: Record<keyof typeof activationCodes, Activation> = {
  linear: { value: (x) => x, slope: () => 1 },
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  sigmoid: { value: sigmoid, slope: (_, y) => y * (1 - y) },
  tanh: { value: Math.tanh, slope: (_, y) => 1 - y * y },
  hardSigmoid: {
    value: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
    slope: (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
  },
  hardSigmoidLegacy: {
    value: (x) => Math.min(Math.max(0.2 * x + 0.5, 0), 1),
    slope: (x) => (x > -2.5 && x < 2.5 ? 0.2 : 0),
  },
  elu: { value: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x, y) => (x > 0 ? 1 : y + 1) },
  selu: {
    value: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
    slope: (x, y) => (x > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA),
  },
  softplus: { value: softplus, slope: sigmoid },
  softsign: { value: (x) => x / (1 + Math.abs(x)), slope: (x) => (1 + Math.abs(x)) ** -2 },
  exponential: { value: Math.exp, slope: (_, y) => y },
  gelu: { value: (x) => x * normalCdf(x), slope: (x) => normalCdf(x) + x * normalDensity(x) },
  silu: {
    value: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  },
  leakyRelu: {
    value: (x) => (x < 0 ? LEAKY_SLOPE * x : x),
    slope: (x) => (x > 0 ? 1 : LEAKY_SLOPE),
  },
  relu6: {
    value: (x) => Math.min(Math.max(x, 0), 6),
    slope: (x) => (x > 0 && x < 6 ? 1 : 0),
  },
  mish: {
    value: (x) => x * Math.tanh(softplus(x)),
    slope: (x) => {
      const t = Math.tanh(softplus(x))
      return t + x * (1 - t * t) * sigmoid(x)
    },
  },
}

const byCode: Activation[] = []
for (const name of Object.keys(byName) as (keyof typeof byName)[]) {
  byCode[activationCodes[name]] = byName[name]
}

export const activationKernels: Pick<
  Kernels,
  'activate' | 'activateBackward' | 'softmax' | 'softmaxMasked' | 'softmaxBackward'
> = {
  activate(code, x, out, n) {
    const { value } = byCode[code]
    for (let i = 0; i < n; i++) out[i] = value(x[i])
  },

  activateBackward(code, x, y, dy, dx, n, accumulate) {
    const { slope } = byCode[code]
    for (let i = 0; i < n; i++) dx[i] = (accumulate ? dx[i] : 0) + dy[i] * slope(x[i], y[i])
  },

  softmax(x, out, rows, cols, log) {
    for (let r = 0; r < rows; r++) {
      const first = r * cols
      let max = -Infinity
      for (let c = 0; c < cols; c++) max = Math.max(max, x[first + c])
      let sum = 0
      for (let c = 0; c < cols; c++) sum += Math.exp(x[first + c] - max)
      for (let c = 0; c < cols; c++) {
        const shifted = x[first + c] - max
        out[first + c] = log ? shifted - Math.log(sum) : Math.exp(shifted) / sum
      }
    }
  },

  softmaxMasked(x, valid, out, b, queries, keys, causal) {
    for (let row = 0; row < b * queries; row++) {
      const used = valid?.subarray(Math.floor(row / queries) * keys)
      const counts = (k: number) => used?.[k] !== 0 && (!causal || k <= row % queries)
      const at = row * keys
      let max = -Infinity
      for (let k = 0; k < keys; k++) if (counts(k)) max = Math.max(max, x[at + k])
      let sum = 0
      for (let k = 0; k < keys; k++) if (counts(k)) sum += Math.exp(x[at + k] - max)
      for (let k = 0; k < keys; k++) {
        out[at + k] = counts(k) ? Math.exp(x[at + k] - max) / sum : 0
      }
    }
  },

  // softmax: dx = y ⊙ (dy - Σ dy ⊙ y); log-softmax: dx = dy - exp(y) Σ dy.
  softmaxBackward(y, dy, dx, rows, cols, log) {
    for (let r = 0; r < rows; r++) {
      const first = r * cols
      let sum = 0
      for (let i = first; i < first + cols; i++) sum += log ? dy[i] : dy[i] * y[i]
      for (let i = first; i < first + cols; i++) {
        dx[i] += log ? dy[i] - Math.exp(y[i]) * sum : y[i] * (dy[i] - sum)
      }
    }
  },
}
