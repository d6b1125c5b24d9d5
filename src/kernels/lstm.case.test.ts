/** The LSTM kernels of every backend against the float64 reference. */
import { describe, expect, it } from 'vitest'
import { eachBackend, expectSameBits, truth } from './backends.case.ts'
import {
  exact,
  expectClose,
  type LstmOptions,
  lstmBoth,
  lstmForward,
  lstmProblem,
  sums,
} from './kernels.case.ts'

type Shape = readonly [b: number, t: number, inputs: number, units: number]

eachBackend((backend) => {
  const shapes: Shape[] = [
    [1, 1, 1, 1],
    [1, 1, 50, 10],
    [3, 5, 17, 3],
    [7, 9, 3, 33],
    [40, 12, 20, 24],
    [2, 3, 130, 70],
    [17, 4, 1, 64],
    [65, 3, 8, 16],
  ]
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

  describe.each(shapes)('B %i, T %i, I %i, U %i', (...shape) => {
    it.each(Object.entries(options))('%s', (_name, option) => {
      const problem = lstmProblem(16, shape, option)
      const expected = lstmBoth(truth, problem)
      const actual = lstmBoth(backend, problem)
      expect(Object.keys(actual)).toEqual(Object.keys(expected))
      for (const name of Object.keys(expected)) {
        expectClose(actual[name], expected[name], sums, name)
      }
    })
  })

  it('counts sizes beyond 32 bits', () => {
    const { lstmPackSize, lstmScratchSize } = backend.kernels
    // The weights alone, then with one and two transposed copies, in units that need no padding.
    const n = 20_000
    const weights = (n + n + 1) * 4 * n
    const copy = backend.name === 'reference' ? 0 : 4 * n * n
    for (const kinds of [0, 1, 2]) {
      expect(lstmPackSize(n, n, kinds)).toBe(weights + kinds * copy)
    }
    expect(lstmPackSize(1, 2 ** 25, 0)).toBeGreaterThanOrEqual(2 ** 52)
    // Two integers a step.
    const [b, t] = [2 ** 16, 2 ** 15 - 1]
    const scratch = lstmScratchSize(b, t, 8, 64) - lstmScratchSize(0, 0, 8, 64)
    expect(scratch).toBe(backend.name === 'reference' ? 0 : 2 * b * t)
    expect(lstmScratchSize(0, 0, 1, 2 ** 30)).toBeGreaterThanOrEqual(0)
  })

  const empty: Shape[] = [
    [0, 3, 5, 4],
    [3, 0, 5, 4],
  ]
  it.each(empty)('B %i, T %i', (...shape) => {
    for (const state of [false, true]) {
      const problem = lstmProblem(17, shape, { state })
      const [actual, expected] = [lstmBoth(backend, problem), lstmBoth(truth, problem)]
      for (const name of Object.keys(expected)) {
        expectClose(actual[name], expected[name], exact, name)
      }
    }
  })

  it('one of h0 and c0', () => {
    const problem = lstmProblem(18, [5, 4, 3, 9], { state: true, mixed: true })
    for (const missing of [{ h0: null }, { c0: null }]) {
      const expected = lstmBoth(truth, { ...problem, ...missing })
      const actual = lstmBoth(backend, { ...problem, ...missing })
      for (const name of Object.keys(expected)) {
        expectClose(actual[name], expected[name], sums, name)
      }
    }
  })

  it('leaves out what is not asked for, and changes nothing else', () => {
    for (const shape of [[5, 4, 3, 9] as Shape, shapes[4]]) {
      const problem = lstmProblem(19, shape, { state: true, gaps: true, reverse: true })
      const all = lstmBoth(backend, problem)
      for (const name of ['dx', 'dKernel', 'dRecurrentKernel', 'dBias']) {
        const less = lstmBoth(backend, { ...problem, [name]: null })
        expect(Object.keys(less).length, name).toBe(Object.keys(all).length - 1)
        for (const other of Object.keys(less)) {
          expectClose(less[other], all[other], exact, `${other} without ${name}`)
        }
      }
      const none = { dx: null, dKernel: null, dRecurrentKernel: null, dBias: null }
      const state = lstmBoth(backend, { ...problem, ...none })
      for (const name of ['dz', 'dh0', 'dc0']) expectClose(state[name], all[name], exact, name)
      const inference = lstmForward(backend, problem, 0).results
      for (const name of ['h', 'hLast', 'cLast']) {
        expectClose(inference[name], all[name], exact, `${name} without c and gates`)
      }
    }
  })

  it('overwrites the gradients that it is not told to add to', () => {
    // Steps that no state comes before stand first and count for nothing in dRecurrentKernel: here
    // they are some of them, none, all, and more than a block of them.
    const cases: [Shape, LstmOptions][] = [
      [[5, 4, 3, 9], { state: true, gaps: true }],
      [[3, 0, 2, 5], { state: true }],
      [[3, 0, 2, 5], {}],
      [[40, 30, 5, 20], { state: true, gaps: true }],
      [[40, 30, 5, 20], { mixed: true }],
      [[6, 1, 4, 7], {}],
      [[300, 3, 4, 7], { mixed: true }],
    ]
    for (const [shape, options] of cases) {
      const problem = lstmProblem(23, shape, options)
      const zeros = (values: ArrayLike<number> | null) => new Float64Array(values!.length)
      const [dx, dKernel] = [zeros(problem.dx), zeros(problem.dKernel)]
      const [dRecurrentKernel, dBias] = [zeros(problem.dRecurrentKernel), zeros(problem.dBias)]
      const added = lstmBoth(backend, problem)
      const clean = lstmBoth(backend, { ...problem, dx, dKernel, dRecurrentKernel, dBias })
      for (const adds of [0, 1, 2, 4, 8, 15]) {
        const found = lstmBoth(backend, problem, adds)
        for (const [i, name] of ['dx', 'dKernel', 'dRecurrentKernel', 'dBias'].entries()) {
          const expected = adds & (1 << i) ? added : clean
          expectClose(found[name], expected[name], sums, `${name}, adds ${adds}`)
        }
      }
    }
  })

  it('saturates without overflow', () => {
    const problem = lstmProblem(20, [3, 4, 5, 6], { state: true })
    for (const scale of [1e3, 1e6, 1e30]) {
      const large = {
        ...problem,
        x: Array.from(problem.x, (value) => Math.fround(value * scale)),
      }
      const expected = lstmBoth(truth, large)
      const actual = lstmBoth(backend, large)
      for (const name of ['h', 'c', 'gates', 'hLast', 'cLast', 'dc0']) {
        expectClose(actual[name], expected[name], { ...sums, absolute: 1e-6 }, name)
      }
    }
  })

  it('carries a NaN to the row it stands in, and to no other', () => {
    const problem = lstmProblem(21, [9, 3, 4, 5])
    const clean = lstmForward(backend, problem).results
    const x = Float64Array.from(problem.x)
    x[(4 * 3 + 1) * 4] = Number.NaN
    const { h } = lstmForward(backend, { ...problem, x }).results
    const row = 3 * 5
    expectClose(h.slice(0, 4 * row + 5), clean.h.slice(0, 4 * row + 5), exact, 'before')
    expect([...h.slice(4 * row + 5, 5 * row)].every(Number.isNaN), 'the row').toBe(true)
    expectClose(h.slice(5 * row), clean.h.slice(5 * row), exact, 'after')
  })

  it('gives a row the same bits alone as among others', () => {
    const [b, t, inputs, units]: Shape = [43, 5, 7, 20]
    for (const option of [{ state: true }, { state: true, gaps: true, reverse: true }]) {
      const problem = lstmProblem(22, [b, t, inputs, units], option)
      const all = lstmBoth(backend, problem)
      for (const [first, count] of [
        [0, 1],
        [5, 1],
        [30, 4],
        [17, 25],
      ]) {
        const part = (values: ArrayLike<number> | null, width: number) =>
          values && Float64Array.from(values).slice(first * width, (first + count) * width)
        const some = lstmBoth(backend, {
          ...problem,
          b: count,
          x: part(problem.x, t * inputs)!,
          h0: part(problem.h0, units),
          c0: part(problem.c0, units),
          dh: part(problem.dh, t * units),
          dhLast: part(problem.dhLast, units)!,
          dcLast: part(problem.dcLast, units)!,
          dx: part(problem.dx, t * inputs),
          steps: problem.steps?.slice(first * t, (first + count) * t) ?? null,
          lengths: problem.lengths?.slice(first, first + count) ?? null,
        })
        const widths = { h: t * units, c: t * units, dz: t * 4 * units, dx: t * inputs }
        for (const name of ['h', 'c', 'hLast', 'cLast', 'dz', 'dh0', 'dc0', 'dx']) {
          const width = widths[name as keyof typeof widths] ?? units
          expectClose(some[name], part(all[name], width)!, exact, `${name}, ${count} rows`)
        }
      }
    }
  })

  // Large enough to be worth several threads, with several tiles of rows for each; the last with so
  // few rows that threads take columns.
  it.skipIf(backend.threads === 1)('gives the same bits whatever the number of threads', () => {
    const large: Shape[] = [
      [131, 12, 24, 40],
      [9, 30, 60, 50],
      [2, 6, 100, 130],
    ]
    for (const shape of large) {
      for (const option of [{}, { gaps: true, reverse: true, state: true }]) {
        const problem = lstmProblem(23, shape, option)
        expectSameBits(backend, () => lstmBoth(backend, problem))
        const expected = lstmForward(truth, problem).results
        const actual = lstmForward(backend, problem).results
        for (const name of Object.keys(expected)) {
          expectClose(actual[name], expected[name], sums, name)
        }
      }
    }
  })
})
