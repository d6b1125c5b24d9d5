/** `trace` against the equations in plain numbers, and its gradients against finite differences. */
import { describe, expect, it } from 'vitest'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, sums } from '../kernels/kernels.case.ts'
import {
  bidirectional,
  convLstm2d,
  dense,
  flatten,
  gru,
  type Layer,
  lstm,
  lstmCell,
  rnn,
  simpleRnn,
  stackedRnnCells,
} from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import { gradientFlow } from './gradient-flow.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'
import { trace } from './trace.ts'

const random = new Random(5, 'trace')
const draw = (n: number) => Array.from({ length: n }, () => Math.fround(random.uniform() * 4 - 2))
/** Two rows of 4 and 2 steps of 2 numbers. */
const x = [4, 2].map((steps) => Array.from({ length: steps }, () => draw(2)))
const y = [[0.5], [-1]]
const exact = { relative: 1e-12, absolute: 1e-12 }

function modelOf(layer: Layer, backend = truth): Model {
  const model = sequential([layer, dense({ units: 1 })], { backend, seed: 4 })
  model.compile({ loss: 'meanSquaredError' })
  return model.build([null, null, 2])
}

const sigma = (v: number) => 1 / (1 + Math.exp(-v))
const [kernelOf, recurrentOf, biasOf] = [0, 1, 2].map(
  (i) => (model: Model) => Array.from(model.layers[0].getWeights()[i].data),
)
/** v·W, W having `width` columns. */
const times = (v: readonly number[], w: readonly number[], width: number) =>
  Array.from({ length: width }, (_, c) => v.reduce((sum, e, k) => sum + e * w[k * width + c], 0))

it('of a convolutional LSTM over images of one pixel is that of an LSTM', async () => {
  const frames = x.map((row) => row.map((step) => [[step]]))
  const conv = sequential(
    [convLstm2d({ filters: 3, kernelSize: 1 }), flatten(), dense({ units: 1 })],
    { backend: truth },
  ).build([null, null, 1, 1, 2])
  const plain = modelOf(lstm({ units: 3, biasInitializer: 'randomNormal' }))
  conv.compile({ loss: 'meanSquaredError' })
  for (const [from, to] of [
    [0, 0],
    [1, 2],
  ]) {
    const weights = plain.layers[from].getWeights().map(({ data }) => data)
    const shapes = conv.layers[to].getWeights()
    conv.layers[to].setWeights(shapes.map(({ shape }, i) => ({ shape, data: weights[i] })))
  }
  const [wanted, found] = [await plain.trace(x, y), await conv.trace(frames, y)]
  expectClose([found.loss!], [wanted.loss!], exact)
  const [one, other] = [wanted.layers[0], found.layers[0]]
  expect(Object.keys(other.gates)).toEqual(Object.keys(one.gates))
  for (const [name, gate] of Object.entries(one.gates)) {
    expectClose(other.gates[name].values, gate.values, exact, name)
    expect(other.saturation[name]).toEqual(one.saturation[name])
  }
  for (const [name, state] of Object.entries(one.states)) {
    expectClose(other.states[name].values, state.values, exact, name)
    expectClose(other.gradients![name], one.gradients![name], exact, name)
  }
})

it('shows the gates and states of an LSTM', async () => {
  const model = modelOf(lstm({ units: 3, biasInitializer: 'randomNormal' }))
  const { layers, loss, outputs, weightGradients } = await model.trace(x)
  expect([loss, weightGradients, layers[0].gradients]).toEqual([null, null, null])
  expectClose(outputs[0].values, (await model.predict(x)).values, exact)
  const [{ layer, states, gates, mask }] = layers
  expect(layer).toBe('lstm')
  expect(mask!.ints).toEqual(Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0))
  const [w, r, b] = [kernelOf(model), recurrentOf(model), biasOf(model)]
  x.forEach((row, n) => {
    let [h, c] = [
      [0, 0, 0],
      [0, 0, 0],
    ]
    row.forEach((step, t) => {
      const [a, s] = [times(step, w, 12), times(h, r, 12)]
      const z = b.map((bias, i) => a[i] + s[i] + bias)
      const now = { i: z.slice(0, 3), f: z.slice(3, 6), g: z.slice(6, 9), o: z.slice(9) }
      for (const name of ['i', 'f', 'o'] as const) now[name] = now[name].map(sigma)
      now.g = now.g.map(Math.tanh)
      c = c.map((old, u) => now.f[u] * old + now.i[u] * now.g[u])
      h = c.map((cell, u) => now.o[u] * Math.tanh(cell))
      const at = (all: { values: ArrayLike<number> }) =>
        Array.from(all.values).slice((n * 4 + t) * 3, (n * 4 + t + 1) * 3)
      for (const name of ['i', 'f', 'g', 'o'] as const) {
        expectClose(at(gates[name]), now[name], exact, `${name} of row ${n}, step ${t}`)
      }
      expectClose(at(states.h), h, exact)
      expectClose(at(states.c), c, exact)
    })
  })
  // At masked steps the states stay.
  expect(states.c.values.slice(21)).toEqual(states.c.values.slice(15, 18).slice())
})

