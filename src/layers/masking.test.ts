/**
 * What masks promise, on random batches: padding a batch further changes no output and no gradient,
 * not by a bit; what stands at masked steps does not matter; rows do not know each other.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend, runLayers, type StepResult } from '../../test/harness.ts'
import { expectClose, Random, type Tolerance } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { bidirectional, type MergeMode } from './bidirectional.ts'
import { dense } from './dense.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import { globalAveragePooling1d, globalMaxPooling1d } from './pooling.ts'
import { timeDistributed } from './time-distributed.ts'

interface Batch {
  rows: number
  steps: number
  features: number
  units: number
  /** [B,T] */
  mask: number[]
  /** Further steps. */
  more: number
  seed: number
}

const batches = (gaps: boolean): fc.Arbitrary<Batch> =>
  fc
    .record({
      rows: fc.integer({ min: 1, max: 5 }),
      steps: fc.integer({ min: 1, max: 6 }),
      features: fc.constantFrom(1, 3, 8, 17),
      units: fc.constantFrom(1, 4, 5, 16, 19),
      more: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(),
    })
    .chain((sizes) => {
      const { rows, steps } = sizes
      const row = gaps
        ? fc.array(fc.integer({ min: 0, max: 1 }), { minLength: steps, maxLength: steps })
        : fc
            .integer({ min: 0, max: steps })
            .map((length) => Array.from({ length: steps }, (_, t) => (t < length ? 1 : 0)))
      return fc
        .array(row, { minLength: rows, maxLength: rows })
        .map((mask) => ({ ...sizes, mask: mask.flat() }))
    })

/** x [B,from,F] as [B,to,F], the new steps' elements by `fill`. */
function padSteps(
  x: ArrayLike<number>,
  [rows, from, features]: readonly [number, number, number],
  to: number,
  fill: () => number,
): Float64Array {
  const padded = Float64Array.from({ length: rows * to * features }, fill)
  const width = from * features
  for (let b = 0; b < rows; b++) {
    for (let i = 0; i < width; i++) padded[b * to * features + i] = x[b * width + i]
  }
  return padded
}

/** The first `to` steps of x [B,from,F]. */
const cutSteps = (x: Float64Array, rows: number, from: number, to: number) => {
  const features = x.length / rows / from
  return Float64Array.from({ length: rows * to * features }, (_, i) => {
    const row = Math.floor(i / (to * features))
    return x[row * from * features + (i % (to * features))]
  })
}

const mergeModes: MergeMode[] = ['concat', 'sum', 'mul', 'ave', 'none']
const layersOf: Record<string, (units: number) => Layer[]> = {
  lstm: (units) => [lstm({ units, returnState: true })],
  'lstm, sequences': (units) => [lstm({ units, returnSequences: true, returnState: true })],
  'lstm, backwards': (units) => [lstm({ units, goBackwards: true, returnState: true })],
  'lstm, composed': (units) => [lstm({ units, activation: 'softsign', returnSequences: true })],
  'lstm, dropout': (units) => [lstm({ units, dropout: 0.4 })],
  'lstm, recurrent dropout': (units) => [lstm({ units, recurrentDropout: 0.4 })],
  ...Object.fromEntries(
    mergeModes.flatMap((mergeMode) => [
      [
        `bidirectional, ${mergeMode}`,
        (units: number) => [bidirectional(lstm({ units, returnState: true }), { mergeMode })],
      ],
      [
        `bidirectional, ${mergeMode}, sequences`,
        (units: number) => [bidirectional(lstm({ units, returnSequences: true }), { mergeMode })],
      ],
    ]),
  ),
  'two layers': (units) => [
    bidirectional(lstm({ units, returnSequences: true })),
    lstm({ units: 3 }),
    dense({ units: 2 }),
  ],
  globalAveragePooling1d: () => [globalAveragePooling1d()],
  globalMaxPooling1d: () => [globalMaxPooling1d()],
  'dense and pooling': (units) => [
    timeDistributed(dense({ units, activation: 'tanh' })),
    globalAveragePooling1d(),
  ],
}

/** Seeds for the outputs of a run; none at the steps that are padding. */
function seedsOf(seed: number, shapes: readonly (readonly number[])[]) {
  const random = new Random(seed)
  return shapes.map((shape) => random.uniform(shape.reduce((product, n) => product * n, 1)))
}

function expectSame(
  found: readonly Float64Array[],
  expected: readonly Float64Array[],
  what: string,
  tolerance: Tolerance = { relative: 0 },
) {
  found.forEach((values, i) => {
    expectClose(values, expected[i], tolerance, `${what} ${i}`)
  })
}

