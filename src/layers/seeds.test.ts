/** Layers with a `seed` of their own: what they draw depends on it and on the step alone. */
import { describe, expect, it } from 'vitest'
import {
  eachKindOfBackend,
  expectError,
  expectGradients,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { ParameterSet } from '../tensor/parameter.ts'
import { attention } from './attention.ts'
import { attentionDecoder } from './attention-decoder.ts'
import { bidirectional } from './bidirectional.ts'
import { rnn } from './cell.ts'
import { gruCell, lstmCell, simpleRnnCell, stackedRnnCells } from './cells.ts'
import { convLstm2d } from './conv-lstm.ts'
import { dense } from './dense.ts'
import { dropout } from './dropout.ts'
import { gru } from './gru.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import { gaussianNoise, spatialDropout1d } from './noise.ts'
import { layerFromConfig } from './registry.ts'
import { scheduledSampling } from './scheduled-sampling.ts'
import { simpleRnn } from './simple-rnn.ts'
import { timeDistributed } from './time-distributed.ts'
import { tokenDropout } from './token-dropout.ts'

const random = new Random(21)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((size, length) => size * length, 1)),
})
const ids: Values = { shape: [4, 6], dtype: 'int32', data: random.integers(24, 9) }
const sequence = floats(4, 5, 3)
const both = { dropout: 0.4, recurrentDropout: 0.3, units: 3 }

type Make = (options: { seed?: number }) => Layer
const makers: [string, Values[], Make][] = [
  ['dropout', [sequence], (seed) => dropout({ rate: 0.5, ...seed })],
  [
    'dropout of a shape',
    [sequence],
    (s) => dropout({ rate: 0.5, noiseShape: [null, 1, null], ...s }),
  ],
  ['spatialDropout1d', [sequence], (seed) => spatialDropout1d({ rate: 0.5, ...seed })],
  ['gaussianNoise', [sequence], (seed) => gaussianNoise({ stddev: 0.5, ...seed })],
  ['lstm', [sequence], (seed) => lstm({ ...both, ...seed })],
  [
    'lstm, zoneout and DropConnect',
    [sequence],
    (seed) => lstm({ units: 3, zoneout: 0.4, recurrentKernelDropout: 0.5, ...seed }),
  ],
  ['gru', [sequence], (seed) => gru({ ...both, ...seed })],
  ['simpleRnn', [sequence], (seed) => simpleRnn({ ...both, ...seed })],
  [
    'convLstm2d',
    [floats(4, 3, 3, 2, 2)],
    (seed) =>
      convLstm2d({ filters: 2, kernelSize: 2, dropout: 0.4, recurrentDropout: 0.3, ...seed }),
  ],
  ['rnn', [sequence], (seed) => rnn(lstmCell({ ...both, ...seed }))],
  [
    'stackedRnnCells',
    [sequence],
    (seed) =>
      rnn(stackedRnnCells([gruCell({ ...both, ...seed }), simpleRnnCell({ ...both, ...seed })])),
  ],
  ['bidirectional', [sequence], (seed) => bidirectional(lstm({ ...both, ...seed }))],
  ['timeDistributed', [sequence], (seed) => timeDistributed(dropout({ rate: 0.5, ...seed }))],
  ['attention', [sequence, sequence], (seed) => attention({ dropout: 0.5, ...seed })],
  ['tokenDropout', [ids], (seed) => tokenDropout({ rate: 0.5, unknown: 1, ...seed })],
]

/** What layers give one after the other, each of the same inputs; layers of one kind have the same weights. */
function run(
  layers: readonly Layer[],
  inputs: readonly Values[],
  { step = 3, seed = 1, backend = truth as Backend } = {},
): number[][] {
  for (const layer of new Set(layers)) {
    layer.build(inputs.map(({ shape }) => shape))
    const set = new ParameterSet(backend, layer.parameters)
    const draws = new Random(5)
    for (const { value, size } of set.parameters) value.values.set(draws.uniform(size))
  }
  const arena = new Arena(backend.heap)
  const ctx = new Context(backend, arena, { training: true, random: { seed, step } })
  const tensors = inputs.map(({ shape, data, dtype = 'float' }) => {
    const tensor = arena.tensor(shape, dtype)
    tensor.elements.set(data)
    return tensor
  })
  return layers.map((layer) => Array.from(layer.process(ctx, tensors)[0].elements))
}