eachBackend((backend) => {
  it.each<[string, () => Layer]>([
    ['lstm', () => lstm({ units: 5 })],
    ['gru', () => gru({ units: 5 })],
    ['simpleRnn', () => simpleRnn({ units: 5 })],
    [
      'stackedRnnCells',
      () => rnn(stackedRnnCells([lstmCell({ units: 3 }), lstmCell({ units: 5 })])),
    ],
    ['bidirectional', () => bidirectional(lstm({ units: 5 }))],
  ])('%s: the same on every backend', async (_, make) => {
    const expected = modelOf(make())
    const model = modelOf(make(), backend)
    model.parameters.values.values.set(expected.parameters.values.values)
    model.parameters.touch()
    // The truth takes the weights as float32 has them.
    expected.parameters.values.values.set(model.parameters.values.values)
    expected.parameters.touch()
    const [wanted, found] = [await trace(expected, x, y), await trace(model, x, y)]
    expectClose([found.loss!], [wanted.loss!], sums)
    expectClose(found.outputs[0].values, wanted.outputs[0].values, sums)
    expectClose(Object.values(found.weightGradients!), Object.values(wanted.weightGradients!), sums)
    expect(found.layers.map(({ layer }) => layer)).toEqual(wanted.layers.map(({ layer }) => layer))
    found.layers.forEach((layer, i) => {
      const truly = wanted.layers[i]
      const valid = truly.mask!.ints
      expect(layer.mask!.ints).toEqual(valid)
      expect(Object.keys(layer.gates)).toEqual(Object.keys(truly.gates))
      expect(layer.saturation).toEqual(truly.saturation)
      for (const [name, gate] of Object.entries(truly.gates)) {
        const units = gate.shape[2]
        const counting = (values: ArrayLike<number>) =>
          Array.from(values).filter((_, k) => valid[Math.floor(k / units)])
        expectClose(counting(layer.gates[name].values), counting(gate.values), sums, name)
      }
      for (const [name, state] of Object.entries(truly.states)) {
        expectClose(layer.states[name].values, state.values, sums, name)
        expectClose(layer.gradients![name], truly.gradients![name], sums, name)
      }
    })
  })
})

it('shows the gates of a GRU', async () => {
  const model = modelOf(gru({ units: 2, biasInitializer: 'randomNormal' }))
  const { gates, states } = (await trace(model, x)).layers[0]
  expect(Object.keys(gates)).toEqual(['z', 'r', 'candidate'])
  const [w, u, b] = [kernelOf(model), recurrentOf(model), biasOf(model)]
  let h = [0, 0]
  x[0].forEach((step, t) => {
    const a = times(step, w, 6).map((v, i) => v + b[i])
    const s = times(h, u, 6).map((v, i) => v + b[6 + i])
    const z = [0, 1].map((k) => sigma(a[k] + s[k]))
    const r = [0, 1].map((k) => sigma(a[2 + k] + s[2 + k]))
    const candidate = [0, 1].map((k) => Math.tanh(a[4 + k] + r[k] * s[4 + k]))
    h = h.map((old, k) => z[k] * old + (1 - z[k]) * candidate[k])
    const at = (all: { values: ArrayLike<number> }) =>
      Array.from(all.values).slice(2 * t, 2 * t + 2)
    expectClose(at(gates.z), z, exact)
    expectClose(at(gates.r), r, exact)
    expectClose(at(gates.candidate), candidate, exact)
    expectClose(at(states.h), h, exact)
  })
})

