/** The kernels of GRU and simple RNN, of every backend, against the float64 reference. */
import { describe, expect, it } from 'vitest'
import { eachBackend, expectSameBits, truth } from './backends.case.ts'
import { type CellShape, cellBoth, cellForward, cellProblem, cells } from './cells.case.ts'
import { exact, expectClose, type LstmOptions, sums } from './kernels.case.ts'

const gradientNames = ['dx', 'dKernel', 'dRecurrentKernel', 'dBias'] as const
const options: Record<string, LstmOptions> = {
  'every step': {},
  'mixed lengths': { mixed: true },
  'reverse, initial state': { reverse: true, state: true },
  'gaps, initial state, no bias': { gaps: true, state: true, bias: false },
  'gaps, reverse, initial state': { gaps: true, reverse: true, state: true },
  'reverse, mixed lengths, gradient of the final state only': {
    ...{ reverse: true, mixed: true, dh: false },
  },
}
const shapes: CellShape[] = [
  [1, 1, 1, 1],
  [1, 1, 50, 10],
  [3, 5, 17, 3],
  [7, 9, 3, 33],
  [40, 12, 20, 24],
  [2, 3, 130, 70],
  [17, 4, 1, 64],
  [65, 3, 8, 16],
  [0, 3, 5, 4],
  [3, 0, 5, 4],
]

const computed = new Map<string, Record<string, Float64Array>>()
/** What the reference gives for a problem, computed once for all backends. */
function expectedOf(key: string, compute: () => Record<string, Float64Array>) {
  const found = computed.get(key) ?? compute()
  computed.set(key, found)
  return found
}

