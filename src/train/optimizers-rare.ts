/**
 * Optimizers that few use, with Keras 3's names, defaults and formulas. They are plain loops in
 * double precision, so every backend moves by the same numbers.
 */
import type { Floats } from '../kernels/kernels.ts'
import { checkNumber, sizeOf } from '../util/check.ts'
import {
  check,
  checkDecay,
  complete,
  decayOf,
  type Optimizer,
  type OptimizerOptions,
} from './optimizer.ts'

/**
 * Follow the regularized leader (McMahan et al. 2013): weights are what all gradients so far, with
 * `l1RegularizationStrength` (0) and `l2RegularizationStrength` (0), say, not moves from their first
 * values: those fade, and a weight that never had a gradient is 0. Made for wide sparse inputs.
 * learningRate 0.001, learningRatePower -0.5, initialAccumulatorValue 0.1, beta 0;
 * `l2ShrinkageRegularizationStrength` (0) is a penalty on the size of the weights. A step whose rate
 * is 0 does nothing.
 */
export function ftrl(
  given: OptimizerOptions & {
    learningRatePower?: number
    initialAccumulatorValue?: number
    l1RegularizationStrength?: number
    l2RegularizationStrength?: number
    l2ShrinkageRegularizationStrength?: number
    beta?: number
  } = {},
): Optimizer {
  const own = {
    learningRatePower: -0.5,
    initialAccumulatorValue: 0.1,
    l1RegularizationStrength: 0,
    l2RegularizationStrength: 0,
    l2ShrinkageRegularizationStrength: 0,
    beta: 0,
  }
  const names = Object.keys(own) as (keyof typeof own)[]
  const options = { learningRate: 0.001, ...own, ...check('ftrl', given, names) }
  for (const name of names) {
    if (name === 'learningRatePower') checkNumber(`ftrl '${name}'`, options[name], -10, 0)
    else checkNumber(`ftrl '${name}'`, options[name], 0)
  }
  const power = -options.learningRatePower
  const raised = power === 0.5 ? Math.sqrt : (x: number) => x ** power
  const l1 = options.l1RegularizationStrength
  const l2 = options.l2RegularizationStrength
  const shrinkage = options.l2ShrinkageRegularizationStrength
  return complete({
    name: 'ftrl',
    options,
    slots: ['accumulator', 'linear'],
    initial: { accumulator: options.initialAccumulatorValue },
    idle: null,
    apply(_, { weights, gradients, slots, rate, decayRate, scale }) {
      if (rate === 0) return
      const [w, g] = [weights.values, gradients.values]
      const [accumulator, linear] = slots.map(({ values }) => values)
      const keep = 1 - decayOf(options, decayRate)
      for (let i = 0; i < g.length; i++) {
        const weight = w[i] * keep
        const gradient = g[i] * scale
        const before = raised(accumulator[i])
        accumulator[i] += gradient * gradient
        const after = raised(accumulator[i])
        const pull = (after - before) / rate
        linear[i] += gradient + (2 * shrinkage - pull) * weight
        const sum = linear[i]
        const quadratic = (after + options.beta) / rate + 2 * l2
        const beyond = Math.max(-l1, Math.min(l1, sum)) - sum
        w[i] = beyond === 0 ? 0 : beyond / quadratic
      }
    },
  })
}

/**
 * Adam whose move of a parameter is as long as the parameter, times the learning rate (You et al.
 * 2019), for large batches; learningRate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-7.
 */
export function lamb(
  given: OptimizerOptions & { beta1?: number; beta2?: number; epsilon?: number } = {},
): Optimizer {
  const defaults = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
  const options = { ...defaults, ...check('lamb', given, ['beta1', 'beta2', 'epsilon']) }
  const { beta1, beta2, epsilon } = options
  checkDecay("lamb 'beta1'", beta1)
  checkDecay("lamb 'beta2'", beta2)
  checkNumber("lamb 'epsilon'", epsilon, 0)
  return complete({
    name: 'lamb',
    options,
    slots: ['m', 'v'],
    idle: null,
    perParameter: true,
    apply(_, { weights, gradients, slots, step, rate, decayRate, scale }) {
      const [w, g] = [weights.values, gradients.values]
      const [m, v] = slots.map(({ values }) => values)
      const keep = 1 - decayOf(options, decayRate)
      const [ofMean, ofSquare] = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)]
      const moveOf = (i: number) => m[i] / ofMean / (Math.sqrt(v[i] / ofSquare) + epsilon)
      let [weightSquares, moveSquares] = [0, 0]
      for (let i = 0; i < g.length; i++) {
        const gradient = g[i] * scale
        m[i] += (gradient - m[i]) * (1 - beta1)
        v[i] += (gradient * gradient - v[i]) * (1 - beta2)
        w[i] *= keep
        weightSquares += w[i] * w[i]
        moveSquares += moveOf(i) ** 2
      }
      const ratio =
        weightSquares > 0 && moveSquares > 0 ? Math.sqrt(weightSquares / moveSquares) : 1
      for (let i = 0; i < g.length; i++) w[i] -= ratio * rate * moveOf(i)
    },
  })
}