describe.each(makers)('%s', (_name, inputs, make) => {
  it('draws the same whatever the model draws, and something else in each step', () => {
    const [alone] = run([make({ seed: 7 })], inputs)
    expect(run([make({ seed: 7 })], inputs, { seed: 2 })[0]).toEqual(alone)
    expect(run([make({ seed: 7 })], inputs, { step: 4 })[0]).not.toEqual(alone)
    expect(run([make({ seed: 8 })], inputs)[0]).not.toEqual(alone)
    expect(run([make({})], inputs)[0]).not.toEqual(alone)
  })

  it('a second use in one step draws anew, and others draw as if it were not there', () => {
    const [layer, plain] = [make({ seed: 7 }), make({})]
    const [once, again, after] = run([layer, layer, plain], inputs)
    expect(again).not.toEqual(once)
    expect(after).toEqual(run([make({})], inputs)[0])
    expect(run([make({}), make({ seed: 7 })], inputs)[1]).toEqual(once)
  })

  it('stands in files', () => {
    const layer = make({ seed: 7 })
    layer.name = 'made'
    const config = JSON.parse(JSON.stringify(layer.config))
    const again = layerFromConfig(config)
    expect(again.config).toEqual(layer.config)
    expect(run([again], inputs)).toEqual(run([layer], inputs))
    expect(JSON.stringify(make({}).config)).not.toContain('seed')
  })
})

it('two layers of one seed draw the same', () => {
  const [a, b] = run([dropout({ rate: 0.5, seed: 3 }), dropout({ rate: 0.5, seed: 3 })], [sequence])
  expect(b).toEqual(a)
  const [c, d] = run([dropout({ rate: 0.5 }), dropout({ rate: 0.5 })], [sequence])
  expect(d).not.toEqual(c)
})

it('both directions of a bidirectional layer drop the same inputs, as in Keras', () => {
  const outputs = (options: { seed?: number }) => {
    const layer = bidirectional(simpleRnn({ units: 1, dropout: 0.5, ...options }))
    layer.build([[1, 1, 16]])
    const set = new ParameterSet(truth, layer.parameters)
    for (const { value, name } of set.parameters) value.values.fill(name === 'kernel' ? 0.1 : 0)
    const ctx = new Context(truth, new Arena(truth.heap), { training: true })
    const x = ctx.empty([1, 1, 16])
    x.values.set(Array.from({ length: 16 }, (_, i) => i / 16))
    return Array.from(layer.process(ctx, [x])[0].values)
  }
  const [forward, backward] = outputs({ seed: 5 })
  expect(backward).toBe(forward)
  expect(outputs({})[1]).not.toBe(outputs({})[0])
})

it('gradients go back by the masks of the way there', () => {
  for (const layer of [lstm({ ...both, seed: 2 }), dropout({ rate: 0.5, seed: 2 })]) {
    expectGradients({
      inputs: [sequence],
      weights: weightsOf(truth, [layer], sequence.shape),
      compute: (ctx, inputs) => layer.process(ctx, inputs),
      training: true,
      random: { seed: 8, step: 2 },
    })
  }
})

eachKindOfBackend((backend) => {
  it.each(makers)('%s draws the same on every backend', (_name, inputs, make) => {
    const [found] = run([make({ seed: 7 })], inputs, { backend })
    const [expected] = run([make({ seed: 7 })], inputs)
    expectClose(found, expected, { relative: 1e-4, ofLargest: 1e-5, absolute: 1e-6 })
  })
})

it('is a whole number, and only of layers that draw', () => {
  expectError(
    () => dropout({ rate: 0.5, seed: 1.5 }),
    'BAD_ARGUMENT',
    "dropout 'seed': expected a whole number of at least 0, got 1.5",
  )
  expect(() => dense({ units: 1, seed: 1 } as never)).toThrow("dense: unknown option 'seed'")
  expect(scheduledSampling({ rate: 0.5, seed: 1 }).config.options.seed).toBe(1)
  expect(attentionDecoder({ units: 2, seed: 1 }).config.options.seed).toBe(1)
})
