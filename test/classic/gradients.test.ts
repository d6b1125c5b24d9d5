/**
 * What a lecture on recurrent networks claims about gradients, as numbers: in the simple network they
 * vanish or explode, clipping keeps training finite, and along the LSTM's cell they fade only as
 * fast as the forget gates say.
 */
import { describe, expect, it } from 'vitest'
import {
  dense,
  gradientFlow,
  type Layer,
  lstm,
  type Model,
  sequential,
  sgd,
  simpleRnn,
} from '../../src/index.ts'
import { truth } from '../../src/kernels/backends.case.ts'
import { Random } from '../../src/kernels/kernels.case.ts'
import { runLayers } from '../harness.ts'

const steps = 100
const units = 8
const random = new Random(8)
const rows = 16
const data = { shape: [rows, steps, 2], data: Float32Array.from(random.uniform(rows * steps * 2)) }
const target = Float32Array.from(random.uniform(rows))

/** A recurrent layer with `scale` times the identity as recurrent weights, and a sum of its outputs. */
function modelOf(layer: Layer, scale: number, optimizer = sgd({ learningRate: 0.01 })): Model {
  const model = sequential([layer, dense({ units: 1 })], { seed: 2 })
  model.compile({ loss: 'meanSquaredError', optimizer })
  model.build([null, null, 2])
  const [kernel, recurrent, ...others] = layer.getWeights()
  const gates = recurrent.data.length / units
  recurrent.data.fill(0)
  for (let u = 0; u < units; u++) recurrent.data[u * gates + u] = scale
  layer.setWeights([kernel, recurrent, ...others])
  return model
}

/** How much of the last step's gradient is left at the first; the last cell goes nowhere but to h. */
async function share(model: Model): Promise<{ h: number; c: number }> {
  const { layers } = await gradientFlow(model, data, target)
  const [{ h, c }] = layers
  return { h: h[0] / h[steps - 1], c: c ? c[0] / c[steps - 2] : Number.NaN }
}

describe('the gradient over 100 steps', () => {
  it('vanishes in a simple network of small weights', async () => {
    const { h } = await share(modelOf(simpleRnn({ units }), 0.7))
    expect(h).toBeLessThan(1e-10)
    expect(h).toBeGreaterThan(0)
  })

  it('explodes in one of large weights', async () => {
    const { h } = await share(modelOf(simpleRnn({ units, activation: 'relu' }), 1.5))
    expect(h).toBeGreaterThan(1e15)
  })

  it('stays along the cell of an LSTM whose forget gates are open', async () => {
    const layer = lstm({ units })
    const model = modelOf(layer, 0)
    const [kernel, recurrent, bias] = layer.getWeights()
    bias.data.fill(5, units, 2 * units)
    layer.setWeights([kernel, recurrent, bias])
    const { c } = await share(model)
    expect(c).toBeGreaterThan(0.1)
    expect(c).toBeLessThan(2)
  })
})

describe('training a simple network of large weights', () => {
  const train = (clip: { globalClipNorm?: number; clipNorm?: number; clipValue?: number }) => {
    const optimizer = sgd({ learningRate: 0.05, ...clip })
    const model = modelOf(simpleRnn({ units, activation: 'relu' }), 1.1, optimizer)
    return model.fit(data, target, { epochs: 60, batchSize: rows })
  }

  it('ends at once without clipping', async () => {
    await expect(train({})).rejects.toThrow(/^training step \d: the loss is .* not finite/)
  })

  it.each([[{ globalClipNorm: 1 }], [{ clipNorm: 1 }], [{ clipValue: 0.1 }]])(
    'goes on, finite, with %j',
    async (clip) => {
      const { history, clippedSteps } = await train(clip)
      expect(clippedSteps).toBeGreaterThan(10)
      expect(history.loss.every(Number.isFinite)).toBe(true)
    },
  )
})

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

/** The LSTM's equations (1) to (6) for one row: the forget gates of each step, [T][U]. */
function forgetGates(
  { x, kernel, recurrent, bias }: Record<'x' | 'kernel' | 'recurrent' | 'bias', ArrayLike<number>>,
  steps: number,
  inputs: number,
  units: number,
): number[][] {
  let h = new Array<number>(units).fill(0)
  let c = new Array<number>(units).fill(0)
  return Array.from({ length: steps }, (_, t) => {
    const z = Array.from({ length: 4 * units }, (_, gate) => {
      let sum = bias[gate]
      for (let i = 0; i < inputs; i++) sum += x[t * inputs + i] * kernel[i * 4 * units + gate]
      for (let u = 0; u < units; u++) sum += h[u] * recurrent[u * 4 * units + gate]
      return sum
    })
    const part = (k: number) => z.slice(k * units, (k + 1) * units)
    const [i, f, o] = [part(0), part(1), part(3)].map((sums) => sums.map(sigmoid))
    const g = part(2).map(Math.tanh)
    c = c.map((old, u) => f[u] * old + i[u] * g[u])
    h = c.map((cell, u) => o[u] * Math.tanh(cell))
    return f
  })
}

describe('the additive path', () => {
  const [inputs, units] = [2, 3]
  const random = new Random(8)
  const x = random.uniform(steps * inputs)
  /** ∂c_T/∂c_0, unit by unit, and the product of that unit's forget gates over all steps. */
  const measure = (recurrentScale: number) => {
    const kernel = random.uniform(inputs * 4 * units)
    const recurrent = random.uniform(units * 4 * units, -recurrentScale, recurrentScale)
    const bias = Float64Array.from({ length: 4 * units }, (_, gate) =>
      Math.floor(gate / units) === 1 ? 4 : 0,
    )
    const zeros = new Float64Array(units)
    const state = { shape: [1, units], data: zeros }
    const gates = forgetGates({ x, kernel, recurrent, bias }, steps, inputs, units)
    return Array.from({ length: units }, (_, u) => {
      const ones = zeros.map((_, i) => (i === u ? 1 : 0))
      const { inputGradients } = runLayers(truth, lstm({ units, returnState: true }), {
        inputs: [{ shape: [1, steps, inputs], data: x }, state, state],
        weights: [kernel, recurrent, bias],
        seeds: [zeros, zeros, ones],
      })
      const product = gates.reduce((all, f) => all * f[u], 1)
      return { gradient: inputGradients[2][u], product }
    })
  }

  it('without recurrent weights ∂c_T/∂c_0 is the product of the forget gates', () => {
    for (const { gradient, product } of measure(0)) {
      expect(gradient / product).toBeCloseTo(1, 10)
      expect(product).toBeGreaterThan(0.01)
    }
  })

  it.each([
    [0.02, 1.25],
    [0.05, 1.5],
  ])('with weights up to ±%d it is within a factor of %d, over 100 steps', (scale, factor) => {
    for (const { gradient, product } of measure(scale)) {
      expect(gradient / product).toBeLessThan(factor)
      expect(gradient / product).toBeGreaterThan(1 / factor)
    }
  })
})