const rootMeanSquare = (values: Floats) => {
  let sum = 0
  for (const value of values) sum += value * value
  return Math.sqrt(sum / values.length)
}

/**
 * Adafactor (Shazeer & Stern 2018): mean squares of a matrix's gradients are known by row and by
 * column alone, and moves are relative to the parameter's size; learningRate 0.001, of which step t,
 * from 1, takes 1/√t at most, beta2Decay -0.8, epsilon1 1e-30, epsilon2 1e-3, clipThreshold 1. Of more
 * than two dimensions the last two are the rows and columns. Keras's `relative_step` changes nothing
 * there, and is no option here.
 */
export function adafactor(
  given: OptimizerOptions & {
    beta2Decay?: number
    epsilon1?: number
    epsilon2?: number
    clipThreshold?: number
  } = {},
): Optimizer {
  const defaults = {
    learningRate: 0.001,
    beta2Decay: -0.8,
    epsilon1: 1e-30,
    epsilon2: 1e-3,
    clipThreshold: 1,
  }
  const own = ['beta2Decay', 'epsilon1', 'epsilon2', 'clipThreshold']
  const options = { ...defaults, ...check('adafactor', given, own) }
  const { epsilon1, epsilon2, clipThreshold } = options
  const beta2Decay = checkNumber("adafactor 'beta2Decay'", options.beta2Decay, -10, 0)
  // Single precision has no much smaller numbers, and by a mean of 0 the moves are divided.
  checkNumber("adafactor 'epsilon1'", epsilon1, 1e-36)
  checkNumber("adafactor 'epsilon2'", epsilon2, 0)
  checkNumber("adafactor 'clipThreshold'", clipThreshold, 1e-6)
  return complete({
    name: 'adafactor',
    options,
    // Of a matrix, the first numbers of each are used; of a vector, all of the first.
    slots: ['rows', 'columns'],
    idle: null,
    perParameter: true,
    apply(_, { parameter, weights, gradients, slots, step, rate, decayRate, scale }) {
      const [w, g] = [weights.values, gradients.values]
      const keep = 1 - decayOf(options, decayRate)
      for (let i = 0; i < w.length; i++) w[i] *= keep
      const share = (step + 1) ** beta2Decay
      const length = Math.max(epsilon2, rootMeanSquare(w)) * Math.min(rate, 1 / Math.sqrt(step + 1))
      const squareOf = (i: number) => (g[i] * scale) ** 2 + epsilon1
      const [r, c] = slots.map(({ values }) => values)
      const moves = new Float64Array(g.length)
      const { shape } = parameter
      if (shape.length < 2) {
        for (let i = 0; i < g.length; i++) {
          r[i] += share * (squareOf(i) - r[i])
          moves[i] = (g[i] * scale) / Math.sqrt(r[i])
        }
      } else {
        const [rows, columns] = shape.slice(-2)
        const matrices = sizeOf(shape.slice(0, -2))
        for (let matrix = 0; matrix < matrices; matrix++) {
          const start = matrix * rows * columns
          const ofRows = r.subarray(matrix * rows, (matrix + 1) * rows)
          const ofColumns = c.subarray(matrix * columns, (matrix + 1) * columns)
          const sums = new Float64Array(columns)
          let total = 0
          for (let y = 0; y < rows; y++) {
            let sum = 0
            for (let x = 0; x < columns; x++) {
              const square = squareOf(start + y * columns + x)
              sum += square
              sums[x] += square
            }
            ofRows[y] += share * (sum / columns - ofRows[y])
            total += ofRows[y]
          }
          for (let x = 0; x < columns; x++) ofColumns[x] += share * (sums[x] / rows - ofColumns[x])
          for (let y = 0, i = start; y < rows; y++) {
            for (let x = 0; x < columns; x++, i++) {
              const square = (ofRows[y] / (total / rows)) * ofColumns[x]
              moves[i] = (g[i] * scale) / Math.sqrt(square)
            }
          }
        }
      }
      const cut = Math.max(1, rootMeanSquare(moves) / clipThreshold)
      for (let i = 0; i < w.length; i++) w[i] -= (length / cut) * moves[i]
    },
  })
}
