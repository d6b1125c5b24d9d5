import { describe, expect, it } from 'vitest'
import { camel } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random, sums } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { maskFromLengths } from '../tensor/mask.ts'
import { activate } from '../tensor/ops.ts'
import './ctc-loss.ts'
import { defineLoss } from './define-loss.ts'
import {
  binaryCrossentropy,
  categoricalCrossentropy,
  cosineSimilarity,
  huber,
  meanSquaredError,
  quantile,
  sparseCategoricalCrossentropy,
} from './loss-functions.ts'
import { type Batch, batchOf, lossOf } from './losses.case.ts'
import {
  computeLoss,
  type LossConfig,
  type LossName,
  lossNames,
  resolveLoss,
  takesLabels,
} from './losses.ts'
import { categoricalGeneralizedCrossEntropy, circle, dice, tversky } from './losses-more.ts'

const fixture = loadFixture('keras/losses.json')
const more = loadFixture('keras/losses-more.json')
const whole = loadFixture('keras/losses-whole.json')
const cases = [...fixture.cases, ...more.cases, ...whole.cases]

const reductions = [
  ['sum', 'Sum'],
  ['meanWithSampleWeight', 'MeanWithSampleWeight'],
] as const

const configOf = ({ options: { loss, precision: _, ...options } }: FixtureCase): LossConfig => ({
  name: camel(loss as string),
  ...(options as Partial<LossConfig>),
})

