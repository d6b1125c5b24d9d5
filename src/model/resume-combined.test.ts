/** Going on from a checkpoint where averages, accumulation, rules and windows meet: the same bits. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import { dense, dropout, gaussianNoise, lstm } from '../layers/index.ts'
import { maxNorm, unitNorm } from '../tensor/constraints.ts'
import { l1l2, l2 } from '../tensor/regularizers.ts'
import { lion, nadam } from '../train/adaptive.ts'
import { ntAsgd } from '../train/asgd.ts'
import { type Callback, checkpoint } from '../train/callbacks.ts'
import { muon } from '../train/muon.ts'
import type { Optimizer } from '../train/optimizer.ts'
import { adam, adamW, rmsprop, sgd } from '../train/optimizers.ts'
import { lamb } from '../train/optimizers-rare.ts'
import { stochasticWeightAveraging } from '../train/rate-callbacks.ts'
import { oneCycle } from '../train/schedules.ts'
import { loadRefrain } from './load.ts'
import { sequential } from './sequential.ts'
import type { FitOptions } from './training.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-combined-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const random = new Random(8)
const x = { shape: [8, 6, 2], data: random.uniform(96) }
const y = { shape: [8, 6, 1], data: random.uniform(48) }

interface Combination {
  optimizer: () => Optimizer
  fit?: FitOptions
  callbacks?: () => Callback[]
  stateful?: boolean
}

const validated: FitOptions = { validationData: [x, y] }
const combinations: Record<string, Combination> = {
  'an average that overwrites, of accumulated gradients': {
    optimizer: () =>
      adam({
        learningRate: 0.02,
        useEma: true,
        emaMomentum: 0.7,
        emaOverwriteFrequency: 2,
        gradientAccumulationSteps: 3,
        clipNorm: 0.5,
      }),
  },
  'ntAsgd, triggered on the way, of accumulated gradients': {
    optimizer: () => ntAsgd({ learningRate: 2, nonMonotone: 1, gradientAccumulationSteps: 2 }),
    fit: validated,
  },
  'stochastic weight averaging of momentum': {
    optimizer: () => sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
    callbacks: () => [stochasticWeightAveraging({ startEpoch: 1 })],
    fit: validated,
  },
  'a schedule, by batches, of accumulated gradients': {
    optimizer: () =>
      nadam({
        learningRate: oneCycle({ maxLearningRate: 0.05, totalSteps: 16 }),
        gradientAccumulationSteps: 2,
      }),
  },
  'weight decay of some weights': {
    optimizer: () =>
      adamW({
        learningRate: 0.02,
        weightDecay: 0.2,
        excludeFromWeightDecay: ['bias', /dense.*kernel/],
      }),
  },
  'matrices of muon, but of the last layer': {
    optimizer: () =>
      muon({ learningRate: 0.02, excludeLayers: ['dense'], gradientAccumulationSteps: 2 }),
  },
  'an average of lamb': {
    optimizer: () => lamb({ learningRate: 0.02, weightDecay: 0.1, useEma: true }),
    fit: { bpttSteps: 4 },
  },
  'windows with an average': {
    optimizer: () => rmsprop({ learningRate: 0.01, momentum: 0.5, centered: true, useEma: true }),
    fit: { bpttSteps: 4, ...validated },
  },
  'windows, carried states and accumulated gradients': {
    optimizer: () => lion({ gradientAccumulationSteps: 3, useEma: true }),
    fit: { bpttSteps: 4 },
    stateful: true,
  },
}

describe('going on gives the bits of a run that nothing interrupted', () => {
  const modelWith = ({ optimizer, stateful = false }: Combination, seed = 1) => {
    const layers = [
      lstm({
        units: 3,
        returnSequences: true,
        stateful,
        dropout: 0.2,
        seed: 4,
        kernelRegularizer: l2({ l2: 0.01 }),
        recurrentConstraint: maxNorm({ maxValue: 0.8 }),
        activityRegularizer: l1l2({ l1: 0.01, l2: 0.02 }),
        temporalActivityRegularizer: 0.1,
      }),
      dropout({ rate: 0.3 }),
      gaussianNoise({ stddev: 0.1, seed: 4 }),
      dense({ units: 1, kernelConstraint: unitNorm() }),
    ]
    const model = sequential(layers, { backend: truth, seed })
    model.compile({ optimizer: optimizer(), loss: 'huber', metrics: ['mae'] })
    return model
  }
  const stopAfter = (steps: number): Callback => ({
    name: 'stopAfter',
    onStepEnd(run) {
      if (run.iteration === steps) run.stop('the test')
    },
  })

  it.each(Object.entries(combinations))('%s', async (name, combination) => {
    const { fit = {}, callbacks = () => [] } = combination
    const options = { epochs: 4, batchSize: 2, seed: 5, ...fit }
    const whole = modelWith(combination)
    const { history, steps } = await whole.fit(x, y, { ...options, callbacks: callbacks() })
    const path = join(folder, `${name}.refrain`)
    let resume: string | undefined
    for (const stop of [1, 4, 6, 11, steps - 1]) {
      const model = modelWith(combination, resume ? 77 : 1)
      const watching = [...callbacks(), checkpoint({ path, everySteps: 1 }), stopAfter(stop)]
      await model.fit(x, y, { ...options, resume, callbacks: watching })
      resume = path
    }
    // The last piece by the same program, and by one that has the file alone.
    for (const model of [modelWith(combination, 78), await loadRefrain(path, { backend: truth })]) {
      const resumed = await model.fit(x, y, { ...options, resume, callbacks: callbacks() })
      expect(resumed.history).toEqual(history)
      expect(model.parameters.values.values).toEqual(whole.parameters.values.values)
    }
  })
})
