/** What recurrent layers share: a learned initial state. */
import { describe, expect, it } from 'vitest'
import {
  callAll,
  expectGradients,
  runLayers,
  runStep,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import { bidirectional } from './bidirectional.ts'
import type { Layer } from './layer.ts'
import { type LstmOptions, lstm } from './lstm.ts'

const [rows, steps, features, units] = [3, 4, 2, 3]
const random = new Random(41)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const x = floats(rows, steps, features)
const masks = {
  'no mask': null,
  'a gap, and a row without steps': [1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0],
}

const learning = { units, learnInitialState: true }
const variants: Record<string, LstmOptions> = {
  fused: learning,
  composed: { ...learning, activation: 'softsign' },
  projected: { ...learning, projection: 2 },
  'goBackwards, all outputs': {
    ...learning,
    goBackwards: true,
    returnSequences: true,
    returnState: true,
  },
}

describe('learnInitialState', () => {
  describe.each(Object.entries(masks))('%s', (_name, mask) => {
    const check = (layer: Layer) =>
      expectGradients({
        inputs: [{ ...x, mask }],
        weights: weightsOf(truth, [layer], x.shape),
        compute: (ctx, inputs) => callAll(ctx, [layer], inputs),
      })
    it.each(Object.entries(variants))('gradients, %s', (_name, options) => {
      check(lstm(options))
      check(bidirectional(lstm({ ...options, goBackwards: false })))
    })

    it('is what the same states as inputs give', () => {
      const learned = lstm({ ...learning, returnState: true })
      const weights = weightsOf(truth, [learned], x.shape)
      const run = { inputs: [{ ...x, mask }], weights }
      const found = runStep(truth, { ...run, compute: (ctx, given) => learned.call(ctx, given) })
      const [kernel, recurrent, bias, h, c] = learned.getWeights()
      const repeated = [h, c].map(({ data }) => ({
        shape: [rows, units],
        data: Array.from({ length: rows }, () => Array.from(data)).flat(),
      }))
      const expected = runLayers(truth, lstm({ units, returnState: true }), {
        inputs: [{ ...x, mask }, ...repeated],
        weights: [kernel, recurrent, bias].map(({ data }) => data),
      })
      expect(found.outputs).toEqual(expected.outputs)
      const sums = expected.inputGradients.slice(1).map((gradient) =>
        Float64Array.from({ length: units }, (_, u) => {
          let sum = 0
          for (let row = 0; row < rows; row++) sum += gradient[row * units + u]
          return sum
        }),
      )
      expect(found.weightGradients.slice(3)).toEqual(sums)
    })
  })

  it('gives way to states that are given', () => {
    const states = [floats(rows, units), floats(rows, units)]
    const learned = lstm(learning)
    const weights = weightsOf(truth, [learned], x.shape)
    const { outputs } = runStep(truth, {
      inputs: [x, ...states],
      weights,
      compute: (ctx, inputs) => learned.call(ctx, inputs),
    })
    const given = learned.getWeights().slice(0, 3)
    const plain = runLayers(truth, lstm({ units }), {
      inputs: [x, ...states],
      weights: given.map(({ data }) => data),
    })
    expect(outputs).toEqual(plain.outputs)
  })
})
