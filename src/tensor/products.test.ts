/** The operations of attention: gradients against central differences, shapes that do not fit. */
import { describe, it } from 'vitest'
import { expectError, expectGradients, runStep, type Values } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import type { Context } from './context.ts'
import { addPairs, multiplyMatrices, softmaxMasked } from './products.ts'
import type { Tensor } from './tensor.ts'

const random = new Random(1)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
type Compute = (ctx: Context, inputs: readonly Tensor[]) => Tensor[]
const transposed: Compute = (ctx, [a, b]) => [multiplyMatrices(ctx, a, b, { transposeB: true })]
const plain: Compute = (ctx, [a, b]) => [multiplyMatrices(ctx, a, b)]
const pairs: Compute = (ctx, [a, b]) => [addPairs(ctx, a, b)]
const mask = [1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]
/** The mask rides on a second input. */
const softmax =
  (causal: boolean): Compute =>
  (ctx, [x, keys]) => [softmaxMasked(ctx, x, keys?.mask ?? null, causal)]

describe('finite differences', () => {
  it.each<[string, Values[], Compute]>([
    ['a product of matrices', [floats(2, 3, 4), floats(2, 4, 2)], plain],
    ['transposed', [floats(2, 3, 4), floats(2, 2, 4)], transposed],
    [
      'of a matrix and itself',
      [floats(2, 3, 2)],
      (ctx, [x]) => [multiplyMatrices(ctx, x, x, { transposeB: true })],
    ],
    ['sums of pairs', [floats(2, 3, 4), floats(2, 5, 4)], pairs],
    ['sums of pairs of a tensor', [floats(2, 3, 4)], (ctx, [x]) => [addPairs(ctx, x, x)]],
    ['softmax', [floats(3, 2, 4)], softmax(false)],
    ['softmax, causal', [floats(3, 2, 4)], softmax(true)],
    ['softmax, mask', [floats(3, 2, 4), { ...floats(3, 4, 1), mask }], softmax(false)],
    ['softmax, mask, causal', [floats(3, 2, 4), { ...floats(3, 4, 1), mask }], softmax(true)],
  ])('%s', (_name, inputs, compute) => {
    expectGradients({ inputs, compute })
  })
})

describe('errors', () => {
  it.each<[string, Values[], Compute, string]>([
    [
      'products',
      [floats(2, 3, 4), floats(2, 3, 5)],
      plain,
      'a product of matrices: expected shape [2, 4, 5], got [2, 3, 5]',
    ],
    [
      'transposed products',
      [floats(2, 3, 4), floats(1, 3, 4)],
      transposed,
      'a product of matrices: expected shape [2, 3, 4], got [1, 3, 4]',
    ],
    [
      'pairs',
      [floats(2, 3, 4), floats(2, 3, 5)],
      pairs,
      'sums of pairs: expected shape [2, 3, 4], got [2, 3, 5]',
    ],
    [
      'masks',
      [floats(3, 2, 5), { ...floats(3, 4, 1), mask }],
      softmax(false),
      'a mask of keys: expected shape [3, 5], got [3, 4]',
    ],
  ])('%s', (_name, inputs, compute, message) => {
    expectError(() => runStep(truth, { inputs, compute }), 'BAD_SHAPE', message)
  })
})