const run = (
  backend: Backend,
  layers: Layer[],
  { rows, features, seed }: Batch,
  steps: number,
  data: ArrayLike<number>,
  mask: ArrayLike<number> | null,
  seeds?: Float64Array[],
): StepResult =>
  runLayers(backend, layers, {
    inputs: [{ shape: [rows, steps, features], data, mask }],
    seeds,
    training: true,
    random: { seed, step: 1 },
  })

function suite(backend: Backend) {
  describe.each([
    ['right padding', false],
    ['gaps', true],
  ])('%s', (_name, gaps) => {
    it.each(Object.entries(layersOf))('padding changes nothing: %s', (_name, layers) => {
      fc.assert(
        fc.property(batches(gaps), fc.boolean(), (batch, unmasked) => {
          const { rows, steps, features, units, more, seed } = batch
          const mask = unmasked ? new Array(rows * steps).fill(1) : batch.mask
          const random = new Random(seed)
          const x = random.uniform(rows * steps * features)
          const shapesOnly = run(backend, layers(units), batch, steps, x, mask)
          const seeds = seedsOf(seed, shapesOnly.shapes)
          const small = run(backend, layers(units), batch, steps, x, unmasked ? null : mask, seeds)

          const total = steps + more
          const longer = padSteps(
            x,
            [rows, steps, features],
            total,
            () => 99 * random.uniform(1)[0],
          )
          const longerMask = padSteps(mask, [rows, steps, 1], total, () => 0)
          const isSequence = small.shapes.map((shape) => shape.length === 3)
          const longerSeeds = seeds.map((values, i) =>
            isSequence[i]
              ? padSteps(values, [rows, steps, small.shapes[i][2]], total, () => 0)
              : values,
          )
          const large = run(backend, layers(units), batch, total, longer, longerMask, longerSeeds)

          const cut = large.outputs.map((values, i) =>
            isSequence[i] ? cutSteps(values, rows, total, steps) : values,
          )
          expectSame(cut, small.outputs, 'output')
          const [dx] = large.inputGradients
          expectSame([cutSteps(dx, rows, total, steps)], small.inputGradients, 'input gradient')
          expectSame(large.weightGradients, small.weightGradients, 'weight gradient')
          const beyond = dx.filter((_, i) => (i / features) % total >= steps)
          expect(beyond.every((value) => value === 0)).toBe(true)
        }),
        { numRuns: 15, seed: 1 },
      )
    })
  })

  it.each(Object.entries(layersOf))('masked steps may hold anything: %s', (_name, layers) => {
    fc.assert(
      fc.property(batches(true), (batch) => {
        const { rows, steps, features, units, mask, seed } = batch
        const random = new Random(seed)
        const x = random.uniform(rows * steps * features)
        const other = x.map((value, i) =>
          mask[Math.floor(i / features)] ? value : 99 * random.uniform(1)[0],
        )
        const [a, b] = [x, other].map((data) =>
          run(backend, layers(units), batch, steps, data, mask),
        )
        expect(b).toEqual(a)
      }),
      { numRuns: 6, seed: 2 },
    )
  })

  const undropped = Object.entries(layersOf).filter(([name]) => !name.includes('dropout'))
  it.each(undropped)('rows in another order, the same rows: %s', (_name, layers) => {
    fc.assert(
      fc.property(batches(true), (batch) => {
        const { rows, steps, features, units, mask, seed } = batch
        const random = new Random(seed)
        const x = random.uniform(rows * steps * features)
        const order = Array.from({ length: rows }, (_, row) => row)
        for (let i = rows - 1; i > 0; i--) {
          const j = random.word() % (i + 1)
          ;[order[i], order[j]] = [order[j], order[i]]
        }
        const permute = (values: ArrayLike<number>) => {
          const width = values.length / rows
          return Float64Array.from(values, (_, i) => {
            return values[order[Math.floor(i / width)] * width + (i % width)]
          })
        }
        const { shapes } = run(backend, layers(units), batch, steps, x, mask)
        const seeds = seedsOf(seed, shapes)
        const plain = run(backend, layers(units), batch, steps, x, mask, seeds)
        const permuted = run(
          ...([backend, layers(units), batch, steps, permute(x), permute(mask)] as const),
          seeds.map(permute),
        )
        expectSame(permuted.outputs, plain.outputs.map(permute), 'output')
        expectSame(permuted.inputGradients, plain.inputGradients.map(permute), 'input gradient')
        // The weights' gradients are sums over the rows, now in another order.
        const tolerance = { relative: 1e-4, ofLargest: 1e-5, absolute: 1e-6 }
        expectSame(permuted.weightGradients, plain.weightGradients, 'weight gradient', tolerance)
      }),
      { numRuns: 6, seed: 3 },
    )
  })
}

eachKindOfBackend(suite)
