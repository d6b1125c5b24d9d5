/** Weight tying against a dense layer with the transposed table, and differences. */
import { describe, expect, it } from 'vitest'
import {
  callAll,
  expectError,
  expectGradients,
  runStep,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import { dense } from './dense.ts'
import { embedding } from './embedding.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import { layerFromConfig, linkLayers } from './registry.ts'
import { tiedDense } from './tied-dense.ts'
import { timeDistributed } from './time-distributed.ts'

const [vocabulary, width] = [6, 3]
const words = () => embedding({ inputDim: vocabulary, outputDim: width, maskZero: true })
const ids: Values = { shape: [2, 4], dtype: 'int32', data: [3, 1, 5, 0, 2, 2, 0, 0] }
const random = new Random(81)
const table = random.uniform(vocabulary * width)
const bias = random.uniform(vocabulary)

describe('tiedDense', () => {
  eachBackend((backend) => {
    it('is a dense layer with the transposed table, whose gradients add up', () => {
      const run = (layers: Layer[], weights: ArrayLike<number>[]) =>
        runStep(backend, {
          inputs: [ids],
          weights: weightsOf(backend, layers, ids.shape, weights),
          compute: (ctx, inputs) => callAll(ctx, layers, inputs),
        })
      const own = words()
      const tied = run([own, tiedDense(own)], [table, bias])
      const transposed = Float64Array.from(
        { length: table.length },
        (_, i) => table[(i % vocabulary) * width + Math.floor(i / vocabulary)],
      )
      const plain = run([words(), dense({ units: vocabulary })], [table, transposed, bias])
      const near = backend.variant === 'float64' ? 1e-13 : 1e-5
      const tolerance = { relative: near, ofLargest: near, absolute: 1e-13 }
      expectClose(tied.outputs[0], plain.outputs[0], tolerance, 'y')
      expect(tied.masks).toEqual(plain.masks)
      const [ofTable, ofKernel, ofBias] = plain.weightGradients
      const sum = ofTable.map((value, i) => {
        const [row, column] = [Math.floor(i / width), i % width]
        return value + ofKernel[column * vocabulary + row]
      })
      expect(tied.weightGradients).toHaveLength(2)
      expectClose(tied.weightGradients[0], sum, tolerance, 'table')
      expectClose(tied.weightGradients[1], ofBias, tolerance, 'bias')
    })
  })

  it.each([
    ['activation', { activation: 'tanh' }],
    ['softmax, no bias', { activation: 'softmax', useBias: false }],
  ] as const)('gradients: %s', (_name, options) => {
    for (const wrap of [(layer: Layer) => layer, timeDistributed]) {
      const own = words()
      const layers = [
        own,
        lstm({ units: 4, projection: width, returnSequences: true }),
        wrap(tiedDense(own, options)),
      ]
      expectGradients({
        inputs: [ids],
        weights: weightsOf(truth, layers, ids.shape),
        compute: (ctx, inputs) => callAll(ctx, layers, inputs),
      })
    }
  })

  it('comes back from its configuration, and finds its embedding', () => {
    const own = embedding({ inputDim: vocabulary, outputDim: width, name: 'words' })
    const tied = tiedDense(own, { activation: 'softmax', name: 'out' })
    const configs = JSON.parse(JSON.stringify([tied.config, own.config]))
    const again = configs.map((config: never) => layerFromConfig(config)) as Layer[]
    linkLayers(again)
    expect(again.map(({ config }) => config)).toEqual([tied.config, own.config])
    expect(again[0].tiedTo).toBe(again[1])
    const alone = layerFromConfig(configs[0])
    expectError(
      () => linkLayers([alone]),
      'BAD_FILE',
      "out: expected an embedding named 'words', got none",
    )
    expectError(
      () => linkLayers([alone, dense({ units: 2, name: 'words' })]),
      'BAD_FILE',
      "out: expected an embedding named 'words', got dense",
    )
  })

  it('has its errors', () => {
    expectError(
      () => tiedDense(dense({ units: 2 }) as never),
      'BAD_ARGUMENT',
      expect.stringContaining('tiedDense: expected an embedding such as') as never,
    )
    expectError(
      () => tiedDense(words()).outputShape([null, null, 5]),
      'BAD_SHAPE',
      "tiedDense: expected 3 features, as many as 'embedding' gives, got an input of shape " +
        '[null, null, 5]; put dense({ units: 3 }) before it, or give the lstm projection: 3',
    )
    expectError(
      () => tiedDense(words(), { units: 4 } as never),
      'UNKNOWN_OPTION',
      expect.stringContaining("tiedDense: unknown option 'units'") as never,
    )
  })
})
