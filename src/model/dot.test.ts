import { expect, it } from 'vitest'
import { callAll, expectGradients } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { dot } from '../layers/dot.ts'
import { input } from '../layers/input.ts'
import { model } from './functional.ts'

const random = new Random(3)
const floats = (...shape: number[]) => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

/** The sum over dimension p of a and q of b, index by index. */
function expected(
  a: ReturnType<typeof floats>,
  b: ReturnType<typeof floats>,
  p: number,
  q: number,
) {
  const strides = (shape: number[]) =>
    shape.map((_, i) => shape.slice(i + 1).reduce((x, y) => x * y, 1))
  const places = (shape: number[], skip: number): number[] => {
    const step = strides(shape)
    return shape.reduce<number[]>(
      (all, length, axis) =>
        axis === 0 || axis === skip
          ? all
          : all.flatMap((base) => Array.from({ length }, (_, i) => base + i * step[axis])),
      [0],
    )
  }
  const [stepA, stepB] = [strides(a.shape), strides(b.shape)]
  const sums: number[] = []
  for (let row = 0; row < a.shape[0]; row++) {
    for (const i of places(a.shape, p)) {
      for (const j of places(b.shape, q)) {
        let sum = 0
        for (let k = 0; k < a.shape[p]; k++) {
          sum +=
            a.data[row * stepA[0] + i + k * stepA[p]] * b.data[row * stepB[0] + j + k * stepB[q]]
        }
        sums.push(sum)
      }
    }
  }
  return sums
}

it.each([
  [
    [2, 3, 4],
    [2, 4, 5],
    [2, 1],
    [2, 3, 5],
  ],
  [
    [2, 3, 4],
    [2, 5, 3],
    [1, -1],
    [2, 4, 5],
  ],
  [
    [2, 4],
    [2, 3, 4],
    [1, 2],
    [2, 3],
  ],
  [
    [2, 3, 4],
    [2, 3],
    [1, 1],
    [2, 4],
  ],
  [[2, 6], [2, 6], 1, [2, 1]],
  [
    [2, 2, 3, 4],
    [2, 4, 2],
    [-1, 1],
    [2, 2, 3, 2],
  ],
] as const)('%j by %j along %j gives %j', async (first, second, axes, shape) => {
  const [a, b] = [floats(...first), floats(...second)]
  const inputs = [a, b].map((x) => input({ shape: x.shape.slice(1) }))
  const y = dot({ axes: axes as [number, number] }).apply(inputs)
  expect(y.shape).toEqual([null, ...shape.slice(1)])
  const output = await model({ inputs, outputs: y }).predict([a, b])
  expect(output.shape).toEqual(shape)
  const [p, q] = typeof axes === 'number' ? [axes, axes] : axes
  const sums = expected(
    a,
    b,
    (p + first.length) % first.length,
    (q + second.length) % second.length,
  )
  const found = await output.data()
  sums.forEach((sum, i) => {
    expect(found[i]).toBeCloseTo(sum, 5)
  })
})

it('has the gradients of central differences', () => {
  const layer = dot({ axes: [1, 2] })
  expectGradients({
    inputs: [floats(2, 3, 4), floats(2, 5, 3)],
    compute: (ctx, inputs) => callAll(ctx, [layer], inputs),
    training: true,
  })
})

it('says which dimensions do not fit', () => {
  const apply = (axes: never, a: number[], b: number[]) =>
    dot({ axes, name: 'scores' }).apply([input({ shape: a }), input({ shape: b })])
  expect(() => apply([1, 2] as never, [3], [3, 4])).toThrow(
    'scores: expected as many numbers in dimension 1 of [null, 3] as in dimension 2 of [null, 3, 4]',
  )
  expect(() => apply([1, 5] as never, [3], [3, 4])).toThrow('dimension 5 of')
  expect(() => apply(0 as never, [3], [3])).toThrow(
    "dot 'axes': expected a whole number other than 0",
  )
  expect(() => dot({ axes: 1 }).apply([input({ shape: [3] })])).toThrow('expected 2 inputs, got 1')
})