it('counts what is saturated, without masked steps', async () => {
  const model = modelOf(lstm({ units: 1, unitForgetBias: false }))
  // z = x·W: each gate sees another input.
  model.layers[0].setWeights([
    [3, 0, 0, 0, 0, 3, 3, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 1],
  ])
  const { saturation } = (
    await trace(model, [
      [[1, 1]],
      [
        [-1, -1],
        [0, 0],
      ],
      [[0, 1]],
    ])
  ).layers[0]
  const third = 1 / 3
  expect(saturation.i).toEqual({ low: Float64Array.of(third, 0), high: Float64Array.of(third, 0) })
  expect(saturation.f).toEqual({ low: Float64Array.of(third, 0), high: Float64Array.of(2 / 3, 0) })
  expect(saturation.g).toEqual({ low: Float64Array.of(third, 0), high: Float64Array.of(2 / 3, 0) })
  expect(saturation.o).toEqual({ low: Float64Array.of(0, 0), high: Float64Array.of(0, 0) })
})

describe('with targets', () => {
  const layers = {
    lstm: () => lstm({ units: 2, peephole: true }),
    'from the end': () => gru({ units: 2, goBackwards: true }),
    'both directions': () => bidirectional(simpleRnn({ units: 2 })),
    cells: () => rnn(stackedRnnCells([lstmCell({ units: 2 }), lstmCell({ units: 2 })])),
  }
  it.each(Object.entries(layers))('%s: the gradients of states and weights', async (_, make) => {
    const model = modelOf(make())
    const before = model.parameters.values.values.slice()
    const found = await trace(model, x, y)
    const flow = await gradientFlow(model, x, y)
    expect(found.loss).toBeCloseTo((await model.evaluate(x, y)).loss, 12)
    expect(found.layers.map(({ layer }) => layer)).toEqual(flow.layers.map(({ layer }) => layer))
    found.layers.forEach(({ gradients }, i) => {
      const [h, c] = Object.values(gradients!)
      expectClose(h, flow.layers[i].h, exact)
      if (flow.layers[i].c) expectClose(c, flow.layers[i].c, exact)
    })
    expect(model.parameters.values.values).toEqual(before)
    for (const { parameter } of model.parameters.trainable) {
      const { values } = parameter.value
      let squares = 0
      for (let i = 0; i < values.length; i++) {
        const loss = async (by: number) => {
          const kept = values[i]
          values[i] += by
          parameter.version++
          const result = (await model.evaluate(x, y)).loss
          values[i] = kept
          parameter.version++
          return result
        }
        squares += (((await loss(1e-5)) - (await loss(-1e-5))) / 2e-5) ** 2
      }
      const norm = found.weightGradients![parameter.path]
      expectClose([norm], [Math.sqrt(squares)], { relative: 1e-6, absolute: 1e-8 }, parameter.path)
    }
  })

  it('names states and gates of cells in a stack by their number', async () => {
    const { layer, states, gates } = (await trace(modelOf(layers.cells()), x, y)).layers[0]
    expect(layer).toBe('rnn')
    expect(Object.keys(states)).toEqual(['h.0', 'c.0', 'h.1', 'c.1'])
    expect(Object.keys(gates)).toEqual(['i.0', 'f.0', 'g.0', 'o.0', 'i.1', 'f.1', 'g.1', 'o.1'])
  })
})

it('says what is missing', async () => {
  const model = sequential([lstm({ units: 2 })], { backend: truth })
  await expect(model.trace(x, y)).rejects.toThrow(
    "trace: sequential has no loss; call model.compile({ loss: 'meanSquaredError' }) first",
  )
  await expect(model.trace(x, undefined, { sampleWeights: [] } as never)).rejects.toThrow(
    "trace: unknown option 'sampleWeights'; did you mean 'sampleWeight'?",
  )
  const plain = sequential([dense({ units: 1 })], { backend: truth })
  expect((await plain.trace([[1, 2]])).layers).toEqual([])
})
