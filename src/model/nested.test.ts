/** Models inside models: weights shared, names, gradients, files, streams. */
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import {
  add,
  average,
  batchNormalization,
  concatenate,
  dense,
  embedding,
  gaussianNoise,
  globalAveragePooling1d,
  input,
  layerNormalization,
  lstm,
  masking,
  maximum,
  minimum,
  multiply,
  spatialDropout1d,
  subtract,
  timeDistributed,
} from '../layers/index.ts'
import { sgd } from '../train/optimizers.ts'
import { encodeModel } from './file.ts'
import { model } from './functional.ts'
import { decodeModel } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const x = Array.from({ length: 6 }, (_, i) =>
  Array.from({ length: 4 }, (_, t) => [Math.sin(i + 2 * t), Math.cos(3 * i - t)]),
)
const y = x.map(([[p, q]]) => [p + q, p * q])

/** The same network flat, and with its middle as a model of its own. */
function pair(backend: Backend) {
  const flat = sequential(
    [lstm({ units: 3, returnSequences: true }), lstm({ units: 3 }), dense({ units: 2 })],
    { backend, seed: 1 },
  ).build([null, null, 2])
  const inner = sequential([lstm({ units: 3, returnSequences: true }), lstm({ units: 3 })], {
    name: 'inner',
    backend,
  })
  const outer = sequential([inner, dense({ units: 2 })], { backend }).build([null, null, 2])
  const [first, second] = inner.layers
  first.setWeights(flat.layers[0].getWeights())
  second.setWeights(flat.layers[1].getWeights())
  outer.layers[1].setWeights(flat.layers[2].getWeights())
  return { flat, inner, outer }
}

const values = async (net: Model, data: unknown = x) => (await net.predict(data as never)).data()

eachKindOfBackend((backend) => {
  it('a model inside a model predicts and trains as its layers do', async () => {
    const { flat, inner, outer } = pair(backend)
    expect(await values(outer)).toEqual(await values(flat))
    for (const net of [flat, outer]) {
      net.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: 'mse' })
      await net.fit(x, y, { epochs: 3, batchSize: 4, seed: 2 })
    }
    expect(await values(outer)).toEqual(await values(flat))
    // The inner model sees what was trained.
    expect(inner.layers[0].getWeights()).toEqual(flat.layers[0].getWeights())
    const hidden = model({
      inputs: flat.graph!.inputs[0],
      outputs: flat.graph!.calls[1].outputs[0],
      backend,
    })
    expect(await values(inner)).toEqual(await values(hidden))
  })
})

describe('names and summaries', () => {
  it('are those of the model and of its layers', () => {
    const { outer } = pair(truth)
    expect(outer.layers.map(({ name, kind }) => [name, kind])).toEqual([
      ['inner', 'sequential'],
      ['dense', 'dense'],
    ])
    expect(outer.parameters.parameters.map(({ path }) => path)).toEqual([
      ...['kernel', 'recurrentKernel', 'bias'].map((name) => `inner/lstm/${name}`),
      ...['kernel', 'recurrentKernel', 'bias'].map((name) => `inner/lstm_1/${name}`),
      ...['dense/kernel', 'dense/bias'],
    ])
    expect(outer.getLayer('inner').getWeights()).toHaveLength(6)
  })

  it('two models without a name get two', () => {
    const made = () => sequential([dense({ units: 2, inputShape: [2] })])
    const outer = sequential([made(), made()])
    expect(outer.layers.map(({ name }) => name)).toEqual(['sequential', 'sequential_1'])
  })
})

describe('a model of two inputs and two outputs', () => {
  const encoder = () => {
    const [a, b] = [input({ shape: [null, 2] }), input({ shape: [null], dtype: 'int32' })]
    const words = embedding({ inputDim: 5, outputDim: 2, maskZero: true }).apply(b)
    const h = lstm({ units: 3 })
    return model({
      inputs: [a, b],
      outputs: [h.apply(a), h.apply(words)],
      name: 'encoder',
      backend: truth,
    })
  }
  const ids = x.map((_, i) => [1 + (i % 4), 2, 0])

  it('is called twice, with one set of weights', async () => {
    const inner = encoder()
    const [a, b] = [input({ shape: [4, 2] }), input({ shape: [3], dtype: 'int32' })]
    const c = input({ shape: [4, 2] })
    const [p, q] = inner.apply([a, b])
    const [r] = inner.apply([c, b])
    expect([p.shape, q.shape]).toEqual([
      [null, 3],
      [null, 3],
    ])
    const outer = model({
      inputs: [a, b, c],
      outputs: concatenate().apply([p, q, r]),
      backend: truth,
    })
    outer.build()
    expect(outer.layers.map(({ name }) => name)).toEqual(['encoder', 'concatenate'])
    expect(outer.parameters.parameters).toHaveLength(4)
    const [left, right] = await inner.predict([x, ids])
    const joined = await (await outer.predict([x, ids, x])).array()
    const [l, m] = [await left.array(), await right.array()] as number[][][]
    expect(joined).toEqual(l.map((row, i) => [...row, ...m[i], ...row]))
  })

  it('is refused inputs of other shapes and types', () => {
    const inner = encoder()
    expect(() => inner.apply([input({ shape: [4, 2] })])).toThrow(
      'encoder: expected inputs of shape [null, null, 2] and [null, null], got [null, 4, 2]',
    )
    expect(() => inner.apply([input({ shape: [4, 2] }), input({ shape: [3] })])).toThrow(
      'encoder: expected token ids (dtype int32), got numbers (dtype float)',
    )
  })
})

