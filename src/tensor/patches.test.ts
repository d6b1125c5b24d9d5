/** Convolution and pooling: gradients against central differences; many images like one. */
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend, expectGradients, runStep, type Values } from '../../test/harness.ts'
import { expectClose, Random, sums } from '../kernels/kernels.case.ts'
import type { Context } from './context.ts'
import { convolve, poolWindows, type Windows } from './patches.ts'
import type { Tensor } from './tensor.ts'

const random = new Random(1)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const windows = (given: Partial<Windows>): Windows => ({
  size: [2, 3],
  strides: [1, 1],
  dilation: [1, 1],
  padding: 'valid',
  ...given,
})

const layouts: Record<string, Windows> = {
  valid: windows({}),
  same: windows({ padding: 'same' }),
  causal: windows({ padding: 'causal' }),
  strides: windows({ strides: [2, 1] }),
  'strides, same': windows({ strides: [2, 3], padding: 'same' }),
  dilation: windows({ size: [2, 2], dilation: [2, 3] }),
  'dilation, same': windows({ size: [3, 2], dilation: [2, 1], padding: 'same' }),
  'one pixel': windows({ size: [1, 1] }),
}

const convolution =
  (layout: Windows) =>
  (ctx: Context, [x, kernel, bias = null]: readonly (Tensor | null)[]) => [
    convolve(ctx, x!, kernel!, bias, layout),
  ]

describe.each(Object.entries(layouts))('finite differences: %s', (_name, layout) => {
  const x = floats(2, 4, 5, 2)
  const kernel = floats(...layout.size, 2, 3)

  it('convolution', () => {
    expectGradients({ inputs: [x, kernel, floats(3)], compute: convolution(layout) })
    expectGradients({ inputs: [x, kernel], compute: convolution(layout) })
  })

  it.each(['mean', 'max'] as const)('pooling, %s', (kind) => {
    expectGradients({ inputs: [x], compute: (ctx, [x]) => [poolWindows(ctx, x, layout, kind)] })
  })
})

// 24 images of 1024 windows of 45 elements: more patches than are in memory at a time.
describe('a batch that is worked on in parts', () => {
  const [images, side, channels, filters] = [24, 32, 5, 2]
  const layout = windows({ size: [3, 3], padding: 'same' })
  const size = side * side * channels
  const outSize = side * side * filters
  const draws = new Random(2)
  const x = draws.uniform(images * size)
  const kernel: Values = { shape: [3, 3, channels, filters], data: draws.uniform(90) }
  const seeds = draws.uniform(images * outSize)
  const poolSeeds = draws.uniform(images * size)

  eachKindOfBackend((backend) => {
    const run = (first: number, count: number) => {
      const input = {
        shape: [count, side, side, channels],
        data: x.subarray(first * size, (first + count) * size),
      }
      return runStep(backend, {
        inputs: [input, kernel],
        compute: (ctx, [x, kernel]) => [
          convolve(ctx, x, kernel, null, layout),
          poolWindows(ctx, x, layout, 'max'),
          poolWindows(ctx, x, layout, 'mean'),
        ],
        seeds: [
          seeds.subarray(first * outSize, (first + count) * outSize),
          poolSeeds.subarray(first * size, (first + count) * size),
          poolSeeds.subarray(first * size, (first + count) * size),
        ],
      })
    }

    it('gives what its parts give', () => {
      const all = run(0, images)
      const parts = [run(0, 12), run(12, 12)]
      for (let i = 0; i < 3; i++) {
        const expected = parts.flatMap(({ outputs }) => [...outputs[i]])
        expectClose(all.outputs[i], expected, sums, `output ${i}`)
      }
      const dx = parts.flatMap(({ inputGradients }) => [...inputGradients[0]])
      expectClose(all.inputGradients[0], dx, sums, 'dx')
      const [one, two] = parts.map(({ inputGradients }) => inputGradients[1])
      const dKernel = one.map((value, i) => value + two[i])
      expectClose(all.inputGradients[1], dKernel, sums, 'dKernel')
    })

    it('takes a batch without rows', () => {
      const none = run(0, 0)
      expect(none.shapes[0]).toEqual([0, side, side, filters])
      expect(none.inputGradients[1]).toEqual(new Float64Array(90))
    })
  })
})