eachBackend((backend) => {
  describe.each(Object.entries(cells))('%s', (cellName, cell) => {
    it.each(shapes)('B %i, T %i, I %i, U %i', (...shape) => {
      for (const [title, option] of Object.entries(options)) {
        const problem = cellProblem(cell, 16, shape, option)
        const key = `${cellName}, ${shape}, ${title}`
        const expected = expectedOf(key, () => cellBoth(truth, cell, problem))
        const actual = cellBoth(backend, cell, problem)
        expect(Object.keys(actual)).toEqual(Object.keys(expected))
        for (const name of Object.keys(expected)) {
          expectClose(actual[name], expected[name], sums, `${title}: ${name}`)
        }
      }
    })

    it('counts sizes beyond 32 bits', () => {
      const size = backend.kernels[`${cell.name}PackSize`]
      const scratchSize = backend.kernels[`${cell.name}ScratchSize`]
      // In units that need no padding: the weights, then one and two transposed copies.
      const n = 32_000
      const copy = backend.name === 'reference' ? 0 : cell.gates * n * n
      for (const kinds of [0, 1, 2]) {
        const weights = (n + n) * cell.gates * n + kinds * copy
        expect(size(n, n, kinds)).toBeGreaterThan(weights)
        expect(size(n, n, kinds)).toBeLessThanOrEqual(weights + 6 * n)
      }
      const [b, t] = [2 ** 16, 2 ** 15 - 1]
      const scratch = scratchSize(b, t, 8, 64) - scratchSize(0, 0, 8, 64)
      expect(scratch).toBe(backend.name === 'reference' ? 0 : 2 * b * t)
      expect(scratchSize(0, 0, 1, 2 ** 30)).toBeGreaterThanOrEqual(0)
    })

    it('leaves out what is not asked for, and changes nothing else', () => {
      for (const shape of [[5, 4, 3, 9] as const, shapes[4]]) {
        const problem = cellProblem(cell, 19, shape, { state: true, gaps: true, reverse: true })
        const all = cellBoth(backend, cell, problem)
        for (const name of gradientNames) {
          const less = cellBoth(backend, cell, { ...problem, [name]: null })
          expect(Object.keys(less).length, name).toBe(Object.keys(all).length - 1)
          for (const other of Object.keys(less)) {
            expectClose(less[other], all[other], exact, `${other} without ${name}`)
          }
        }
        const none = { dx: null, dKernel: null, dRecurrentKernel: null, dBias: null }
        const state = cellBoth(backend, cell, { ...problem, ...none })
        for (const name of ['dz', 'dh0']) expectClose(state[name], all[name], exact, name)
        const inference = cellForward(backend, cell, problem, 0).results
        for (const name of ['h', 'hLast']) {
          expectClose(inference[name], all[name], exact, `${name} of a prediction`)
        }
      }
    })

    it('overwrites the gradients that it is not told to add to', () => {
      // Steps that no state comes before stand first and count for nothing in dRecurrentKernel: here
      // they are some of them, none, all, and more than a block of them.
      const cases: [CellShape, LstmOptions][] = [
        [[5, 4, 3, 9], { state: true, gaps: true }],
        [[3, 0, 2, 5], { state: true }],
        [[3, 0, 2, 5], {}],
        [[40, 30, 5, 20], { state: true, gaps: true }],
        [[40, 30, 5, 20], { mixed: true }],
        [[6, 1, 4, 7], {}],
        [[300, 3, 4, 7], { mixed: true }],
      ]
      for (const [shape, option] of cases) {
        const problem = cellProblem(cell, 23, shape, option)
        const clean = cellBoth(backend, cell, problem, 0)
        for (const adds of [1, 2, 4, 8, 15]) {
          const found = cellBoth(backend, cell, problem, adds)
          gradientNames.forEach((name, i) => {
            const before = problem[name]!
            const expected =
              adds & (1 << i) ? clean[name].map((v, j) => v + before[j]) : clean[name]
            expectClose(found[name], expected, sums, `${name}, adds ${adds}`)
          })
        }
      }
    })

    it('carries a NaN to the row it stands in, and to no other', () => {
      const problem = cellProblem(cell, 21, [9, 3, 4, 5])
      const clean = cellForward(backend, cell, problem).results
      const x = Float64Array.from(problem.x)
      x[(4 * 3 + 1) * 4] = Number.NaN
      const { h } = cellForward(backend, cell, { ...problem, x }).results
      const row = 3 * 5
      expectClose(h.slice(0, 4 * row + 5), clean.h.slice(0, 4 * row + 5), exact, 'before')
      expect([...h.slice(4 * row + 5, 5 * row)].every(Number.isNaN), 'the row').toBe(true)
      expectClose(h.slice(5 * row), clean.h.slice(5 * row), exact, 'after')
    })

    it('gives a row the same bits alone as among others', () => {
      const [b, t, inputs, units]: CellShape = [43, 5, 7, 20]
      for (const option of [{ state: true }, { state: true, gaps: true, reverse: true }]) {
        const problem = cellProblem(cell, 22, [b, t, inputs, units], option)
        const all = cellBoth(backend, cell, problem)
        for (const [first, count] of [
          [0, 1],
          [5, 1],
          [30, 4],
          [17, 25],
        ]) {
          const part = (values: ArrayLike<number> | null, width: number) =>
            values && Float64Array.from(values).slice(first * width, (first + count) * width)
          const some = cellBoth(backend, cell, {
            ...problem,
            b: count,
            x: part(problem.x, t * inputs)!,
            h0: part(problem.h0, units),
            dh: part(problem.dh, t * units),
            dhLast: part(problem.dhLast, units)!,
            dx: part(problem.dx, t * inputs),
            steps: problem.steps?.slice(first * t, (first + count) * t) ?? null,
            lengths: problem.lengths?.slice(first, first + count) ?? null,
          })
          const widths = { h: t, hLast: 1, dz: t * Math.max(cell.kept, 1), dh0: 1 }
          for (const [name, width] of Object.entries(widths)) {
            const wanted = part(all[name], width * units)!
            expectClose(some[name], wanted, exact, `${name}, ${count} rows`)
          }
          expectClose(some.dx, part(all.dx, t * inputs)!, exact, `dx, ${count} rows`)
        }
      }
    })

    // Large enough to be worth several threads, with several tiles of rows for each; the second with so
    // few rows that threads take columns.
    it.skipIf(backend.threads === 1)('gives the same bits whatever the number of threads', () => {
      const wide: CellShape = cell.gates === 3 ? [2, 4, 100, 150] : [2, 4, 40, 260]
      for (const shape of [[131, 8, 24, 40] as const, wide]) {
        const problem = cellProblem(cell, 23, shape, { gaps: true, reverse: true, state: true })
        expectSameBits(backend, () => cellBoth(backend, cell, problem))
        const expected = expectedOf(`${cellName}, ${shape}`, () => cellBoth(truth, cell, problem))
        const actual = cellBoth(backend, cell, problem)
        for (const name of Object.keys(expected)) {
          expectClose(actual[name], expected[name], sums, name)
        }
      }
    })
  })

  it('the GRU saturates without overflow', () => {
    const problem = cellProblem(cells.gru, 20, [3, 4, 5, 6], { state: true })
    for (const scale of [1e3, 1e6, 1e30]) {
      const x = Array.from(problem.x, (value) => Math.fround(value * scale))
      const expected = cellBoth(truth, cells.gru, { ...problem, x })
      const actual = cellBoth(backend, cells.gru, { ...problem, x })
      for (const name of ['h', 'hLast', 'dh0']) {
        expectClose(actual[name], expected[name], { ...sums, absolute: 1e-6 }, name)
      }
    }
  })
})
