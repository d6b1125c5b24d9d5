/** Losses and the optimizer's step of every backend against the float64 reference. */
import { describe, it } from 'vitest'
import { checkerOf, eachBackend, flags, sizes, start } from './backends.case.ts'
import {
  type Argument,
  blank,
  elementwise,
  exact,
  expectClose,
  floats,
  floatsOut,
  ints,
  Random,
  run,
  sums,
  updates,
} from './kernels.case.ts'
import { type Kernels, lossCodes } from './kernels.ts'
import { referenceBackend } from './reference.ts'

eachBackend((backend) => {
  const check = checkerOf(backend)

  describe('losses', () => {
    it.each(Object.entries(lossCodes))('%s', (name, code) => {
      const random = new Random(24)
      const probabilities = !name.endsWith('Logits') && !name.endsWith('Error')
      for (const rows of [0, 1, 3, 17, 64]) {
        for (const cols of [1, 2, 3, 17, 33, 130]) {
          const n = rows * cols
          const [low, high] = probabilities ? [0.02, 0.98] : [-6, 6]
          const prediction = floats(random.uniform(n, low, high))
          const targets = floats(random.uniform(n, 0, 1))
          const variants: [Argument | null, Argument | null][] = [[targets, null]]
          if (name.startsWith('categorical')) {
            variants.push([null, ints(random.integers(rows, cols))])
          }
          const dOut = floats(random.uniform(rows))
          for (const [target, labels] of variants) {
            const shared = [code, prediction, target, labels]
            check('loss', [...shared, blank(rows), rows, cols], { ...sums, absolute: 1e-6 })
            const dPrediction = start(random, n, 1)
            check('lossBackward', [...shared, dOut, dPrediction, rows, cols], {
              relative: 1e-5,
              ofLargest: 1e-6,
            })
          }
        }
      }
    })

    // The limits 1e-7 and 1 - 1e-7 are rounded to float32, so float32 is the truth here.
    it.each(['binaryCrossentropy', 'categoricalCrossentropy'] as const)('%s clips', (name) => {
      const prediction = floats([0, 1, 1e-9, 1, 0, 0, 0.5, 0.5, 1 - 2 ** -24].map(Math.fround))
      const target = floats([1, 0, 0, 1, 0, 0, 0.25, 0.75, 1])
      const shared = [lossCodes[name], prediction, target, null]
      const dPrediction = floatsOut(new Float64Array(9))
      const calls: [keyof Kernels, (Argument | number | null)[]][] = [
        ['loss', [...shared, blank(3), 3, 3]],
        ['lossBackward', [...shared, floats([1, 2, 3]), dPrediction, 3, 3]],
      ]
      for (const [kernel, args] of calls) {
        const [expected] = run(referenceBackend(), kernel, args)
        const [actual] = run(backend, kernel, args)
        expectClose(actual, expected, { relative: 1e-5, absolute: 1e-6 }, kernel)
      }
    })

    it('large logits', () => {
      for (const name of ['binaryCrossentropyLogits', 'categoricalCrossentropyLogits'] as const) {
        const prediction = floats([1e4, -1e4, 300, 90, -90, 0])
        const shared = [lossCodes[name], prediction, floats([0, 1, 1, 0, 1, 0]), null]
        check('loss', [...shared, blank(2), 2, 3])
        const dPrediction = floatsOut(new Float64Array(6))
        check('lossBackward', [...shared, floats([1, 2]), dPrediction, 2, 3], elementwise)
      }
    })
  })

  describe("the optimizer's step", () => {
    const lengths = [0, ...sizes, 5000]

    it('sumSquares', () => {
      const random = new Random(25)
      for (const n of [...lengths, 100_000]) {
        check('sumSquares', [floats(random.uniform(n)), n], { relative: 1e-6 })
      }
      check('sumSquares', [floats([1, Number.NaN, 2]), 3])
      check('sumSquares', [floats(new Float64Array(40).fill(Math.fround(1e15))), 40])
    })

    it('firstNonFinite', () => {
      for (const n of lengths) {
        const clean = new Float64Array(n).fill(Math.fround(3.4e38))
        check('firstNonFinite', [floats(clean), n], exact)
        for (const at of [0, n >> 1, n - 1]) {
          for (const bad of [Number.NaN, Infinity, -Infinity]) {
            if (n === 0) continue
            const x = clean.slice()
            x[at] = bad
            x[n - 1] = bad
            check('firstNonFinite', [floats(x), n], exact)
          }
        }
      }
    })

    it('clipValue', () => {
      const random = new Random(26)
      for (const n of lengths) {
        check('clipValue', [floatsOut(random.uniform(n)), 0.5, n], exact)
      }
      const special = [Number.NaN, Infinity, -Infinity, 0.5, -0.5, 0.25, -2]
      check('clipValue', [floatsOut(special), 0.5, special.length], exact)
    })

    const step = [0.7, 0.05]
    it('sgd', () => {
      const random = new Random(27)
      for (const n of lengths) {
        for (const [momentum, nesterov, decay] of [
          [0, 0, 0],
          [0, 0, 0.01],
          [0.9, 0, 0.01],
          [0.9, 1, 0],
        ]) {
          const [w, g] = [floatsOut(random.uniform(n)), floats(random.uniform(n))]
          const velocity = momentum ? floatsOut(random.uniform(n)) : null
          check('sgd', [w, g, velocity, n, ...step, momentum, nesterov, decay], updates)
        }
      }
    })

    it('adam', () => {
      const random = new Random(28)
      for (const n of lengths) {
        for (const amsgrad of flags) {
          for (const decay of [0, 0.01]) {
            const [w, g] = [floatsOut(random.uniform(n)), floats(random.uniform(n))]
            const [m, v] = [floatsOut(random.uniform(n)), floatsOut(random.uniform(n, 0, 1))]
            const vMax = amsgrad ? floatsOut(random.uniform(n, 0, 1)) : null
            check('adam', [w, g, m, v, vMax, n, ...step, 0.9, 0.999, 1e-7, decay], updates)
          }
        }
      }
      // A gradient that was always zero, and one whose square is no float32.
      const zeros = () => floatsOut([0, 0])
      const g = floats([0, Math.fround(1e-25)])
      check('adam', [zeros(), g, zeros(), zeros(), null, 2, ...step, 0.9, 0.999, 1e-7, 0], updates)
    })

    it('rmsprop', () => {
      const random = new Random(29)
      for (const n of lengths) {
        for (const [centered, momentum, decay] of [
          [0, 0, 0],
          [0, 0.9, 0.01],
          [1, 0, 0.01],
          [1, 0.9, 0],
        ]) {
          const [w, g] = [floatsOut(random.uniform(n)), floats(random.uniform(n))]
          const square = floatsOut(random.uniform(n, 1, 2))
          const mean = centered ? floatsOut(random.uniform(n, -0.5, 0.5)) : null
          const velocity = momentum ? floatsOut(random.uniform(n)) : null
          check(
            'rmsprop',
            [w, g, square, mean, velocity, n, ...step, 0.9, momentum, 1e-7, decay],
            updates,
          )
        }
      }
    })
  })
})
