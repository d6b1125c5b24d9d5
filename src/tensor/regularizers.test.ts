import { describe, expect, it } from 'vitest'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from './arena.ts'
import {
  maxNorm,
  minMaxNorm,
  nonNeg,
  projection,
  resolveConstraint,
  unitNorm,
} from './constraints.ts'
import { Context } from './context.ts'
import { orthogonalRegularizer } from './orthogonal-regularizer.ts'
import { l1, l1l2, l2, regularize, resolveRegularizer } from './regularizers.ts'
import { allocateTensor } from './tensor.ts'

const context = (backend: Backend) => new Context(backend, new Arena(backend.heap))

describe('regularizers', () => {
  const numbers = [0.5, -2, 0, 3, -0.25]
  it.each([
    ['l1', l1({ l1: 0.1 }), 0.575],
    ['l2', l2({ l2: 0.1 }), 1.33125],
    ['l1l2', l1l2({ l1: 0.1, l2: 0.1 }), 1.90625],
  ])('%s: value and gradient', (_, regularizer, expected) => {
    const make = (values: number[]) => {
      const tensor = allocateTensor(truth.heap, [values.length])
      tensor.values.set(values)
      return tensor
    }
    const gradient = make([1, 1, 1, 1, 1])
    expect(regularize(context(truth), regularizer, make(numbers), gradient)).toBeCloseTo(
      expected,
      12,
    )
    numbers.forEach((value, i) => {
      const at = (offset: number) =>
        regularize(context(truth), regularizer, make(numbers.with(i, value + offset)), null)
      expect(gradient.values[i] - 1).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 8)
    })
  })

  eachBackend((backend) => {
    it('agree', () => {
      const tensor = allocateTensor(backend.heap, [numbers.length])
      tensor.values.set(numbers)
      const gradient = allocateTensor(backend.heap, [numbers.length])
      const term = regularize(context(backend), l1l2({ l1: 0.1, l2: 0.1 }), tensor, gradient)
      expect(term).toBeCloseTo(1.90625, 6)
      expectClose(gradient.values, [0.2, -0.5, 0, 0.7, -0.15], { relative: 1e-6 })
    })
  })

  it.each(['rows', 'columns'] as const)('orthogonal %s: value and gradient', (mode) => {
    const regularizer = orthogonalRegularizer({ factor: 0.3, mode })
    const matrix = Float64Array.from(new Random(4).uniform(12, -1, 1))
    const make = (values: ArrayLike<number>) => {
      const tensor = allocateTensor(truth.heap, [3, 4])
      tensor.values.set(values)
      return tensor
    }
    const gradient = make(new Array(12).fill(1))
    const at = (values: ArrayLike<number>, out: typeof gradient | null = null) =>
      regularize(context(truth), regularizer, make(values), out, 2)
    // The mean of |cosine| over pairs.
    const vectors = Array.from({ length: mode === 'rows' ? 3 : 4 }, (_, i) =>
      mode === 'rows' ? matrix.slice(4 * i, 4 * i + 4) : matrix.filter((_, k) => k % 4 === i),
    )
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0)
    const pairs = vectors.flatMap((a, i) =>
      vectors.slice(i + 1).map((b) => Math.abs(dot(a, b)) / Math.sqrt(dot(a, a) * dot(b, b))),
    )
    const mean = pairs.reduce((a, b) => a + b) / pairs.length
    expect(at(matrix, gradient)).toBeCloseTo(2 * 0.3 * mean, 10)
    matrix.forEach((value, i) => {
      const difference = at(matrix.with(i, value + 1e-5)) - at(matrix.with(i, value - 1e-5))
      expect(gradient.values[i] - 1).toBeCloseTo(difference / 2e-5, 8)
    })
  })

  it('orthogonal: of orthogonal rows 0; errors', () => {
    const of = (shape: number[], values: number[]) => {
      const tensor = allocateTensor(truth.heap, shape)
      tensor.values.set(values)
      return regularize(context(truth), orthogonalRegularizer(), tensor, null)
    }
    expect(of([2, 2], [3, 0, 0, 2])).toBe(0)
    expect(of([1, 2], [3, 1])).toBe(0)
    expect(() => of([2], [1, 2])).toThrow('expected shape [null, null], got [2]')
    expect(resolveRegularizer('x', 'orthogonalRegularizer')).toEqual(orthogonalRegularizer())
    expect(() => orthogonalRegularizer({ mode: 'row' as never })).toThrow(
      "orthogonalRegularizer 'mode': unknown 'row'; did you mean 'rows'?",
    )
  })

  it('names stand for 0.01', () => {
    expect(resolveRegularizer('x', 'l1')).toEqual(l1({ l1: 0.01 }))
    expect(resolveRegularizer('x', 'l2')).toEqual(l2())
    expect(resolveRegularizer('x', 'l1l2')).toEqual(l1l2({ l1: 0.01, l2: 0.01 }))
    expect(resolveRegularizer('x', JSON.parse(JSON.stringify(l2({ l2: 3 }))))).toEqual(
      l2({ l2: 3 }),
    )
  })

  it('errors', () => {
    expect(() => resolveRegularizer("lstm 'kernelRegularizer'", 'l3' as never)).toThrow(
      "lstm 'kernelRegularizer': unknown regularizer 'l3'; did you mean 'l1'?",
    )
    expect(() => l2({ l1: 1 } as never)).toThrow("l2: unknown option 'l1'; did you mean 'l2'?")
    expect(() => l1({ l1: -1 })).toThrow("l1 'l1': expected a finite number of at least 0, got -1")
  })
})

