/** CTC against the enumeration of all alignments, and its gradient against differences. */
import { describe, expect, it } from 'vitest'
import { maskOf } from '../../test/fixtures/cases.ts'
import { loadFixture } from '../../test/fixtures/load.ts'
import { expectError, expectGradients, runStep, type Values } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Context } from './context.ts'
import { ctcNegativeLogLikelihood } from './ctc.ts'
import { ctcBeamDecode, ctcGreedyDecode } from './ctc-decode.ts'
import { type NestedArray, type Tensor, tensor } from './tensor.ts'

const [b, t, k] = [4, 5, 3]
const random = new Random(9)
const x: Values = { shape: [b, t, k], data: random.uniform(b * t * k, -2, 2) }
const settings = { blank: 0, zeroInfinity: true, reduction: 'sum' as const }

const masks: Record<string, number[] | null> = {
  'no mask': null,
  'right padding': [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0],
  gaps: [0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1],
  'a row without steps': [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1],
}

/** All sequences of `length` classes. */
function alignments(length: number): number[][] {
  if (length === 0) return [[]]
  return alignments(length - 1).flatMap((row) => [0, 1, 2].map((c) => [...row, c]))
}

/** Repeats merged, then blanks left out. */
const collapse = (row: number[], blank: number) =>
  row.filter((c, i) => c !== row[i - 1]).filter((c) => c !== blank)

/** The probability of every labelling of row r, by its labels joined. */
function labellings(r: number, mask: number[] | null, blank: number): Map<string, number> {
  const steps = [0, 1, 2, 3, 4].filter((step) => !mask || mask[r * t + step])
  const probability = (step: number, c: number) => {
    const row = [0, 1, 2].map((i) => Math.exp(x.data[(r * t + step) * k + i]))
    return row[c] / (row[0] + row[1] + row[2])
  }
  const found = new Map<string, number>()
  for (const row of alignments(steps.length)) {
    const product = row.reduce((all, c, s) => all * probability(steps[s], c), 1)
    const key = collapse(row, blank).join()
    found.set(key, (found.get(key) ?? 0) + product)
  }
  return found
}

const targets: [blank: number, rows: number[][]][] = [
  [0, [[1, 2], [1], [2, 1], [1, 2, 1]]],
  [0, [[1, 1], [2, 2], [], [1, 2, 2]]],
  [2, [[0, 1, 0], [], [1], [0, 0]]],
]
const padded = (rows: number[][]): Values => {
  const width = Math.max(...rows.map((row) => row.length))
  const data = rows.flatMap((row) => [...row, ...new Array(width - row.length).fill(-1)])
  return { shape: [rows.length, width], dtype: 'int32', data }
}

const lossOf =
  (blank: number, weights: Float32Array | null, reduction: 'sum' | 'mean' = 'sum') =>
  (ctx: Context, [logits, labels]: readonly Tensor[]) => {
    const value = ctx.empty([1])
    const options = { ...settings, blank, reduction }
    value.values[0] = ctcNegativeLogLikelihood(ctx, logits, labels, weights, options)
    return [value]
  }

describe.each(Object.entries(masks))('%s', (_name, mask) => {
  it.each(targets)('blank %i, labels %j', (blank, rows) => {
    const inputs = [{ ...x, mask }, padded(rows)]
    rows.forEach((labels, r) => {
      const alone = Float32Array.from(rows, (_, i) => (i === r ? 1 : 0))
      const { outputs } = runStep(truth, { inputs, compute: lossOf(blank, alone) })
      const probability = labellings(r, mask, blank).get(labels.join())
      const expected = probability === undefined ? 0 : -Math.log(probability)
      expectClose(outputs[0], [expected], { relative: 1e-11, absolute: 1e-12 }, `row ${r}`)
    })
    const weights = Float32Array.of(1, 0.5, 2, 1)
    expectGradients({ inputs, compute: lossOf(blank, weights), seeds: [[1]] })
    const twice = (ctx: Context, tensors: readonly Tensor[]) =>
      [null, weights].flatMap((w) => lossOf(blank, w, 'mean')(ctx, tensors))
    expectGradients({ inputs, compute: twice, seeds: [[1], [1]] })
  })
})

describe('PyTorch', () => {
  it.each(loadFixture('pytorch/ctc.json').cases)('$name', ({ options, arrays }) => {
    const blank = options.blank as number
    const reduction = options.reduction as 'mean' | 'sum'
    const rows = arrays.lengths.data.length
    const mask = maskOf({ name: '', options, arrays })
    const inputs: Values[] = [
      { ...arrays.x, mask },
      { ...arrays.labels, dtype: 'int32' },
    ]
    const { outputs, inputGradients } = runStep(truth, {
      inputs,
      compute: lossOf(blank, null, reduction),
    })
    const near = { relative: 2e-7, ofLargest: 1e-7, absolute: 1e-12 }
    expectClose(outputs[0], arrays.loss.data, near, 'loss')
    expectClose(inputGradients[0], arrays.dx.data, near, 'dx')
    // -1 stands for infinity, which is left out here.
    arrays.losses.data.forEach((loss, r) => {
      const alone = Float32Array.from({ length: rows }, (_, i) => (i === r ? 1 : 0))
      const one = runStep(truth, { inputs, compute: lossOf(blank, alone) }, false)
      expectClose(one.outputs[0], [Math.max(loss, 0)], near, `loss ${r}`)
    })
  })
})

