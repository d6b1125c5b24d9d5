/** Training that ends with an average of the weights. */
import { describe, expect, it } from 'vitest'
import { truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import { dense, lstm } from '../layers/index.ts'
import { maxNorm } from '../tensor/constraints.ts'
import { ntAsgd } from '../train/asgd.ts'
import type { Callback } from '../train/callbacks.ts'
import type { Optimizer } from '../train/optimizer.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { explain } from './explain/explain.ts'
import { sequential } from './sequential.ts'

const random = new Random(6)
const x = { shape: [12, 4, 2], data: random.uniform(96) }
const y = { shape: [12, 1], data: random.uniform(12) }
const exact = { relative: 1e-12, absolute: 1e-12 }

function modelWith(optimizer: Optimizer) {
  const model = sequential([lstm({ units: 3 }), dense({ units: 1 })], { backend: truth })
  model.compile({ optimizer, loss: 'meanSquaredError' })
  return model.build([null, 4, 2])
}

describe('ntAsgd', () => {
  const options = { epochs: 4, batchSize: 4, validationData: [x, y] as const }
  /** After two epochs, whatever they brought. */
  const optimizer = (): Optimizer => {
    const made = ntAsgd({ learningRate: 0.3 })
    const trigger = (history: Readonly<Record<string, readonly number[]>>) =>
      history.valLoss.length === 2
    return { ...made, average: { ...made.average!, trigger } }
  }

  it('validates and ends with the mean of the weights since it was triggered', async () => {
    const plain = modelWith(sgd({ learningRate: 0.3 }))
    const weights: Float64Array[] = []
    const watch: Callback = {
      name: 'watch',
      onStepEnd: () => void weights.push(Float64Array.from(plain.parameters.values.values)),
    }
    const first = await plain.fit(x, y, { ...options, callbacks: [watch] })
    const model = modelWith(optimizer())
    const read: Float64Array[] = []
    const reader: Callback = {
      name: 'read',
      onEpochEnd: (run) => void read.push(Float64Array.from(run.readWeights())),
    }
    const { history } = await model.fit(x, y, { ...options, callbacks: [reader] })
    // Three steps an epoch: what was there when it was triggered counts, and each step after.
    const mean = (steps: number) => {
      const counted = weights.slice(5, steps)
      return weights[0].map((_, i) => counted.reduce((sum, w) => sum + w[i], 0) / counted.length)
    }
    expectClose(model.parameters.values.values, mean(12), exact)
    expectClose(read[0], weights[2], exact)
    expectClose(read[2], mean(9), exact)
    expect(history.valLoss.slice(0, 2)).toEqual(first.history.valLoss.slice(0, 2))
    expect(history.loss).toEqual(first.history.loss)
    for (const [epoch, steps] of [
      [2, 9],
      [3, 12],
    ]) {
      plain.parameters.values.values.set(mean(steps))
      plain.parameters.touch()
      const { loss } = await plain.evaluate(x, y)
      expect(history.valLoss[epoch]).toBeCloseTo(loss, 12)
    }
  })

  it('needs what it monitors', async () => {
    const model = modelWith(ntAsgd({ learningRate: 0.1 }))
    await expect(model.fit(x, y)).rejects.toThrow(
      "ntAsgd 'monitor': expected one of loss, got 'valLoss'; give fit validationSplit",
    )
  })
})

it('a moving average is the weights when training ends, and a second fit goes on', async () => {
  const model = modelWith(adam({ learningRate: 0.05, useEma: true, emaMomentum: 0.5 }))
  const weights: Float64Array[] = []
  const watch: Callback = {
    name: 'watch',
    onStepEnd: () => void weights.push(Float64Array.from(model.parameters.values.values)),
  }
  const expected = () =>
    weights.reduce((average, now) => average.map((value, i) => 0.5 * value + 0.5 * now[i]))
  for (let fit = 0; fit < 2; fit++) {
    await model.fit(x, y, { epochs: 2, batchSize: 5, callbacks: [watch] })
    expectClose(model.parameters.values.values, expected(), exact)
  }
})

it('explain leaves averages, constraints and states alone', async () => {
  const layers = [
    lstm({ units: 3, stateful: true, kernelConstraint: maxNorm({ maxValue: 0.1 }) }),
    dense({ units: 1 }),
  ]
  const model = sequential(layers, { backend: truth })
  model.compile({ optimizer: adam({ useEma: true }), loss: 'meanSquaredError' })
  await model.predict(x, { batchSize: 6 })
  const before = model.parameters.values.values.slice()
  const states = structuredClone(model.states.read())
  await explain(model, { batchSize: 4, steps: 4, milliseconds: 1 })
  expect(model.parameters.values.values).toEqual(before)
  expect(model.states.read()).toEqual(states)
})
