/** The kernels of attention, on every backend, against the float64 reference. */
import { describe, it } from 'vitest'
import { checkerOf, eachBackend, expectSameBits, flags, start, truth } from './backends.case.ts'
import {
  blank,
  elementwise,
  exact,
  expectClose,
  floats,
  floatsOut,
  ints,
  Random,
  run,
} from './kernels.case.ts'

eachBackend((backend) => {
  const check = checkerOf(backend)

  describe('matmulBatch', () => {
    it.each([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ])('transposeA %i, transposeB %i', (transposeA, transposeB) => {
      const random = new Random(1)
      const lengths = [0, 1, 3, 17, 33]
      const sizes = [
        ...lengths.flatMap((m) => lengths.flatMap((k) => lengths.map((n) => [2, m, k, n]))),
        [0, 3, 3, 3],
        [5, 4, 2, 7],
        [2, 7, 300, 5],
        [1, 60, 20, 300],
      ]
      for (const [batch, m, k, n] of sizes) {
        const [a, b] = [
          floats(random.uniform(batch * m * k)),
          floats(random.uniform(batch * k * n)),
        ]
        for (const accumulate of flags) {
          const out = start(random, batch * m * n, accumulate)
          check('matmulBatch', [a, b, out, batch, m, k, n, transposeA, transposeB, accumulate])
        }
      }
    })
  })

  describe('softmaxMasked', () => {
    it('with and without a mask, causal or not', () => {
      const random = new Random(2)
      for (const [b, queries, keys] of [
        [0, 2, 3],
        [2, 0, 3],
        [2, 3, 0],
        [1, 1, 1],
        [3, 4, 5],
        [2, 20, 17],
        [2, 3, 130],
      ]) {
        const n = b * queries * keys
        const x = random.uniform(n, -8, 8)
        const valid = random.integers(b * keys, 2)
        for (const mask of [null, ints(valid)]) {
          for (const causal of flags) {
            const args = [floats(x), mask, blank(n), b, queries, keys, causal]
            check('softmaxMasked', args, elementwise)
            const inPlace = floatsOut(x)
            check('softmaxMasked', [inPlace, mask, inPlace, b, queries, keys, causal], elementwise)
          }
        }
      }
    })

    it('gives excluded keys 0, whatever they hold, and all where none counts', () => {
      const large = Math.fround(3e38)
      const x = [1, Number.NaN, 2, large, 5, 5, -large, Infinity, 5]
      const valid = ints([1, 0, 1])
      const weights = run(backend, 'softmaxMasked', [floats(x), valid, blank(9), 1, 3, 3, 0])[0]
      const e = Math.exp(1)
      const expected = [1 / (1 + e), 0, e / (1 + e), 1, 0, 0, 0, 0, 1]
      expectClose(weights, expected, elementwise)
      const none = ints([0, 0, 0])
      const zeros = run(backend, 'softmaxMasked', [floats(x), none, blank(9), 1, 3, 3, 0])[0]
      expectClose(zeros, new Float64Array(9), exact)
    })
  })

  // Arrays large enough to be worth several threads.
  it.skipIf(backend.threads === 1)('gives the same bits whatever the number of threads', () => {
    const random = new Random(3)
    const [batch, m, k, n] = [7, 60, 50, 70]
    const [a, b] = [floats(random.uniform(batch * m * k)), floats(random.uniform(batch * k * n))]
    const x = floats(random.uniform(50_000, -5, 5))
    const valid = ints(random.integers(500, 2))
    expectSameBits(backend, () => ({
      product: run(backend, 'matmulBatch', [
        a,
        b,
        blank(batch * m * n),
        batch,
        m,
        k,
        n,
        0,
        0,
        0,
      ])[0],
      weights: run(backend, 'softmaxMasked', [x, valid, blank(50_000), 5, 100, 100, 1])[0],
    }))
  })
})

it('the reference excludes keys by their mask and by their place', () => {
  const x = Float64Array.from([0, Math.log(3), 5, 0, Math.log(3), Math.log(2)])
  const weights = (valid: number[] | null, causal: number) =>
    run(truth, 'softmaxMasked', [floats(x), valid && ints(valid), blank(6), 1, 2, 3, causal])[0]
  const close = { relative: 1e-12, absolute: 1e-15 }
  expectClose(weights([1, 1, 0], 0), [1 / 4, 3 / 4, 0, 1 / 4, 3 / 4, 0], close)
  expectClose(weights(null, 1), [1, 0, 0, 1 / 4, 3 / 4, 0], close)
  expectClose(weights([0, 1, 1], 1), [0, 0, 0, 0, 1, 0], close)
})
