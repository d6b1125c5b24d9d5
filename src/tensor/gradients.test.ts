/** Every operation against central differences, in float64. */
import { describe, expect, it } from 'vitest'
import { expectError, expectGradients, runStep, type Values } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import { activationCodes } from '../kernels/kernels.ts'
import type { Context } from './context.ts'
import * as ops from './ops.ts'
import type { Tensor } from './tensor.ts'

const random = new Random(1)

const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

const one =
  (compute: (ctx: Context, ...inputs: Tensor[]) => Tensor) =>
  (ctx: Context, inputs: readonly Tensor[]) => [compute(ctx, ...inputs)]

/** Right padding, a gap, a late start, no step at all. */
const mask = [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]
const sequence = { ...floats(5, 4, 3), mask }

const table: Record<
  string,
  [readonly Values[], (ctx: Context, inputs: readonly Tensor[]) => Tensor[]]
> = {
  linear: [[floats(2, 3, 4), floats(4, 5), floats(5)], one(ops.linear)],
  'linear without bias': [
    [floats(3, 4), floats(4, 2)],
    one((ctx, x, kernel) => ops.linear(ctx, x, kernel, null)),
  ],
  linearTransposed: [
    [floats(2, 3, 4), floats(5, 4), floats(5)],
    one((ctx, x, table, bias) => ops.linearTransposed(ctx, x, table, bias)),
  ],
  multiply: [[floats(2, 3), floats(2, 3)], one(ops.multiply)],
  'multiply by itself': [[floats(2, 3)], one((ctx, x) => ops.multiply(ctx, x, x))],
  weightedSum: [
    [floats(2, 3), floats(2, 3), floats(2, 3)],
    one((ctx, ...terms) => ops.weightedSum(ctx, terms, [2, -0.5, 1])),
  ],
  add: [[floats(4), floats(4)], one(ops.add)],
  'add to itself': [[floats(4)], one((ctx, x) => ops.add(ctx, x, x))],
  concatenate: [
    [floats(2, 2, 3), floats(2, 2, 1), floats(2, 2, 2)],
    one((ctx, ...parts) => ops.concatenate(ctx, parts)),
  ],
  columns: [[floats(2, 3, 5)], one((ctx, x) => ops.columns(ctx, x, 1, 3))],
  stepOf: [[floats(2, 4, 3)], one((ctx, x) => ops.stepOf(ctx, x, 2))],
  stackSteps: [
    [floats(2, 3), floats(2, 3), floats(2, 3)],
    one((ctx, ...steps) => ops.stackSteps(ctx, steps)),
  ],
  reverseTime: [[floats(2, 4, 3)], one(ops.reverseTime)],
  poolMean: [[floats(2, 4, 3)], one(ops.poolMean)],
  'poolMean, mask': [[sequence], one(ops.poolMean)],
  poolMax: [[floats(2, 4, 3)], one(ops.poolMax)],
  'poolMax, mask': [[sequence], one(ops.poolMax)],
  gather: [
    [floats(5, 3), { shape: [2, 3], dtype: 'int32', data: [4, 0, 4, 2, 4, 0] }],
    one((ctx, table, ids) => ops.gather(ctx, table, ids)),
  ],
  largest: [
    [floats(2, 3), floats(2, 3), floats(2, 3)],
    one((ctx, a, b, c) => ops.largest(ctx, [a, b, c])),
  ],
  activateSums: [
    [floats(2, 6), floats(6, 3)],
    one((ctx, x, kernel) => {
      return ops.activateSums(ctx, 'softmax', ops.linear(ctx, x, kernel, null), null)
    }),
  ],
  'a tensor used three times, once under another shape': [
    [floats(2, 6), floats(6, 2)],
    one((ctx, x, kernel) => {
      const narrow = ops.linear(ctx, x, kernel, null)
      const wide = ops.linear(ctx, narrow.view([1, 4]), x.view([4, 3]), null)
      return ops.concatenate(ctx, [wide, ops.columns(ctx, x.view([1, 12]), 2, 5)])
    }),
  ],
}

describe('finite differences', () => {
  it.each(Object.entries(table))('%s', (_name, [inputs, compute]) => {
    expectGradients({ inputs, compute })
  })

  // Away from the kinks at 0, ±2.5, ±3, 6.
  const x = { shape: [2, 5], data: [-3.4, -2.7, -2.2, -0.4, -0.02, 0.03, 0.7, 2.3, 2.8, 6.3] }

  it.each([...Object.keys(activationCodes), 'softmax', 'logSoftmax'])('activate: %s', (name) => {
    expectGradients({ inputs: [x], compute: one((ctx, x) => ops.activate(ctx, name, x)) })
  })

  it('scaleRepeated: none to the scale', () => {
    const scale = floats(2, 2)
    expectGradients({
      inputs: [floats(2, 3, 2)],
      compute: one((ctx, x) => {
        const factors = ctx.empty(scale.shape)
        factors.values.set(scale.data)
        return ops.scaleRepeated(ctx, x, factors, [2, 3, 2])
      }),
    })
  })

  it('dropout', () => {
    expectGradients({
      inputs: [floats(3, 7)],
      compute: one((ctx, x) => ops.dropout(ctx, x, 0.4)),
      random: { seed: 4, step: 9 },
    })
  })

  it('dropoutMask, applied', () => {
    expectGradients({
      inputs: [floats(3, 7)],
      compute: one((ctx, x) => ops.multiply(ctx, x, ops.dropoutMask(ctx, [3, 7], 0.4))),
    })
  })

  it('tests every operation', () => {
    const tested = [...Object.keys(table), 'activate', 'scaleRepeated', 'dropout', 'dropoutMask']
    expect(tested).toEqual(expect.arrayContaining(Object.keys(ops)))
  })
})

describe('the tape', () => {
  it('asks nothing of what nothing used', () => {
    const { inputGradients } = runStep(truth, {
      inputs: [floats(2, 2), floats(2, 2)],
      compute: one((ctx, x, unused) => {
        ops.multiply(ctx, x, unused)
        return ops.add(ctx, x, x)
      }),
      seeds: [[1, 2, 3, 4]],
    })
    expect(inputGradients).toEqual([Float64Array.of(2, 4, 6, 8), new Float64Array(4)])
  })

  it('records nothing without gradients, or where none is wanted', () => {
    for (const [gradients, tracked] of [
      [false, true],
      [true, false],
    ]) {
      const seen: boolean[] = []
      const compute = (ctx: Context, [x]: readonly Tensor[]) => {
        x.tracked = tracked
        const y = ops.add(ctx, x, x)
        seen.push(ctx.recording, y.tracked)
        return [y]
      }
      runStep(truth, { inputs: [floats(2)], compute }, gradients)
      expect(seen).toEqual([gradients, false])
    }
  })
})

describe('errors', () => {
  it('shapes that differ', () => {
    const run = (op: typeof ops.add) =>
      runStep(truth, { inputs: [floats(2, 3), floats(3, 2)], compute: one(op) })
    expectError(() => run(ops.multiply), 'BAD_SHAPE', 'multiply: expected shape [2, 3], got [3, 2]')
    expectError(() => run(ops.add), 'BAD_SHAPE', 'add: expected shape [2, 3], got [3, 2]')
  })
})