describe(`the losses of ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = (backend: Backend, test: FixtureCase) => {
    const { value, gradient } = lossOf(backend, configOf(test), batchOf(test))
    // At 0 and 1 the clip rounds, so both precisions are kept.
    const wide = backend.heap.floatBytes === 8 && 'lossSumOverBatchSizeFloat64' in test.arrays
    const suffix = wide ? 'Float64' : ''
    const edge = test.options.precision === 'float32'
    const tolerance = edge ? { relative: 2e-5, absolute: 1e-6 } : sums
    const { arrays } = test
    expectClose([value], arrays[`lossSumOverBatchSize${suffix}`].data, tolerance, 'loss')
    expectClose(gradient, arrays[`dSumOverBatchSize${suffix}`].data, tolerance, 'gradient')
    for (const [reduction, key] of reductions) {
      if (!(`loss${key}${suffix}` in arrays)) continue
      const reduced = lossOf(backend, { ...configOf(test), reduction }, batchOf(test))
      expectClose([reduced.value], arrays[`loss${key}${suffix}`].data, tolerance, reduction)
      expectClose(reduced.gradient, arrays[`d${key}${suffix}`].data, tolerance, reduction)
    }
  }
  describe('reference float64', () => {
    for (const test of cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of cases) it(test.name, () => check(backend, test))
  })

  it('all have been compared', () => {
    const compared = new Set(cases.map((test) => configOf(test).name))
    expect(lossNames().filter((name) => !compared.has(name))).toEqual(['quantile'])
  })
})

describe('gradients by finite differences, in float64', () => {
  const random = new Random(31)
  const [b, t, c] = [2, 3, 4]
  const shape = [b, t, c]
  const logits = random.uniform(b * t * c, -2, 2)
  const labels = random.integers(b * t, c)
  const softmax = (row: number) => {
    const e = Array.from(logits.subarray(row * c, (row + 1) * c), Math.exp)
    const sum = e.reduce((a, x) => a + x)
    return e.map((x) => x / sum)
  }
  const probabilities = Array.from({ length: b * t }, (_, row) => softmax(row)).flat()
  const soft = Array.from({ length: b * t }, (_, row) => softmax((row + 1) % (b * t))).flat()
  const some = { mask: [1, 1, 0, 0, 1, 1], weights: [0.5, 2, 7, 7, 0, 1.25] }
  const taus = [0.1, 0.3, 0.5, 0.9]
  const smooth = [{}, { labelSmoothing: 0.2 }]
  const focal = [{}, { gamma: 1.5, alpha: 0.6, labelSmoothing: 0.1, fromLogits: true }]
  const variants: Record<string, Omit<LossConfig, 'name'>[]> = {
    binaryCrossentropy: [...smooth, { fromLogits: true }, { ...smooth[1], fromLogits: true }],
    categoricalCrossentropy: [...smooth, { fromLogits: true }, { ...smooth[1], fromLogits: true }],
    sparseCategoricalCrossentropy: [
      ...smooth,
      { fromLogits: true },
      { ...smooth[1], fromLogits: true, ignoreClass: 1 },
    ],
    huber: [{}, { delta: 0.3 }],
    quantile: [{ quantiles: taus }],
    binaryFocalCrossentropy: [...focal, { applyClassBalancing: true }],
    categoricalFocalCrossentropy: focal,
    categoricalGeneralizedCrossEntropy: [{}, { q: 0.8 }],
    dice: [{}, { axis: -1 }],
    tversky: [{}, { alpha: 0.3, beta: 1.2, axis: -1 }],
    circle: [],
  }
  const positive = /ross[eE]ntropy$|Divergence$|^(poisson|dice|tversky)$/
  for (const name of lossNames() as LossName[]) {
    const target = takesLabels({ name }) ? labels : soft
    const targetShape = takesLabels({ name }) ? [b, t] : shape
    for (const options of variants[name] ?? [{}]) {
      for (const extra of [{}, some]) {
        const what = [name, JSON.stringify(options), 'mask' in extra ? 'masked, weighted' : '']
        it(what.join(' '), () => {
          const probable = positive.test(name) && !options.fromLogits
          const prediction = Float64Array.from(probable ? probabilities : logits)
          const loss = { name, ...options }
          const batch = { shape, prediction, targetShape, target, ...extra }
          const { gradient } = lossOf(truth, loss, batch)
          const step = 1e-6
          const numeric = prediction.map((_, i) => {
            const at = (delta: number) => {
              const moved = prediction.slice()
              moved[i] += delta
              return lossOf(truth, loss, { ...batch, prediction: moved }).value
            }
            return (at(step) - at(-step)) / (2 * step)
          })
          expectClose(gradient, numeric, { relative: 1e-6, absolute: 1e-8 })
        })
      }
    }
  }
})

describe('losses of batches and pairs', () => {
  const random = new Random(34)

  it.each([
    ['dice along some dimensions', dice({ axis: [1, 2] }), [2, 3, 2], [2, 0.5]],
    ['dice across the batch', dice({ axis: 0 }), [3, 4], undefined],
    ['tversky of frames', tversky({ alpha: 0.8, axis: [2, -1] }), [2, 2, 2, 3], undefined],
    ['circle', circle(), [6, 4], [1, 2, 0, 0.5, 1, 1]],
    [
      'circle, options',
      circle({ gamma: 9, margin: 0.1, removeDiagonal: false }),
      [6, 4],
      undefined,
    ],
  ] as const)('%s: gradients by finite differences', (_name, loss, shape, weights) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const prediction = Float64Array.from(random.uniform(size, 0.1, 0.6))
    const labels = takesLabels(loss)
    const target = labels ? [-5, 90, 90, -5, 7, 90] : random.integers(size, 2)
    const batch = { shape, prediction, targetShape: labels ? [6] : shape, target, weights }
    const numeric = prediction.map((_, i) => {
      const at = (delta: number) => {
        const moved = prediction.slice()
        moved[i] += delta
        return lossOf(truth, loss, { ...batch, prediction: moved }).value
      }
      return (at(1e-6) - at(-1e-6)) / 2e-6
    })
    expectClose(lossOf(truth, loss, batch).gradient, numeric, { relative: 1e-6, absolute: 1e-8 })
  })

  it('circle: a row alone does not count, and has no gradient', () => {
    const batch = (labels: number[]) => ({
      shape: [3, 2],
      prediction: [1, 0, 0.6, 0.8, 0, 1],
      targetShape: [3],
      target: labels,
    })
    const { value, gradient } = lossOf(truth, circle({ gamma: 2 }), batch([1, 1, 2]))
    // Of a pair at cosine 0.6, the other at 0 or 0.8: log(1 + e^(p + n)).
    const [p, far, near] = [-2 * (0.8 * 0), 2 * 0.4 * (0.6 - 1), 2 * 1.2 * (0.6 - 0.2)]
    const of = (n: number) => Math.log(1 + Math.exp(p + n))
    expect(value).toBeCloseTo((of(far) + of(near)) / 2, 12)
    expect(gradient.every(Number.isFinite)).toBe(true)
    const alone = lossOf(truth, circle(), batch([1, 2, 3]))
    expect(alone).toEqual({ value: 0, gradient: new Float64Array(6) })
    expect(lossOf(truth, circle(), batch([4, 4, 4])).value).toBe(0)
  })

  it('options and shapes that will not do', () => {
    const batch = { shape: [2, 3, 2], prediction: new Array(12).fill(0.5) }
    const run = (loss: LossConfig, given: Partial<Batch>) => () =>
      lossOf(truth, loss, { ...batch, targetShape: [2, 3, 2], target: batch.prediction, ...given })
    for (const axis of [[], [0, 0], 3, [1, -2], 0.5]) {
      expect(run(dice({ axis }), {})).toThrow(
        "loss 'dice' 'axis': expected null or dimensions of the output [2, 3, 2], got ",
      )
    }
    const mask = [1, 1, 0, 1, 1, 1]
    expect(run(dice({ axis: [1, 2] }), { mask })).toThrow(
      "loss 'dice' 'axis' [1, 2]: the output [2, 3, 2] has masked steps; axis: -1 leaves them out",
    )
    expect(run(tversky({ axis: [1, 2] }), { weights: [1, 2, 1, 1, 1, 1] })).toThrow(
      "'sampleWeight': loss 'tversky' with 'axis' [1, 2] takes one weight for each of the values of [2]",
    )
    expect(run(tversky({ axis: 0 }), { weights: [1, 1] })).toThrow("'sampleWeight'")
    expect(run(dice(), { targetShape: [2, 3], target: new Array(6).fill(1) })).toThrow(
      "'y': expected shape [2, 3, 2], got [2, 3]",
    )
    expect(run(circle(), { targetShape: [2, 3], target: new Array(6).fill(1) })).toThrow(
      "the output of 'circle': expected shape [null, null], got [2, 3, 2]",
    )
    for (const q of [0, 1, Number.NaN]) {
      expect(() => resolveLoss(categoricalGeneralizedCrossEntropy({ q }))).toThrow(
        "loss 'categoricalGeneralizedCrossEntropy' 'q': expected a number between 0 and 1, got ",
      )
    }
    expect(() => resolveLoss(tversky({ alpha: -1 }))).toThrow("loss 'tversky' 'alpha'")
    expect(() => resolveLoss(circle({ alpha: 1 } as never))).toThrow("unknown option 'alpha'")
  })
})

describe('an activation right before the loss is undone', () => {
  const random = new Random(32)
  const prediction = random.uniform(5 * 3, -3, 3)
  const batch: Batch = {
    shape: [5, 3],
    prediction,
    targetShape: [5, 3],
    target: [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0],
    weights: [1, 0.5, 0, 2, 1],
  }
  const pairs = [
    ['binaryCrossentropy', 'sigmoid'],
    ['categoricalCrossentropy', 'softmax'],
  ] as const
  /** The same through the probabilities: the gradient of the loss by that of the activation. */
  const throughProbabilities = (name: LossName, activation: string, backend: Backend) => {
    const arena = new Arena(backend.heap)
    const ctx = new Context(backend, arena, { training: true })
    const logits = arena.tensor(batch.shape)
    logits.values.set(batch.prediction)
    logits.tracked = true
    const output = activate(ctx, activation, logits)
    output.logits = null
    const target = arena.tensor(batch.targetShape)
    target.values.set(batch.target)
    const weights = Float32Array.from(batch.weights!)
    const value = computeLoss(ctx, { name }, output, target, weights)
    ctx.backward()
    return { value, gradient: Float64Array.from(ctx.gradientOf(logits).values) }
  }
  for (const [name, activation] of pairs) {
    it(`${name} of ${activation} is what the probabilities give`, () => {
      const direct = lossOf(truth, { name }, batch, activation)
      const indirect = throughProbabilities(name, activation, truth)
      expect(direct.value).toBeCloseTo(indirect.value, 12)
      expectClose(direct.gradient, indirect.gradient, { relative: 1e-10, absolute: 1e-13 })
      const fromLogits = lossOf(truth, { name, fromLogits: true }, batch)
      expect(direct).toEqual(fromLogits)
    })
  }

  it('has a gradient where the probability rounds to 0 or 1', () => {
    const saturated = { shape: [1, 2], prediction: [60, -60], targetShape: [1, 2], target: [0, 1] }
    const { value, gradient } = lossOf(truth, { name: 'binaryCrossentropy' }, saturated, 'sigmoid')
    expect(value).toBeCloseTo(60, 12)
    expectClose(gradient, [0.5, -0.5], { relative: 1e-12 })
  })

  it('only for the activation that belongs to the loss', () => {
    const direct = lossOf(truth, { name: 'meanSquaredError' }, batch, 'sigmoid')
    const indirect = throughProbabilities('meanSquaredError', 'sigmoid', truth)
    expect(direct).toEqual(indirect)
  })
})

describe('the reduction', () => {
  const squared = (shape: number[], prediction: number[], extra: Partial<Batch> = {}) =>
    lossOf(
      truth,
      { name: 'meanSquaredError' },
      { shape, prediction, targetShape: shape, target: prediction.map(() => 0), ...extra },
    )

  it('divides the weighted sum by the number of rows, not by the sum of the weights', () => {
    expect(squared([2, 1], [3, 5], { weights: [1, 0.5] }).value).toBe((9 + 12.5) / 2)
  })

  it('leaves masked steps out of sum and number', () => {
    const { value, gradient } = squared([1, 3, 1], [1, 2, 4], { mask: [1, 1, 0] })
    expect(value).toBe((1 + 4) / 2)
    expect([...gradient]).toEqual([1, 2, 0])
  })

  it('is 0, not NaN, where every step is masked or every weight is 0', () => {
    expect(squared([1, 2, 1], [1, 2], { mask: [0, 0] })).toEqual({
      value: 0,
      gradient: Float64Array.of(0, 0),
    })
    expect(squared([2, 1], [1, 2], { weights: [0, 0] }).value).toBe(0)
  })

  it('a row of weight 0 does not count, even if its loss is infinite', () => {
    expect(squared([2, 1], [1, 1e200], { weights: [1, 0] }).value).toBe(0.5)
  })

  it('sums, or divides by the sum of the weights, and masks leave steps out of both', () => {
    const reduced = (reduction: 'sum' | 'meanWithSampleWeight', extra: Partial<Batch>) => {
      const batch = { shape: [1, 3, 1], targetShape: [1, 3, 1], target: [0, 0, 0], ...extra }
      const loss = { name: 'meanSquaredError', reduction }
      return lossOf(truth, loss, { prediction: [1, 2, 4], ...batch }).value
    }
    const some = { weights: [1, 0.5, 8], mask: [1, 1, 0] }
    expect(reduced('sum', {})).toBe(1 + 4 + 16)
    expect(reduced('sum', some)).toBe(1 + 0.5 * 4)
    expect(reduced('meanWithSampleWeight', {})).toBe(7)
    expect(reduced('meanWithSampleWeight', some)).toBe((1 + 0.5 * 4) / 1.5)
    expect(reduced('meanWithSampleWeight', { weights: [0, 0, 0] })).toBe(0)
    const own = defineLoss({
      name: 'own',
      reduction: 'sum',
      value: (_, yPred) => yPred[0],
      gradient: (_, __, out) => {
        out[0] = 1
      },
    })
    const batch = { shape: [2, 1], prediction: [3, 4], targetShape: [2, 1], target: [0, 0] }
    expect(lossOf(truth, own, batch)).toEqual({ value: 7, gradient: Float64Array.of(1, 1) })
  })

  it('is one of three', () => {
    const none = { reduction: 'none' } as never
    expect(() => resolveLoss(meanSquaredError(none))).toThrow(
      "loss 'meanSquaredError' 'reduction': unknown 'none'; known: sumOverBatchSize, sum, meanWith",
    )
    const own = { name: 'own', value: () => 0, gradient: () => {} }
    expect(() => resolveLoss(defineLoss({ ...own, reduction: 'sums' as never }))).toThrow(
      "loss 'own' 'reduction': unknown 'sums'; did you mean 'sum'?",
    )
  })
})

it("a loss's weight among several is in its gradient, whatever the reduction", () => {
  const random = new Random(35)
  const ids = { shape: [2, 4, 3], prediction: random.uniform(24, -1, 1), weights: [0.5, 2] }
  const labels = { targetShape: [2, 2], target: [1, 2, 2, 0] }
  const numbers = { targetShape: [2, 4, 3], target: random.uniform(24, 0, 1) }
  for (const reduction of ['sumOverBatchSize', 'meanWithSampleWeight', 'sum', 'mean'] as const) {
    for (const name of ['ctc', 'meanSquaredError', 'dice']) {
      if (reduction === 'mean' && name !== 'ctc') continue
      const batch = { ...ids, ...(name === 'ctc' ? labels : numbers) }
      const plain = lossOf(truth, { name, reduction }, batch)
      const weighed = lossOf(truth, { name, reduction }, { ...batch, factor: 0.25 })
      expect(weighed.value).toBeCloseTo(plain.value, 6)
      const quarter = plain.gradient.map((value) => value / 4)
      expectClose(weighed.gradient, quarter, { relative: 1e-6 })
    }
  }
})

describe('another dimension than the last', () => {
  const random = new Random(33)
  const shape = [2, 3, 4]
  const prediction = random.uniform(24, -1, 1)
  const labels = random.integers(8, 3)
  const oneHot = Array.from({ length: 24 }, (_, i) => {
    const [b, c, t] = [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4]
    return Number(labels[b * 4 + t] === c)
  })

  it('class numbers are what their one-hot targets are, whose shape lacks it', () => {
    const weights = random.uniform(8, 0, 2)
    const options = { axis: 1, fromLogits: true, labelSmoothing: 0.1 }
    const sparse = sparseCategoricalCrossentropy(options)
    const given = { shape, prediction, target: labels, weights }
    const dense = { shape, prediction, targetShape: shape, target: oneHot, weights }
    const wanted = lossOf(truth, categoricalCrossentropy(options), dense)
    for (const targetShape of [
      [2, 4],
      [2, 1, 4],
    ]) {
      expect(lossOf(truth, sparse, { ...given, targetShape })).toEqual(wanted)
    }
  })

  it('gradients by finite differences', () => {
    const weights = random.uniform(8, 0, 2)
    const batch = { shape, prediction, targetShape: shape, target: oneHot, weights }
    for (const loss of [
      cosineSimilarity({ axis: -2 }),
      categoricalCrossentropy({ axis: 1, fromLogits: true }),
    ]) {
      const numeric = prediction.map((_, i) => {
        const at = (delta: number) => {
          const moved = Float64Array.from(prediction)
          moved[i] += delta
          return lossOf(truth, loss, { ...batch, prediction: moved }).value
        }
        return (at(1e-6) - at(-1e-6)) / 2e-6
      })
      expectClose(lossOf(truth, loss, batch).gradient, numeric, { relative: 1e-6, absolute: 1e-8 })
    }
  })

  it('is neither the batch nor beyond the last, and takes no mask', () => {
    const batch = { shape, prediction, targetShape: shape, target: oneHot }
    for (const axis of [0, 3, -3, 0.5]) {
      expect(() => lossOf(truth, cosineSimilarity({ axis }), batch)).toThrow(
        `'axis': expected a dimension of the output [2, 3, 4] from 1 to 2 or -1 to -2, got ${axis}`,
      )
    }
    expect(lossOf(truth, cosineSimilarity({ axis: 2 }), batch)).toEqual(
      lossOf(truth, cosineSimilarity(), batch),
    )
    const mask = [1, 1, 0, 1, 1, 1]
    expect(() => lossOf(truth, cosineSimilarity({ axis: 1 }), { ...batch, mask })).toThrow(
      "'axis' 1: the output [2, 3, 4] has masked steps, and a mask does not fit what is left",
    )
    const short = { ...batch, targetShape: [2, 4, 3] }
    expect(() => lossOf(truth, cosineSimilarity({ axis: 1 }), short)).toThrow(
      "'y': expected shape [2, 3, 4], got [2, 4, 3]",
    )
  })
})

describe('targets that do not fit', () => {
  const textOf = (loss: LossConfig, shape: number[], targetShape: number[], target: number[]) => {
    const prediction = new Float64Array(shape.reduce((a, n) => a * n)).fill(0.5)
    try {
      lossOf(truth, loss, { shape, prediction, targetShape, target })
    } catch (error) {
      return String(error)
    }
    return 'no error'
  }

  it('are named with both shapes', () => {
    expect(textOf({ name: 'meanSquaredError' }, [2, 3], [2, 2], [0, 0, 0, 0])).toBe(
      "RefrainError: 'y': expected shape [2, 3], got [2, 2]",
    )
    expect(textOf({ name: 'categoricalCrossentropy' }, [2, 3], [2], [0, 1])).toBe(
      "RefrainError: 'y': expected shape [2, 3], got [2]; " +
        "for class numbers use 'sparseCategoricalCrossentropy'",
    )
    expect(
      textOf({ name: 'sparseCategoricalCrossentropy' }, [2, 3], [2, 3], [0, 0, 0, 0, 0, 0]),
    ).toBe("RefrainError: 'y' (class numbers): expected shape [2], got [2, 3]")
  })

  it('class numbers out of range are named', () => {
    expect(textOf({ name: 'sparseCategoricalCrossentropy' }, [2, 3], [2], [0, 3])).toBe(
      "RefrainError: 'y': expected class numbers from 0 to 2, got 3; " +
        'the last layer has as many units as there are classes',
    )
    expect(textOf({ name: 'sparseCategoricalCrossentropy' }, [2, 3], [2], [0, -1])).toContain(
      'got -1',
    )
  })

  it('masked steps may hold any class number', () => {
    const arena = new Arena(truth.heap)
    const ctx = new Context(truth, arena)
    const prediction = arena.tensor([1, 3, 2])
    prediction.values.fill(0.5)
    prediction.mask = maskFromLengths(arena, [2], 3)
    const target = arena.tensor([1, 3], 'int32')
    target.ints.set([0, 1, -1])
    const loss = resolveLoss('sparseCategoricalCrossentropy')
    expect(computeLoss(ctx, loss, prediction, target, null)).toBeCloseTo(Math.log(2), 12)
  })

  it('a single output takes targets with or without the last dimension', () => {
    const batch = { shape: [2, 1], prediction: [1, 2], target: [3, 4] }
    const mse = { name: 'meanSquaredError' } as const
    const flat = lossOf(truth, mse, { ...batch, targetShape: [2] })
    expect(flat).toEqual(lossOf(truth, mse, { ...batch, targetShape: [2, 1] }))
    expect(flat.value).toBe(4)
  })
})

describe('quantile', () => {
  const quantiles = [0.25, 0.5, 0.75]
  const shape = [2, 3]
  const prediction = [1, 2, 3, -1, 0, 4]

  it('is the pinball loss of each quantile, by one target or three', () => {
    // Targets 2 and 1: (¼·1 + ½·0 + ¼·1) / 3 and (¼·2 + ½·1 + ¼·3) / 3.
    const one = { shape, prediction, targetShape: [2], target: [2, 1] }
    const { value, gradient } = lossOf(truth, { name: 'quantile', quantiles }, one)
    expect(value).toBeCloseTo((0.5 + 1.75) / 3 / 2, 14)
    const slopes = [-0.25, 0, 0.25, -0.25, -0.5, 0.25].map((slope) => slope / 6)
    expectClose(gradient, slopes, { relative: 1e-14 })
    const column = lossOf(truth, { name: 'quantile', quantiles }, { ...one, targetShape: [2, 1] })
    expect(column.value).toBe(value)
    const each = { ...one, targetShape: shape, target: [2, 2, 2, 1, 1, 1] }
    expect(lossOf(truth, { name: 'quantile', quantiles }, each)).toEqual({ value, gradient })
  })

  it('needs an output for each quantile', () => {
    const batch = { shape: [2, 2], prediction: [0, 0, 0, 0], targetShape: [2], target: [0, 0] }
    expect(() => lossOf(truth, { name: 'quantile', quantiles }, batch)).toThrow(
      "the output of 'quantile': expected shape [2, 3], got [2, 2]",
    )
    expect(() => resolveLoss('quantile')).toThrow(
      "loss 'quantile': expected quantiles between 0 and 1, got undefined",
    )
    expect(() => resolveLoss(quantile({ quantiles: [0.5, 1] }))).toThrow('got [0.5, 1]')
  })
})

describe('label smoothing of class numbers', () => {
  it('is that of their one-hot targets', () => {
    const prediction = [0.2, 1, -1, 3, 0, 2]
    const dense = { shape: [2, 3], prediction, targetShape: [2, 3], target: [0, 0, 1, 1, 0, 0] }
    const sparse = { shape: [2, 3], prediction, targetShape: [2], target: [2, 0] }
    for (const fromLogits of [true, false]) {
      const options = { labelSmoothing: 0.3, fromLogits }
      const batch = { prediction: fromLogits ? prediction : [0.2, 0.3, 0.5, 0.1, 0.2, 0.7] }
      const one = lossOf(truth, categoricalCrossentropy(options), { ...dense, ...batch })
      const other = lossOf(truth, sparseCategoricalCrossentropy(options), { ...sparse, ...batch })
      expect(other).toEqual(one)
    }
  })
})

describe('a loss of your own', () => {
  const quartic = defineLoss({
    name: 'quartic',
    value: (yTrue, yPred) => (yPred[0] - yTrue[0]) ** 4,
    gradient(yTrue, yPred, out) {
      out[0] = 4 * (yPred[0] - yTrue[0]) ** 3
    },
  })

  it('has masks, weights and the mean over rows as all others', () => {
    const batch = {
      shape: [1, 3, 1],
      prediction: [1, 2, 3],
      targetShape: [1, 3, 1],
      target: [0, 0, 1],
      mask: [1, 0, 1],
      weights: [2, 1, 0.5],
    }
    const { value, gradient } = lossOf(truth, quartic, batch)
    expect(value).toBe((2 * 1 + 0.5 * 16) / 2)
    expect([...gradient]).toEqual([4, 0, 8])
  })

  it('may take class numbers', () => {
    const wrong = defineLoss({
      name: 'wrong',
      labels: true,
      value: (yTrue, yPred) => 1 - yPred[yTrue[0]],
      gradient: (yTrue, _, out) => {
        out[yTrue[0]] = -1
      },
    })
    const batch = {
      shape: [2, 2],
      prediction: [0.1, 0.9, 0.4, 0.6],
      targetShape: [2],
      target: [1, 0],
    }
    const { value, gradient } = lossOf(truth, wrong, batch)
    expect(value).toBeCloseTo((0.1 + 0.6) / 2, 14)
    expect([...gradient]).toEqual([0, -0.5, -0.5, 0])
  })

  it('written with operations is what the one in numbers is', () => {
    const computed = defineLoss({
      name: 'quartic',
      compute: ({ yTrue, yPred, ops }) =>
        ops.mean(ops.square(ops.square(ops.subtract(yPred, yTrue)))),
    })
    const batch = {
      shape: [1, 3, 1],
      prediction: [1, 2, 3.5],
      targetShape: [1, 3],
      target: [0, 0, 1],
      mask: [1, 0, 1],
      weights: [2, 1, 0.5],
    }
    expect(lossOf(truth, computed, batch)).toEqual(lossOf(truth, quartic, batch))
    const logits = { ...batch, mask: undefined }
    const [one, other] = [computed, quartic].map((loss) => lossOf(truth, loss, logits, 'sigmoid'))
    expect(one.value).toBeCloseTo(other.value, 12)
    expectClose(one.gradient, other.gradient, { relative: 1e-12 })
    const wrong = defineLoss({ name: 'whole', compute: ({ yPred }) => yPred })
    const whole = { shape: [1, 1, 3], targetShape: [1, 1, 3] }
    expect(() =>
      lossOf(truth, wrong, { ...batch, ...whole, mask: undefined, weights: undefined }),
    ).toThrow("loss 'whole': one number for each row: expected shape [1, 1], got [1, 1, 3]")
  })

  it('needs a name and functions', () => {
    expect(() => defineLoss({ name: 'half', value: () => 0 } as never)).toThrow(
      'defineLoss: expected a name, and compute or value and gradient, got { name, value }',
    )
  })
})

describe('names', () => {
  it('an unknown loss or option names the nearest', () => {
    expect(() => resolveLoss('binaryCrossEntropy' as never)).toThrow(
      "loss: unknown loss 'binaryCrossEntropy'; did you mean 'binaryCrossentropy'?",
    )
    expect(() => resolveLoss('wasserstein' as never)).toThrow(
      "loss: unknown loss 'wasserstein'; known: binaryCrossentropy, categoricalCrossentropy, ",
    )
    expect(() => resolveLoss(huber({ delta: -1 }))).toThrow(
      "loss 'huber' 'delta': expected a finite number of at least 0, got -1",
    )
    expect(() => resolveLoss(binaryCrossentropy({ labelSmoothing: 2 }))).toThrow(
      "loss 'binaryCrossentropy' 'labelSmoothing': expected a finite number from 0 to 1, got 2",
    )
    expect(() => resolveLoss(undefined as never)).toThrow('loss: unknown loss undefined')
    expect(() => resolveLoss('constructor' as never)).toThrow("unknown loss 'constructor'")
    expect(() => resolveLoss({ name: 'binaryCrossentropy', logits: true } as never)).toThrow(
      "loss 'binaryCrossentropy': unknown option 'logits'; known: name, reduction, fromLogits, labelSmoothing, axis",
    )
    expect(() => resolveLoss(binaryCrossentropy({ fromLogit: true } as never))).toThrow(
      "unknown option 'fromLogit'; did you mean 'fromLogits'?",
    )
  })
})
