import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../test/fixtures/load.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Callback, Run } from './callbacks.ts'
import { givenBy, train } from './gradients.case.ts'
import { sgd } from './optimizers.ts'
import {
  lambdaCallback,
  learningRateScheduler,
  type ReduceLrOnPlateauOptions,
  reduceLrOnPlateau,
  stochasticWeightAveraging,
  terminateOnNaN,
} from './rate-callbacks.ts'
import { restoreState } from './restore-state.ts'

const given = givenBy(loadFixture('keras/adaptive.json'))

/** What a callback makes of the learning rate when it is shown these values, one an epoch. */
async function ratesOf(callback: Callback, values: readonly number[], first = 0) {
  const run = { epoch: 0, learningRate: 0.1 } as Run & { epoch: number }
  const rates: number[] = []
  await callback.onTrainBegin?.(run)
  for (const [i, value] of values.entries()) {
    run.epoch = first + i
    await callback.onEpochEnd?.(run, { valLoss: value })
    rates.push(run.learningRate)
  }
  return rates
}

describe('reduceLrOnPlateau', () => {
  const { made_by, cases } = loadFixture('keras/plateau.json')
  it.each(cases.map((test) => [test.name, test] as const))(
    `%s, as in ${made_by.program} ${made_by.version}`,
    async (_, { options, arrays }) => {
      const rates = await ratesOf(
        reduceLrOnPlateau(options as ReduceLrOnPlateauOptions),
        arrays.values.data,
      )
      expectClose(rates, arrays.rates.data, { relative: 1e-6 })
    },
  )

  it('goes on from its state', async () => {
    const values = cases[1].arrays.values.data
    const options = cases[1].options as ReduceLrOnPlateauOptions
    const whole = reduceLrOnPlateau(options)
    await ratesOf(whole, values.slice(0, 4))
    const state = JSON.parse(JSON.stringify(whole.readState!()))
    const later = await ratesOf(whole, values.slice(4))
    expect(later.at(-1)).toBeLessThan(0.1)
    const resumed = reduceLrOnPlateau(options)
    resumed.writeState!(state)
    // The first went on from its own state only because nothing began anew.
    const other = reduceLrOnPlateau(options)
    other.writeState!(state)
    expect(await ratesOf(resumed, values.slice(4))).toEqual(await ratesOf(other, values.slice(4)))
    expect(() => resumed.writeState!({ json: null })).toThrow("state of 'reduceLrOnPlateau'")
  })

  it('names what it cannot watch', async () => {
    await expect(ratesOf(reduceLrOnPlateau({ monitor: 'valAcc' }), [1])).rejects.toThrow(
      "reduceLrOnPlateau 'monitor': expected one of valLoss, got 'valAcc'; give fit validationSplit",
    )
    expect(() => reduceLrOnPlateau({ factor: 1 })).toThrow('expected less than 1, got 1')
  })
})

it('learningRateScheduler sets the rate of each epoch', async () => {
  const rates: number[] = []
  await train(truth, sgd({ learningRate: 0.4 }), given, {
    epochs: 3,
    callbacks: [
      learningRateScheduler((epoch, rate) => (epoch === 0 ? rate : rate / 2)),
      lambdaCallback({ onEpochEnd: (run) => void rates.push(run.learningRate) }),
    ],
  })
  expect(rates).toEqual([0.4, 0.2, 0.1])
})

describe('terminateOnNaN', () => {
  // The tenth gradient is not finite.
  const broken = {
    ...given,
    gradients: given.gradients.map((g, i) => (i === 9 ? { ...g, b: [Number.NaN, 1, 1, 1] } : g)),
  }

  it('ends training with the weights before the step', async () => {
    const ends: number[] = []
    const found = await train(truth, sgd(), broken, {
      callbacks: [
        terminateOnNaN(),
        lambdaCallback({ onTrainEnd: (run) => void ends.push(run.step) }),
      ],
    })
    expect(found.weights).toHaveLength(9)
    expect(found.final).toEqual(found.weights[8])
    expect(found.history.stopped).toContain('training step 10: the loss is')
    expect(ends).toEqual([9])
  })

  it('without it fit fails', async () => {
    await expect(train(truth, sgd(), broken)).rejects.toThrow("the gradient of 'b' is not finite")
  })
})

it('lambdaCallback checks the names of its functions', () => {
  expect(() => lambdaCallback({ onEpochEnds: () => {} } as never)).toThrow(
    "lambdaCallback: unknown option 'onEpochEnds'; did you mean 'onEpochEnd'?",
  )
})

describe('stochasticWeightAveraging', () => {
  const epochs = 6
  const run = async (options: { startEpoch: number; everyEpochs?: number }) => {
    const ends: Float64Array[] = []
    const found = await train(truth, sgd({ learningRate: 0.1 }), given, {
      epochs,
      callbacks: [
        stochasticWeightAveraging(options),
        lambdaCallback({
          onEpochEnd: (run) => void ends.push(Float64Array.from(run.readWeights())),
        }),
      ],
    })
    return { ends, final: found.final }
  }
  const mean = (all: Float64Array[]) =>
    all[0].map((_, i) => all.reduce((sum, weights) => sum + weights[i], 0) / all.length)

  it('ends with the mean of the epochs', async () => {
    const { ends, final } = await run({ startEpoch: 2 })
    expectClose(final, mean(ends.slice(2)), { relative: 1e-12, absolute: 1e-12 })
    const second = await run({ startEpoch: 1, everyEpochs: 2 })
    const chosen = [1, 3, 5].map((epoch) => second.ends[epoch])
    expectClose(second.final, mean(chosen), { relative: 1e-12, absolute: 1e-12 })
    const late = await run({ startEpoch: 9 })
    expect(late.final).toEqual(late.ends.at(-1))
  })

  it('goes on from a checkpoint', async () => {
    const options = { startEpoch: 1 }
    const whole = await run(options)
    const stop = lambdaCallback({
      onEpochEnd(run) {
        run.save('a file')
        if (run.epoch === 3) run.stop('here')
      },
    })
    const first = await train(truth, sgd({ learningRate: 0.1 }), given, {
      epochs,
      callbacks: [stochasticWeightAveraging(options), stop],
    })
    const { state, w, b } = first.saved!
    const rest = await train(
      truth,
      sgd({ learningRate: 0.1 }),
      { ...given, start: { w, b } },
      {
        epochs,
        callbacks: [stochasticWeightAveraging(options)],
        resume: (trainer) => restoreState(trainer, state, []),
      },
    )
    expect(rest.final).toEqual(whole.final)
  })
})