it('masks go through', async () => {
  const inner = () => sequential([dense({ units: 2, activation: 'tanh' })], { backend: truth })
  const outer = sequential([masking(), inner(), globalAveragePooling1d()], { backend: truth })
  outer.build([null, null, 2])
  const one = [[1, 2]]
  const [alone, padded] = [await values(outer, [one]), await values(outer, [[...one, [0, 0]]])]
  expect(padded).toEqual(alone)
})

it('a frozen model does not train, though its layers would', async () => {
  const { inner, outer } = pair(truth)
  outer.layers[0].trainable = false
  outer.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: 'mse' })
  const [before, head] = [inner.layers[0].getWeights(), outer.layers[1].getWeights()]
  await outer.fit(x, y)
  expect(inner.layers[0].getWeights()).toEqual(before)
  expect(outer.layers[1].getWeights()).not.toEqual(head)
})

it('timeDistributed takes a model of frames', async () => {
  const frame = sequential([lstm({ units: 2, inputShape: [4, 2] }), dense({ units: 1 })], {
    backend: truth,
    seed: 4,
  })
  const outer = sequential([timeDistributed(frame)], { backend: truth }).build([null, 3, 4, 2])
  const frames = [x.slice(0, 3), x.slice(3)]
  const found = await values(outer, frames)
  expectClose(found, await values(frame), { relative: 1e-12 })
})

describe('files', () => {
  /** A model in a model in a model, one of them called twice. */
  const deep = () => {
    const core = sequential([dense({ units: 2, activation: 'tanh' }), batchNormalization()])
    const a = input({ shape: [null, 2] })
    const once = core.apply(a)
    const middle = model({ inputs: a, outputs: add().apply([core.apply(once), a]), name: 'middle' })
    return sequential(
      [timeDistributed(dense({ units: 2 })), middle, lstm({ units: 2 }), dense({ units: 2 })],
      { backend: truth, seed: 3 },
    ).build([null, null, 2])
  }

  it('hold all of it', async () => {
    const net = deep()
    net.compile({ optimizer: sgd({ learningRate: 0.05 }), loss: 'mse' })
    await net.fit(x, y, { epochs: 2 })
    const bytes = encodeModel(net, {}, null)
    const loaded = decodeModel(bytes, 'file', { backend: truth }).model
    expect(await values(loaded)).toEqual(await values(net))
    expect(encodeModel(loaded, {}, null)).toEqual(bytes)
    expect(loaded.summary({ expandNested: true })).toBe(net.summary({ expandNested: true }))
    for (const one of [net, loaded]) await one.fit(x, y, { seed: 1 })
    expect(await values(loaded)).toEqual(await values(net))
  })
})

describe('streams', () => {
  it('pass through models, and through layers that add', async () => {
    const a = input({ shape: [null, 2] })
    const h = lstm({ units: 2, returnSequences: true }).apply(a)
    const residual = model({ inputs: a, outputs: add().apply([h, a]), name: 'residual' })
    const net = sequential([residual, lstm({ units: 2 }), dense({ units: 1 })], {
      backend: truth,
      seed: 2,
    }).build([null, null, 2])
    const whole = await values(net, [x[0]])
    let state = net.initialState()
    let last: number[] = []
    for (const row of x[0]) {
      const step = net.step(row, state)
      state = step.state
      last = [...step.y]
    }
    expectClose(last, whole, { relative: 1e-6 })
  })

  it('pass through layers that merge, normalize and mask', async () => {
    const a = input({ shape: [null, 2] })
    const seen = masking({ maskValue: 9 }).apply(a)
    const h = lstm({ units: 2, returnSequences: true }).apply(seen)
    const merged = concatenate().apply([
      ...[multiply().apply([h, seen]), maximum().apply([h, seen]), minimum().apply([seen, h])],
      ...[average().apply([h, h]), subtract().apply([h, seen])],
    ])
    const normal = layerNormalization().apply(batchNormalization().apply(merged))
    const noisy = gaussianNoise({ stddev: 1 }).apply(spatialDropout1d({ rate: 0.5 }).apply(normal))
    const end = lstm({ units: 2 }).apply(noisy)
    const net = model({ inputs: a, outputs: end, backend: truth, seed: 6 }).build()
    net.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: 'mse' })
    for (const _ of [1, 2]) {
      // Moving statistics change in between, and with them what a step is.
      await net.fit(x, y)
      const rows = [x[0][0], x[0][1], [9, 9], x[0][2]]
      const whole = await values(net, [rows])
      const state = net.initialState()
      for (const row of rows) net.step(row, state)
      expectClose(state.result.y, whole, { relative: 1e-6 })
    }
  })

  it('say which layer inside cannot', () => {
    const net = sequential([
      sequential([lstm({ units: 2, returnSequences: true }), globalAveragePooling1d()], {
        name: 'inner',
      }),
    ]).build([null, null, 2])
    expect(() => net.step([1, 2])).toThrow(
      "the layer 'inner' cannot run step by step: of its layer 'globalAveragePooling1d': " +
        'it needs the whole sequence',
    )
  })
})