describe('decoding', () => {
  const scores = tensor(Float32Array.from(x.data), [...x.shape])
  const best = (r: number, blank: number) =>
    [...labellings(r, null, blank)].sort(([, p], [, q]) => q - p)

  it.each([0, 1, 2])(
    'a beam that holds everything finds the likeliest labels, blank %i',
    (blank) => {
      const found = ctcBeamDecode(scores, { blank, beamWidth: 1000, topPaths: 6 })
      found.forEach((paths, r) => {
        const expected = best(r, blank).slice(0, 6)
        expect(paths.map(({ labels }) => labels.join())).toEqual(expected.map(([key]) => key))
        paths.forEach(({ score }, i) => {
          expect(score).toBeCloseTo(Math.log(expected[i][1]), 5)
        })
      })
    },
  )

  it('greedy takes the likeliest alignment', () => {
    for (const [r, { labels, score }] of ctcGreedyDecode(scores, { blank: 1 }).entries()) {
      const rows = [0, 1, 2, 3, 4].map((step) => {
        const row = [0, 1, 2].map((c) => Math.fround(x.data[(r * t + step) * k + c]))
        const norm = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
        return row.map((value) => value - norm)
      })
      const path = rows.map((row) => row.indexOf(Math.max(...row)))
      expect(labels).toEqual(collapse(path, 1))
      expect(score).toBeCloseTo(
        rows.reduce((sum, row) => sum + Math.max(...row), 0),
        10,
      )
    }
  })

  it('a beam finds labels whose alignments are unlikely one by one', () => {
    // Two steps of blank 0.6, a 0.4: the best alignment is blank twice (0.36), but a has 0.64.
    const probabilities = [
      [
        [0.6, 0.4],
        [0.6, 0.4],
      ],
    ]
    const options = { fromLogits: false }
    expect(ctcGreedyDecode(probabilities, options)[0].labels).toEqual([])
    const [[first]] = ctcBeamDecode(probabilities, options)
    expect(first.labels).toEqual([1])
    expect(Math.exp(first.score)).toBeCloseTo(0.64, 12)
  })

  it('repeats need a blank between; a language model may change the order', () => {
    const sure = (labels: number[]) =>
      labels.map((c) => [0, 1, 2].map((i) => (i === c ? 0.9 : 0.05)))
    const options = { fromLogits: false }
    const rows = [sure([1, 1, 0, 1, 2]), sure([0, 2, 2])]
    expect(ctcGreedyDecode(rows, options).map(({ labels }) => labels)).toEqual([[1, 1, 2], [2]])
    const beams = ctcBeamDecode(rows, { ...options, beamWidth: 4 })
    expect(beams.map(([path]) => path.labels)).toEqual([[1, 1, 2], [2]])
    const extend = (prefix: readonly number[], label: number) =>
      label === 2 && prefix.at(-1) !== 1 ? Math.log(1e-6) : 0
    const [, [changed]] = ctcBeamDecode(rows, { ...options, extend })
    expect(changed.labels).not.toEqual([2])
  })

  it('takes lengths, ragged rows and empty ones', () => {
    const nested = [0, 1].map((r) =>
      [0, 1, 2, 3, 4].map((s) => [0, 1, 2].map((c) => x.data[(r * t + s) * k + c])),
    ) as NestedArray[]
    const cut = [nested[0], (nested[1] as NestedArray[]).slice(0, 2), []]
    const greedy = ctcGreedyDecode(scores, { lengths: [5, 2, 0, 1] })
    ctcGreedyDecode(cut).forEach(({ labels, score }, r) => {
      expect(labels).toEqual(greedy[r].labels)
      expect(score).toBeCloseTo(greedy[r].score, 5)
    })
    expect(ctcBeamDecode(cut)[2]).toEqual([{ labels: [], score: 0 }])
  })

  it('errors', () => {
    expectError(
      () => ctcGreedyDecode(scores, { blank: 3 }),
      'BAD_ARGUMENT',
      "ctcGreedyDecode 'blank': 3 is none of the 3 classes",
    )
    expectError(
      () => ctcBeamDecode(scores, { beamwidth: 3 } as never),
      'UNKNOWN_OPTION',
      "ctcBeamDecode: unknown option 'beamwidth'; did you mean 'beamWidth'?",
    )
    expectError(
      () => ctcGreedyDecode([[[1, 2], [3]]]),
      'BAD_SHAPE',
      'ctcGreedyDecode: expected scores of shape [null, null, null], got others',
    )
  })
})