describe('constraints', () => {
  const apply = (
    constraint: Parameters<typeof projection>[1],
    values: number[],
    shape: number[],
  ) => {
    const out = Float64Array.from(values)
    projection('dense/kernel', constraint, shape)(out)
    return out
  }
  // Columns of norms 5 and 1.
  const kernel = [3, 0.6, 4, -0.8]

  it('take norms along an axis, or several', () => {
    expectClose(apply(maxNorm(), kernel, [2, 2]), [1.2, 0.6, 1.6, -0.8], { relative: 1e-6 })
    expectClose(apply(unitNorm({ axis: 1 }), [3, 4, 0, 2], [2, 2]), [0.6, 0.8, 0, 1], {
      relative: 1e-6,
    })
    const whole = apply(unitNorm({ axis: [0, 1] }), kernel, [2, 2])
    expect(Math.hypot(...whole)).toBeCloseTo(1, 6)
    const middle = apply(unitNorm({ axis: 1 }), [3, 1, 4, 1, 6, 1, 8, 1], [2, 2, 2])
    expectClose(
      middle,
      [0.6, Math.SQRT1_2, 0.8, Math.SQRT1_2, 0.6, Math.SQRT1_2, 0.8, Math.SQRT1_2],
      {
        relative: 1e-6,
      },
    )
    const half = minMaxNorm({ minValue: 2, maxValue: 3, rate: 0.5 })
    expectClose(apply(half, kernel, [2, 2]), [2.4, 0.9, 3.2, -1.2], { relative: 1e-6 })
    expect([...apply(nonNeg(), [1, -2, 0], [3])]).toEqual([1, 0, 0])
  })

  it('survive JSON, and their names stand for their defaults', () => {
    const all = [maxNorm({ maxValue: 3 }), minMaxNorm({ axis: [0, 1] }), nonNeg(), unitNorm()]
    for (const constraint of all) {
      expect(resolveConstraint('x', JSON.parse(JSON.stringify(constraint)))).toEqual(constraint)
    }
    expect(resolveConstraint('x', 'maxNorm')).toEqual(maxNorm())
  })

  it('errors', () => {
    expect(() => resolveConstraint("dense 'kernelConstraint'", 'maxnorm' as never)).toThrow(
      "dense 'kernelConstraint': unknown constraint 'maxnorm'; did you mean 'maxNorm'?",
    )
    expect(() => maxNorm({ max: 1 } as never)).toThrow("maxNorm: unknown option 'max'")
    expect(() => apply(unitNorm({ axis: 2 }), kernel, [2, 2])).toThrow(
      "dense/kernel: unitNorm 'axis': expected dimensions of [2, 2], got [2]",
    )
  })
})
