/** The CRF against the enumeration of all its paths, and its gradients against differences. */
import { describe, expect, it } from 'vitest'
import { expectGradients, runStep, type Values } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Context } from './context.ts'
import { crfNegativeLogLikelihood, crfPath } from './crf.ts'
import { crfKBest, crfMarginals } from './crf-paths.ts'
import type { Tensor } from './tensor.ts'

const [b, t, k] = [4, 4, 3]
const masks: Record<string, number[] | null> = {
  'no mask': null,
  'right padding': [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0],
  gaps: [1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0],
  'a row without steps': [1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1],
}
const random = new Random(3)
const draws = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(
    shape.reduce((product, n) => product * n, 1),
    -2,
    2,
  ),
})
const x = draws(b, t, k)
const [transitions, start, end] = [draws(k, k), draws(k), draws(k)]
const labels: Values = { shape: [b, t], dtype: 'int32', data: random.integers(b * t, k) }
const weights = Float32Array.of(1, 0.5, 2, 1.5)

/** The steps of row r that count. */
const stepsOf = (mask: number[] | null, r: number) =>
  Array.from({ length: t }, (_, step) => step).filter((step) => !mask || mask[r * t + step])

function score(r: number, steps: number[], path: readonly number[]): number {
  if (steps.length === 0) return 0
  let sum = start.data[path[0]] + end.data[path[path.length - 1]]
  steps.forEach((step, s) => {
    sum += x.data[(r * t + step) * k + path[s]]
    if (s > 0) sum += transitions.data[path[s - 1] * k + path[s]]
  })
  return sum
}

/** Every path of `length` steps. */
function allPaths(length: number): number[][] {
  if (length === 0) return [[]]
  return allPaths(length - 1).flatMap((path) => [0, 1, 2].map((label) => [...path, label]))
}

function logZ(r: number, steps: number[]): number {
  return Math.log(
    allPaths(steps.length).reduce((sum, path) => sum + Math.exp(score(r, steps, path)), 0),
  )
}

const scoresOf = ([, a, s, e]: readonly Tensor[]) => ({ transitions: a, start: s, end: e })

describe.each(Object.entries(masks))('%s', (_name, mask) => {
  const inputs = [{ ...x, mask }, transitions, start, end, labels]
  const loss = (ctx: Context, tensors: readonly Tensor[]) => {
    const value = ctx.empty([1])
    const [emissions, , , , wanted] = tensors
    value.values[0] = crfNegativeLogLikelihood(ctx, emissions, scoresOf(tensors), wanted, weights)
    return [value]
  }

  it('the loss is that of all paths enumerated', () => {
    let expected = 0
    for (let r = 0; r < b; r++) {
      const steps = stepsOf(mask, r)
      const path = steps.map((step) => labels.data[r * t + step])
      const one = steps.length === 0 ? 0 : logZ(r, steps) - score(r, steps, path)
      expected += (weights[r] * one) / b
    }
    const { outputs } = runStep(truth, { inputs, compute: loss })
    expectClose(outputs[0], [expected], { relative: 1e-12 }, 'loss')
  })

  it('its gradients are those of differences', () => {
    expectGradients({ inputs, compute: loss, seeds: [[1]] })
  })

  it('adds to gradients that are there', () => {
    const twice = (ctx: Context, tensors: readonly Tensor[]) => [
      ...loss(ctx, tensors),
      ...loss(ctx, tensors),
    ]
    expectGradients({ inputs, compute: twice, seeds: [[1], [1]] })
  })

  it('the path is the best of all', () => {
    let paths: Int32Array | null = null
    runStep(truth, {
      inputs,
      compute: (ctx, tensors) => {
        paths = crfPath(ctx, tensors[0], scoresOf(tensors)).ints.slice()
        return []
      },
    })
    for (let r = 0; r < b; r++) {
      const steps = stepsOf(mask, r)
      const best = bestPaths(r, steps)[0]
      const expected = new Array(t).fill(0)
      steps.forEach((step, s) => {
        expected[step] = best[s]
      })
      expect([...paths!.subarray(r * t, (r + 1) * t)]).toEqual(expected)
    }
  })
})

const bestPaths = (r: number, steps: number[]) =>
  allPaths(steps.length).sort((p, q) => score(r, steps, q) - score(r, steps, p))

describe('paths of rows', () => {
  const [arcs, first, last] = [transitions, start, end].map(({ data }) => Float64Array.from(data))
  const chain = { labels: k, transitions: arcs, start: first, end: last }
  const row = (r: number) => Float64Array.from(x.data).subarray(r * t * k, (r + 1) * t * k)
  const steps = [0, 1, 2, 3]

  it('the k best are the first of all, with their probabilities', () => {
    for (const count of [1, 2, 7, 81, 100]) {
      const expected = bestPaths(1, steps).slice(0, count)
      const found = crfKBest(row(1), chain, count)
      expect(found.map(({ path }) => path)).toEqual(expected)
      found.forEach(({ path, score: value, probability }) => {
        expect(value).toBeCloseTo(score(1, steps, path), 12)
        expect(probability).toBeCloseTo(Math.exp(value - logZ(1, steps)), 12)
      })
    }
  })

  it('leave out what is illegal', () => {
    const strict = { ...chain, transitions: arcs.map((arc, i) => (i % 4 === 1 ? -Infinity : arc)) }
    const legal = (path: number[]) =>
      path.every((label, s) => s === 0 || (path[s - 1] * k + label) % 4 !== 1)
    const expected = bestPaths(0, steps).filter(legal)
    const found = crfKBest(row(0), strict, 100)
    expect(found.map(({ path }) => path)).toEqual(expected)
    expect(found.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12)
    const marginals = crfMarginals([row(0)], strict)
    const sums = new Float64Array(t * k)
    for (const { path, probability } of found) {
      path.forEach((label, s) => {
        sums[s * k + label] += probability
      })
    }
    expectClose(marginals.values, sums, { relative: 1e-10, absolute: 1e-12 }, 'marginals')
    expect(crfKBest(row(0), { ...chain, start: first.map(() => -Infinity) }, 2)).toEqual([])
  })

  it('marginals are the shares of paths with a label', () => {
    const marginals = crfMarginals([row(2), row(3).subarray(0, 2 * k)], chain)
    expect(marginals.shape).toEqual([2, t, k])
    const expected = new Float64Array(2 * t * k)
    for (const [at, r, used] of [
      [0, 2, steps],
      [1, 3, [0, 1]],
    ] as const) {
      const z = logZ(r, [...used])
      for (const path of allPaths(used.length)) {
        const probability = Math.exp(score(r, [...used], path) - z)
        path.forEach((label, s) => {
          expected[(at * t + s) * k + label] += probability
        })
      }
    }
    expectClose(marginals.values, expected, { relative: 1e-10, absolute: 1e-12 }, 'marginals')
  })

  it('of nothing is one empty path', () => {
    const empty = { path: [], score: 0, probability: 1 }
    expect(crfKBest(new Float64Array(0), chain, 3)).toEqual([empty])
  })
})
