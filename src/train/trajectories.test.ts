/** The rarer optimizers, accumulated gradients and averages, against Keras and PyTorch. */
import { describe, expect, it } from 'vitest'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, sums } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { adadelta, adagrad, adamax, lion, nadam } from './adaptive.ts'
import { asgd, ntAsgd } from './asgd.ts'
import type { Run } from './callbacks.ts'
import { givenBy, train } from './gradients.case.ts'
import { muon } from './muon.ts'
import type { Optimizer } from './optimizer.ts'
import { adam, adamW, rmsprop, sgd } from './optimizers.ts'
import { adafactor, ftrl, lamb } from './optimizers-rare.ts'
import type { Resumable } from './plan.ts'
import { restoreOptimizer } from './restore.ts'
import { restoreState } from './restore-state.ts'

const makers: Record<string, (options: never) => Optimizer> = {
  SGD: sgd,
  RMSprop: rmsprop,
  Adam: adam,
  AdamW: adamW,
  Adagrad: adagrad,
  Adadelta: adadelta,
  Adamax: adamax,
  Nadam: nadam,
  NAdam: nadam,
  Lion: lion,
  ASGD: asgd,
  Ftrl: ftrl,
  Lamb: lamb,
  Adafactor: adafactor,
  Muon: muon,
}

/** Keras's names that differ from ours in more than their case. */
const renamed: Record<string, string> = {
  clipvalue: 'clipValue',
  clipnorm: 'clipNorm',
  globalClipnorm: 'globalClipNorm',
}

function optimizerOf({ options: { optimizer, shape, ...rest } }: FixtureCase): Optimizer {
  const options = Object.entries(rest).map(([name, value]) => [
    renamed[name] ?? name.replace('beta_', 'beta'),
    value,
  ])
  return makers[optimizer as string](Object.fromEntries(options) as never)
}

for (const path of ['keras/adaptive.json', 'pytorch/optimizers.json']) {
  const fixture = loadFixture(path)
  const [{ options }, ...cases] = fixture.cases
  const given = givenBy(fixture)
  describe(`${options.steps} steps of ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
    const check = async (backend: Backend, test: FixtureCase) => {
      const optimizer = optimizerOf(test)
      const { weights, final } = await train(backend, optimizer, {
        ...given,
        shape: test.options.shape as number[] | undefined,
      })
      const expected = (at: number | string) => [
        ...test.arrays[`w${at}`].data,
        ...test.arrays[`b${at}`].data,
      ]
      // While PyTorch's ASGD trains, `readWeights` gives the average.
      if (!optimizer.average?.validated) {
        for (const step of options.shown as number[]) {
          expectClose(weights[step - 1], expected(step), sums, `after step ${step}`)
        }
      }
      if (test.arrays.wFinal) expectClose(final, expected('Final'), sums, 'final')
    }
    describe('reference float64', () => {
      for (const test of cases) it(test.name, () => check(truth, test))
    })
    eachBackend((backend) => {
      for (const test of cases) it(test.name, () => check(backend, test))
    })
  })
}

describe('a resumed run', () => {
  const given = givenBy(loadFixture('keras/adaptive.json'))
  const optimizers: Record<string, () => Optimizer> = {
    sgd: () => sgd({ momentum: 0.9 }),
    rmsprop: () => rmsprop({ centered: true, momentum: 0.5 }),
    adam: () => adam({ amsgrad: true }),
    adamW,
    adagrad,
    adadelta,
    adamax,
    nadam,
    lion,
    asgd: () => asgd({ t0: 10 }),
    ntAsgd: () => ntAsgd({ learningRate: 0.1, monitor: 'loss' }),
    ema: () => adam({ useEma: true, emaOverwriteFrequency: 4 }),
    ftrl: () => ftrl({ l1RegularizationStrength: 0.1 }),
    lamb,
    adafactor,
    muon,
    accumulation: () => nadam({ gradientAccumulationSteps: 4 }),
  }
  eachBackend((backend) => {
    it.each(Object.entries(optimizers))('%s', async (_, make) => {
      const stop = 23
      const keep = {
        name: 'keep',
        onStepEnd: (run: Run) => {
          if (run.step === stop) run.save('a file')
        },
      }
      const whole = await train(backend, make(), given, { callbacks: [keep] })
      const { state, w, b } = whole.saved!
      const optimizer = make()
      const resume = (trainer: Resumable) => restoreState(trainer, state, optimizer.slots)
      const rest = await train(backend, optimizer, { ...given, start: { w, b } }, { resume })
      expect(rest.weights).toHaveLength(given.gradients.length - stop)
      expect(rest.weights.at(-1)).toEqual(whole.weights.at(-1))
      expect(rest.final).toEqual(whole.final)
    })
  })
})

describe('ntAsgd', () => {
  it('averages from the epoch on in which validation gets worse', () => {
    const { trigger } = ntAsgd({ nonMonotone: 2 }).average!
    expect(trigger!({ valLoss: [3, 4, 5] })).toBe(false)
    expect(trigger!({ valLoss: [3, 4, 5, 3] })).toBe(false)
    expect(trigger!({ valLoss: [3, 4, 5, 3.1] })).toBe(true)
    expect(trigger!({ valLoss: [3, 2, 5, 2.9] })).toBe(false)
    expect(() => trigger!({ loss: [1] })).toThrow(
      "ntAsgd 'monitor': expected one of loss, got 'valLoss'; give fit validationSplit",
    )
  })

  it('ends with the mean of the weights since', () => {
    const { share } = ntAsgd().average!
    const weights = [5, 7, 1, 4, 9]
    let average = 0
    weights.forEach((weight, step) => {
      const part = share(step, step < 3 ? null : 3)
      average += part * (weight - average)
    })
    // Triggered after three steps: those after steps 3, 4 and 5.
    expect(average).toBeCloseTo((1 + 4 + 9) / 3, 12)
  })
})

it('options of averages and accumulation are checked', () => {
  expect(() => adam({ gradientAccumulationSteps: 1 })).toThrow(
    "adam 'gradientAccumulationSteps': expected a whole number of at least 2, got 1",
  )
  expect(() => adam({ useEma: true, emaMomentum: 2 })).toThrow("adam 'emaMomentum'")
  expect(() => asgd({ useEma: true } as never)).toThrow("asgd: expected no 'useEma', got true")
  expect(() => lion({ beta1: 1 })).toThrow("lion 'beta1': expected less than 1, got 1")
  expect(() => restoreOptimizer({ name: 'adagard', options: {} })).toThrow(
    "did you mean 'adagrad'?",
  )
})
