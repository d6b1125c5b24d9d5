/** Operations on rows against algebra and central differences, in float64. */
import { describe, expect, it } from 'vitest'
import { expectGradients, runStep, type Values } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import type { Context } from './context.ts'
import { clip, repeatRows } from './row-ops.ts'
import type { Tensor } from './tensor.ts'

const random = new Random(2)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const one =
  (compute: (ctx: Context, x: Tensor) => Tensor) =>
  (ctx: Context, [x]: readonly Tensor[]) => [compute(ctx, x)]

describe('values', () => {
  eachBackend((backend) => {
    const run = (input: Values, compute: (ctx: Context, x: Tensor) => Tensor) =>
      Array.from(runStep(backend, { inputs: [input], compute: one(compute) }, false).outputs[0])

    it('repeatRows', () => {
      const row = { shape: [2], data: [3, 4] }
      expect(run(row, (ctx, x) => repeatRows(ctx, x, 3))).toEqual([3, 4, 3, 4, 3, 4])
    })
    it('clip', () => {
      const input = { shape: [5], data: [-3, -1, 0.5, 2, 7] }
      expect(run(input, (ctx, x) => clip(ctx, x, -1, 2))).toEqual([-1, -1, 0.5, 2, 2])
    })
  })
})

describe('finite differences', () => {
  it.each([
    ['repeatRows', floats(3), one((ctx, x) => repeatRows(ctx, x, 4))],
    ['clip', floats(3, 5), one((ctx, x) => clip(ctx, x, -0.4, 0.3))],
  ] as const)('%s', (_name, input, compute) => {
    expectGradients({ inputs: [input], compute })
    // Used twice, so that gradients add.
    expectGradients({
      inputs: [input],
      compute: (ctx, inputs) => [...compute(ctx, inputs), ...compute(ctx, inputs)],
    })
  })

  it('clip lets no gradient through outside', () => {
    const { inputGradients } = runStep(truth, {
      inputs: [{ shape: [3], data: [-2, 0, 2] }],
      compute: one((ctx, x) => clip(ctx, x, -1, 1)),
      seeds: [[5, 6, 7]],
    })
    expect(inputGradients[0]).toEqual(Float64Array.of(0, 6, 0))
  })
})
