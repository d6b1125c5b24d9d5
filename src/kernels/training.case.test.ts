/** Losses and the optimizer's step of every backend against the float64 reference. */
import { describe, expect, it } from 'vitest'
import { checkerOf, eachBackend, flags, sizes } from './backends.case.ts'
import {
  type Argument,
  blank,
  elementwise,
  exact,
  expectClose,
  floats,
  floatsOut,
  ints,
  intsOut,
  lossOptions,
  Random,
  run,
  sums,
  takesPositive,
  updates,
} from './kernels.case.ts'
import { lossCodes, optimizerCodes } from './kernels.ts'
import { referenceBackend } from './reference.ts'

eachBackend((backend) => {
  const check = checkerOf(backend)

  describe('losses', () => {
    it.each(Object.entries(lossCodes))('%s', (name, code) => {
      const random = new Random(24)
      for (const rows of [0, 1, 3, 17, 64]) {
        for (const cols of [1, 2, 3, 17, 33, 130]) {
          const n = rows * cols
          const [low, high] = takesPositive(name) ? [0.02, 0.98] : [-6, 6]
          const prediction = floats(random.uniform(n, low, high))
          const targets = floats(random.uniform(n, 0, 1))
          const labels = ints(random.integers(rows, cols))
          const dOut = floats(random.uniform(rows))
          const given = lossOptions(name, cols)
          const all = given && floats(given)
          const variants: (Argument | null)[][] = [[targets, null, all]]
          if (name.includes('Crossentropy')) variants.push([targets, null, null])
          if (name.startsWith('categoricalC'))
            variants.push([null, labels, null], [null, labels, all])
          for (const [target, labels, options] of variants) {
            const shared = [code, prediction, target, labels]
            const near = { ...sums, absolute: 2e-6 }
            check('loss', [...shared, null, options, blank(rows), null, rows, cols], near)
            const both = [dOut, options, blank(rows), blank(n), rows, cols]
            check('loss', [...shared, ...both], near)
          }
        }
      }
    })

    // The limits 1e-7 and 1 - 1e-7 are rounded to float32, so float32 is the truth here.
    it.each(['binaryCrossentropy', 'categoricalCrossentropy'] as const)('%s clips', (name) => {
      const prediction = floats([0, 1, 1e-9, 1, 0, 0, 0.5, 0.5, 1 - 2 ** -24].map(Math.fround))
      const target = floats([1, 0, 0, 1, 0, 0, 0.25, 0.75, 1])
      const shared = [lossCodes[name], prediction, target, null]
      const args = [...shared, floats([1, 2, 0]), null, blank(3), blank(9), 3, 3]
      const expected = run(referenceBackend(), 'loss', args)
      run(backend, 'loss', args).forEach((actual, i) => {
        expectClose(actual, expected[i], { relative: 1e-5, absolute: 1e-6 }, `${i}`)
      })
    })

    it('the gradient of logits with labels in their place', () => {
      const random = new Random(26)
      const [rows, cols] = [5, 33]
      const logits = random.uniform(rows * cols, -6, 6)
      const { heap, kernels } = backend
      const blocks = [rows * cols, rows * cols, rows, rows, rows].map((n) => heap.allocate(8 * n))
      const [at, apart, perRow, perRowApart] = blocks.map((block, i) =>
        heap.floats(block, 0, i < 2 ? rows * cols : rows),
      )
      const labels = heap.ints(blocks[4], 0, rows)
      at.set(logits)
      labels.set(random.integers(rows, cols))
      const code = lossCodes.categoricalCrossentropyLogits
      kernels.loss(code, at, null, labels, null, null, perRowApart, apart, rows, cols)
      kernels.loss(code, at, null, labels, null, null, perRow, at, rows, cols)
      expect([...at]).toEqual([...apart])
      expect([...perRow]).toEqual([...perRowApart])
      for (const block of blocks) heap.free(block)
    })

    it('large logits', () => {
      for (const name of ['binaryCrossentropyLogits', 'categoricalCrossentropyLogits'] as const) {
        const prediction = floats([1e4, -1e4, 300, 90, -90, 0])
        const shared = [lossCodes[name], prediction, floats([0, 1, 1, 0, 1, 0]), null]
        check('loss', [...shared, floats([1, 2]), null, blank(2), blank(6), 2, 3], elementwise)
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

    describe('adamReplay', () => {
      const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-7]
      /** Moments as an update leaves them, and rows that were never moved. */
      const rowsOf = (random: Random, v: number, dim: number) => {
        const still = (values: Float64Array) => values.fill(0, 0, dim)
        return {
          w: random.uniform(v * dim, -0.1, 0.1),
          m: still(random.uniform(v * dim, -0.01, 0.01)),
          square: still(random.uniform(v * dim, 0, 1e-4)),
          vMax: still(random.uniform(v * dim, 1e-4, 2e-4)),
        }
      }

      it.each([
        ['plain', 0, 0],
        ['with decay', 1e-3, 0],
        ['amsgrad', 0, 1],
        ['amsgrad with decay', 1e-4, 1],
      ])('%s: the bits of adam with gradient 0', (_name, decay, amsgrad) => {
        for (const [dim, count] of [
          [3, 5],
          [33, 40],
          [64, 400],
          [150, 1500],
        ]) {
          const random = new Random(31)
          const { w, m, square, vMax } = rowsOf(random, 4, dim)
          // The rate falls, rises beyond where it began, and stands at 0 for a while.
          const rates = Float64Array.from({ length: count }, (_, s) =>
            Math.fround(s % 97 < 5 ? 0 : 1e-3 * (1 + 10 * Math.sin(s / 60) ** 2)),
          )
          const keeps = new Float64Array(count).fill(Math.fround(1 - decay))
          const done = [0, count >> 1, count - 1, count]
          const found = run(backend, 'adamReplay', [
            ...[floatsOut(w), floatsOut(m), floatsOut(square), amsgrad ? floats(vMax) : null],
            ...[intsOut(done), null, 4, dim, floats(rates), floats(keeps), count],
            ...[beta1, beta2, epsilon],
          ])
          expect(found[3]).toEqual(new Float64Array(4).fill(count))
          done.forEach((first, row) => {
            const part = (values: Float64Array) => values.slice(row * dim, (row + 1) * dim)
            let state: Float64Array[] = [w, m, square, vMax].map(part)
            for (let s = first; s < count; s++) {
              const [a, b, c, d] = state.map(floatsOut)
              const given = [a, floats(new Float64Array(dim)), b, c, amsgrad ? d : null, dim, 1]
              const now = run(backend, 'adam', [
                ...[...given, rates[s], beta1, beta2, epsilon, 1 - keeps[s]],
              ])
              state = amsgrad ? now : [...now, state[3]]
            }
            for (let k = 0; k < 3; k++) expect(part(found[k]), `${row} ${k}`).toEqual(state[k])
          })
        }
      })

      it('takes the rows that it is given, and means that never fade', () => {
        const random = new Random(32)
        const dim = 20
        const { w, m, square } = rowsOf(random, 6, dim)
        const rates = floats(new Float64Array(30).fill(0.5))
        const keeps = floats(new Float64Array(30).fill(1))
        const shared = [rates, keeps, 30, 0.9995, 0.9, 1e-4]
        const of = (rows: Argument | null, n: number) => [
          ...[floatsOut(w), floatsOut(m), floatsOut(square), null],
          ...[intsOut([0, 1, 2, 3, 4, 5]), rows, n, dim, ...shared],
        ]
        const some = run(backend, 'adamReplay', of(ints([4, 1]), 2))
        const all = run(backend, 'adamReplay', of(null, 6))
        expect(some[3]).toEqual(Float64Array.of(0, 30, 2, 3, 30, 5))
        for (const row of [1, 4]) {
          const part = (values: Float64Array) => values.slice(row * dim, (row + 1) * dim)
          for (let k = 0; k < 3; k++) expect(part(some[k])).toEqual(part(all[k]))
        }
        expect(some[0].slice(0, dim)).toEqual(w.slice(0, dim))
        check('adamReplay', of(null, 6), { relative: 1e-4, absolute: 1e-6 })
      })
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

    it.each(Object.entries(optimizerCodes))('%s', (name, code) => {
      const random = new Random(30 + code)
      for (const n of lengths) {
        for (const decay of [0, 0.01]) {
          const [w, g] = [floatsOut(random.uniform(n)), floats(random.uniform(n))]
          // The first is a mean of gradients or of their squares.
          const squares = name === 'adagrad' || name === 'adadelta'
          const a = floatsOut(random.uniform(n, squares ? 0.1 : -1, 1))
          const b =
            name === 'lion' || name === 'adagrad' ? null : floatsOut(random.uniform(n, 0, 1))
          const numbers = name === 'adagrad' ? [1e-7, 0, 0, 0] : [0.9, 0.99, 1e-3, 0.3]
          check('optimize', [code, w, g, a, b, n, ...step, decay, ...numbers], updates)
        }
      }
      // A gradient that was always zero.
      const zeros = () => floatsOut([0, 0])
      const b = name === 'lion' || name === 'adagrad' ? null : zeros()
      const numbers = [0.9, 0.99, 1e-3, 0.3]
      check('optimize', [code, zeros(), zeros(), zeros(), b, 2, ...step, 0, ...numbers], updates)
    })
  })
})
