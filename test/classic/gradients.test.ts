/**
 * What a lecture on recurrent networks claims about gradients, as numbers: in the simple network they
 * vanish or explode, clipping keeps training finite, and along the LSTM's cell they fade only as
 * fast as the forget gates say.
 */
import { describe, expect, it } from 'vitest'
import { truth } from '../../src/kernels/backends.case.ts'
import { Random } from '../../src/kernels/kernels.case.ts'
import { lstm } from '../../src/layers/index.ts'
import { runLayers } from '../harness.ts'

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
  const [steps, inputs, units] = [100, 2, 3]
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
