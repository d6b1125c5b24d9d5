/** Every `Backward` of the float64 reference against central differences of its forward kernel. */
import { describe, expect, it } from 'vitest'
import { type CellProblem, cellBoth, cellForward, cellProblem, cells } from './cells.case.ts'
import {
  type Argument,
  expectClose,
  floats,
  floatsOut,
  ints,
  intsOut,
  type LstmProblem,
  lossOptions,
  lstmBoth,
  lstmForward,
  lstmProblem,
  Random,
  run,
  takesPositive,
} from './kernels.case.ts'
import { activationCodes, type Backend, type Kernels, lossCodes } from './kernels.ts'
import { referenceBackend } from './reference.ts'

const float64 = referenceBackend({ float: 'float64' })
const zeros = (n: number) => new Float64Array(n)

/** The one array that a kernel writes. */
function result(backend: Backend, kernel: keyof Kernels, args: (Argument | number | null)[]) {
  const results = run(backend, kernel, args)
  expect(results).toHaveLength(1)
  return results[0]
}

describe('finite differences, float64', () => {
  const step = 1e-5

  /** Compares `claimed` with central differences of `f` around `at`. */
  function expectGradient(
    f: (values: Float64Array) => number,
    at: ArrayLike<number>,
    claimed: ArrayLike<number>,
    what = '',
  ) {
    const moved = Float64Array.from(at)
    const differences = moved.map((value, i) => {
      if (Number.isNaN(value)) return 0
      moved[i] = value + step
      const above = f(moved)
      moved[i] = value - step
      const below = f(moved)
      moved[i] = value
      return (above - below) / (2 * step)
    })
    expectClose(claimed, differences, { relative: 1e-6, ofLargest: 1e-7, absolute: 1e-9 }, what)
  }

  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let sum = 0
    // A step that is not processed has NaN for a gradient, and no part in the sum.
    for (let i = 0; i < a.length; i++) if (!Number.isNaN(b[i])) sum += a[i] * b[i]
    return sum
  }

  it.each(Object.entries(activationCodes))('activate: %s', (_name, code) => {
    const random = new Random(1)
    // Away from the kinks at 0, ±2.5, ±3, 6.
    const x = [-9.3, -3.1, -2.9, -2.6, -2.4, -0.7, -0.01, 0.01, 0.6, 2.4, 2.6, 2.9, 3.1, 5.9, 6.1]
    const n = x.length
    const dy = random.uniform(n)
    const activate = (values: ArrayLike<number>) =>
      result(float64, 'activate', [code, floats(values), floatsOut(zeros(n)), n])
    const gradient = result(float64, 'activateBackward', [
      ...[code, floats(x), floats(activate(x)), floats(dy), floatsOut(zeros(n)), n, 0],
    ])
    expectGradient((values) => dot(activate(values), dy), x, gradient)
  })

  it.each([0, 1])('softmax, log %i', (log) => {
    const random = new Random(2)
    const [rows, cols] = [3, 5]
    const [x, dy] = [random.uniform(rows * cols, -3, 3), random.uniform(rows * cols)]
    const softmax = (values: ArrayLike<number>) =>
      result(float64, 'softmax', [floats(values), floatsOut(zeros(15)), rows, cols, log])
    const gradient = result(float64, 'softmaxBackward', [
      ...[floats(softmax(x)), floats(dy), floatsOut(zeros(15)), rows, cols, log],
    ])
    expectGradient((values) => dot(softmax(values), dy), x, gradient)
  })

  it('gather', () => {
    const random = new Random(3)
    const [rows, dim, n] = [4, 3, 6]
    const ids = ints([2, 0, 2, 3, 2, 0])
    const [table, dOut] = [random.uniform(rows * dim), random.uniform(n * dim)]
    const gather = (values: ArrayLike<number>) =>
      result(float64, 'gather', [floats(values), ids, floatsOut(zeros(n * dim)), n, dim])
    const gradient = result(float64, 'gatherBackward', [
      ...[floats(dOut), ids, floatsOut(zeros(rows * dim)), n, dim],
    ])
    expectGradient((values) => dot(gather(values), dOut), table, gradient)
  })

  const [b, t, f] = [4, 5, 3]
  const valid = ints([1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])

  it.each([null, valid])('poolMean', (mask) => {
    const random = new Random(4)
    const [x, dOut] = [random.uniform(b * t * f), random.uniform(b * f)]
    const pool = (values: ArrayLike<number>) =>
      result(float64, 'poolMean', [floats(values), mask, floatsOut(zeros(b * f)), b, t, f])
    const gradient = result(float64, 'poolMeanBackward', [
      ...[floats(dOut), mask, floatsOut(zeros(b * t * f)), b, t, f],
    ])
    expectGradient((values) => dot(pool(values), dOut), x, gradient)
  })

  it.each([null, valid])('poolMax', (mask) => {
    const random = new Random(5)
    const [x, dOut] = [random.uniform(b * t * f), random.uniform(b * f)]
    const [out, indices] = [floatsOut(zeros(b * f)), intsOut(zeros(b * f))]
    const pool = (values: ArrayLike<number>) =>
      run(float64, 'poolMax', [floats(values), mask, out, indices, b, t, f])
    const gradient = result(float64, 'poolMaxBackward', [
      ...[floats(dOut), ints(pool(x)[1]), floatsOut(zeros(b * t * f)), b, t, f],
    ])
    expectGradient((values) => dot(pool(values)[0], dOut), x, gradient)
  })

  it.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])('holdMasked, reverse %i, zero %i', (reverse, zero) => {
    const random = new Random(6)
    const [y, dOut] = [random.uniform(b * t * f), random.uniform(b * t * f)]
    const hold = (values: ArrayLike<number>) =>
      result(float64, 'holdMasked', [floatsOut(values), valid, b, t, f, reverse, zero])
    const gradient = result(float64, 'holdMaskedBackward', [
      ...[floatsOut(dOut), valid, b, t, f, reverse, zero],
    ])
    expectGradient((values) => dot(hold(values), dOut), y, gradient)
  })

  it.each(Object.entries(lossCodes))('loss: %s', (name, code) => {
    const random = new Random(7)
    const [rows, cols] = [3, 4]
    const [low, high] = takesPositive(name) ? [0.1, 0.9] : [-3, 3]
    const prediction = random.uniform(rows * cols, low, high)
    const targets = floats(random.uniform(rows * cols, 0, 1))
    const dOut = random.uniform(rows)
    const given = lossOptions(name, cols)
    const all = given && floats(given)
    const variants: (Argument | null)[][] = [[targets, null, all]]
    if (name.includes('Crossentropy')) variants.push([targets, null, null])
    if (name.startsWith('categoricalC')) {
      variants.push([null, ints([2, 0, 3]), null], [null, ints([2, 0, 3]), all])
    }
    for (const [target, labels, options] of variants) {
      const loss = (values: ArrayLike<number>) =>
        result(float64, 'loss', [
          ...[
            code,
            floats(values),
            target,
            labels,
            null,
            options,
            floatsOut(zeros(rows)),
            null,
            rows,
            cols,
          ],
        ])
      const [, gradient] = run(float64, 'loss', [
        ...[code, floats(prediction), target, labels, floats(dOut), options],
        ...[floatsOut(zeros(rows)), floatsOut(zeros(rows * cols)), rows, cols],
      ])
      expectGradient((values) => dot(loss(values), dOut), prediction, gradient, name)
    }
  })

  it.each([
    ['every step', {}],
    ['mixed lengths', { mixed: true }],
    ['reverse, initial state', { reverse: true, state: true }],
    ['gaps, initial state', { gaps: true, state: true }],
    ['gaps, reverse, initial state', { gaps: true, reverse: true, state: true }],
    ['gradient of the final state only', { mixed: true, state: true, dh: false }],
    ['no bias', { mixed: true, bias: false }],
  ])('lstm: %s', (_name, options) => {
    const problem = lstmProblem(8, [4, 5, 3, 2], options)
    const objective = (changed: Partial<LstmProblem>) => {
      const { h, hLast, cLast } = lstmForward(float64, { ...problem, ...changed }).results
      const ofState = dot(hLast, problem.dhLast) + dot(cLast, problem.dcLast)
      return ofState + (problem.dh ? dot(h, problem.dh) : 0)
    }
    const found = lstmBoth(float64, problem)
    const pairs = {
      ...{ x: 'dx', kernel: 'dKernel', recurrentKernel: 'dRecurrentKernel', bias: 'dBias' },
      ...{ h0: 'dh0', c0: 'dc0' },
    } as const
    for (const [name, gradient] of Object.entries(pairs)) {
      const values = problem[name as keyof typeof pairs]
      if (!values) continue
      // dh0 and dc0 are overwritten, the others added to.
      const start = name === 'h0' || name === 'c0' ? null : problem[gradient as 'dx']
      const added = found[gradient].map((value, i) => value - (start ? start[i] : 0))
      expectGradient((moved) => objective({ [name]: moved }), values, added, gradient)
    }
  })

  describe.each(Object.entries(cells))('%s', (_name, cell) => {
    it.each([
      ['every step', {}],
      ['mixed lengths', { mixed: true }],
      ['gaps, initial state', { gaps: true, state: true }],
      ['gaps, reverse, initial state', { gaps: true, reverse: true, state: true }],
      ['gradient of the final state only', { mixed: true, state: true, dh: false }],
      ['no bias', { mixed: true, bias: false }],
    ])('%s', (_title, options) => {
      const problem = cellProblem(cell, 8, [4, 5, 3, 2], options)
      const objective = (changed: Partial<CellProblem>) => {
        const { h, hLast } = cellForward(float64, cell, { ...problem, ...changed }).results
        return dot(hLast, problem.dhLast) + (problem.dh ? dot(h, problem.dh) : 0)
      }
      const found = cellBoth(float64, cell, problem, 0)
      const pairs = {
        ...{ x: 'dx', kernel: 'dKernel', recurrentKernel: 'dRecurrentKernel', bias: 'dBias' },
        h0: 'dh0',
      } as const
      for (const [name, gradient] of Object.entries(pairs)) {
        const values = problem[name as keyof typeof pairs]
        if (!values) continue
        expectGradient((moved) => objective({ [name]: moved }), values, found[gradient], gradient)
      }
    })
  })
})
