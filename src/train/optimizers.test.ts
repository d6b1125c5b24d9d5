import { describe, expect, it } from 'vitest'
import { type FixtureCase, type FixtureOption, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, sums } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { nadam } from './adaptive.ts'
import { asgd } from './asgd.ts'
import { givenBy, size, sizes, train } from './gradients.case.ts'
import { muon } from './muon.ts'
import type { Optimizer, OptimizerOptions } from './optimizer.ts'
import { adam, adamW, resolveOptimizer, rmsprop, sgd } from './optimizers.ts'
import { adafactor, ftrl, lamb } from './optimizers-rare.ts'
import { restoreOptimizer } from './restore.ts'
import { exponentialDecay } from './schedules.ts'

const fixture = loadFixture('keras/optimizers.json')
const [shared, ...cases] = fixture.cases
const steps = shared.options.steps as number
const shown = shared.options.shown as number[]
const given = givenBy(fixture)
const { gradients } = given

const makers: Record<string, (options: never) => Optimizer> = {
  SGD: sgd,
  RMSprop: rmsprop,
  Adam: adam,
  AdamW: adamW,
}

/** The fixture's options under our names. */
function optimizerOf({ options }: FixtureCase): Optimizer {
  const { optimizer, schedule, clipvalue, clipnorm, globalClipnorm, ...rest } = options
  const given: Record<string, FixtureOption | object> = rest
  if (clipvalue) given.clipValue = clipvalue
  if (clipnorm) given.clipNorm = clipnorm
  if (globalClipnorm) given.globalClipNorm = globalClipnorm
  if (schedule) {
    const { name: _, ...decay } = schedule as Record<string, never>
    given.learningRate = exponentialDecay(decay as never)
  }
  return makers[optimizer as string](given as never)
}

const normOf = (values: number[]) => Math.hypot(...values)

/** In how many steps clipping had something to do. */
function clippings({ clipValue, clipNorm, globalClipNorm }: OptimizerOptions): number {
  return gradients.filter(({ w, b }) => {
    if (clipValue) return [...w, ...b].some((g) => Math.abs(g) > clipValue)
    if (clipNorm) return normOf(w) > clipNorm || normOf(b) > clipNorm
    return globalClipNorm ? normOf([...w, ...b]) > globalClipNorm : false
  }).length
}

describe(`${steps} steps of the optimizers of ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = async (backend: Backend, test: FixtureCase) => {
    const optimizer = optimizerOf(test)
    const { weights, rates, history } = await train(backend, optimizer, given)
    for (const step of shown) {
      for (const [name, from, to] of [['w', 0, sizes.w] as const, ['b', sizes.w, size] as const]) {
        const expected = test.arrays[`${name}${step}`].data
        const actual = weights[step - 1].subarray(from, to)
        expectClose(actual, expected, sums, `${name} after step ${step}`)
      }
    }
    const { learningRates } = test.arrays
    if (learningRates) expectClose(rates.slice(0, steps), learningRates.data, { relative: 1e-6 })
    expect(history.steps).toBe(steps)
    expect(history.clippedSteps).toBe(clippings(optimizer.options))
    const clips = Object.keys(optimizer.options).some((name) => /clip/i.test(name))
    if (clips) {
      expect(history.clippedSteps).toBeGreaterThan(0)
      expect(history.clippedSteps).toBeLessThan(steps)
    }
  }
  describe('reference float64', () => {
    for (const test of cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of cases) it(test.name, () => check(backend, test))
  })
})

describe('weights left out of weight decay', () => {
  const caseOf = (name: string) => cases.find((test) => test.name === name)!.arrays
  eachBackend((backend) => {
    it('move as Keras moves them without it, the others with it', async () => {
      for (const left of [['^b$'], [/b$/]]) {
        const optimizer = adamW({ excludeFromWeightDecay: left })
        expect(restoreOptimizer(JSON.parse(JSON.stringify(optimizer))).options).toEqual(
          optimizer.options,
        )
        const { weights } = await train(backend, optimizer, given)
        for (const step of shown) {
          const moved = weights[step - 1]
          const [w, b] = [caseOf('adamw')[`w${step}`], caseOf('adam')[`b${step}`]]
          expectClose(moved.subarray(0, sizes.w), w.data, sums, `w after step ${step}`)
          expectClose(moved.subarray(sizes.w, size), b.data, sums, `b after step ${step}`)
        }
      }
    })
  })
})

describe('where formulas would divide by 0', () => {
  it('ftrl: a rate of 0 moves nothing, and a weight without gradients is 0', async () => {
    const still = await train(truth, ftrl({ learningRate: 0 }), given)
    expect([...still.final]).toEqual([...given.start.w, ...given.start.b])
    const { final } = await train(truth, ftrl({ initialAccumulatorValue: 0 }), given)
    expect(final.every(Number.isFinite)).toBe(true)
    // The fixture's last column of w gets none.
    expect([3, 7, 11].map((i) => final[i])).toEqual([0, 0, 0])
  })

  it('lamb, adafactor and muon: parameters and gradients of zeros', async () => {
    const none = { w: Array(sizes.w).fill(0), b: Array(sizes.b).fill(0) }
    for (const make of [lamb, adafactor, muon]) {
      const { final } = await train(truth, make(), { start: none, gradients: [none, none] })
      expect([...final], make.name).toEqual(Array(size).fill(0))
    }
  })
})

describe('muon', () => {
  it('moves matrices by a direction whose singular values are near 1', async () => {
    const optimizer = muon({ learningRate: 1, weightDecay: 0, rmsRate: null, nsSteps: 12 })
    const [first] = gradients.filter(({ w }) => w.some(Boolean))
    const start = { w: Array(sizes.w).fill(0), b: Array(sizes.b).fill(0) }
    const { final } = await train(truth, optimizer, { start, gradients: [first] })
    const row = (i: number) => final.subarray(4 * i, 4 * i + 4)
    const dot = (i: number, j: number) => row(i).reduce((sum, x, k) => sum + x * row(j)[k], 0)
    for (const i of [0, 1, 2]) {
      for (const j of [0, 1, 2]) expect(Math.abs(dot(i, j) - (i === j ? 1 : 0))).toBeLessThan(0.55)
    }
  })

  it('leaves embeddings to AdamW unless told not to', async () => {
    const last = async (optimizer: Optimizer, name: string) =>
      (await train(truth, optimizer, { ...given, name })).final
    const adamOf = await last(adamW({ weightDecay: 0.004 }), 'w')
    expectClose(await last(muon(), 'embedding/embeddings'), [...adamOf], { relative: 1e-12 })
    const plain = await last(muon(), 'w')
    expect(await last(muon({ excludeEmbeddings: false }), 'embedding/embeddings')).toEqual(plain)
    expect(plain).not.toEqual(adamOf)
  })
})

describe('options', () => {
  const text = (make: () => unknown) => {
    try {
      make()
    } catch (error) {
      return String(error)
    }
    return 'no error'
  }

  it('one that is undefined takes its default', () => {
    const given = { learningRate: undefined, clipNorm: undefined, weightDecay: undefined }
    expect(adam(given).options).toEqual(adam().options)
    expect(adamW(given).options.weightDecay).toBe(0.004)
    expect(rmsprop({ rho: undefined }).options).toEqual(rmsprop().options)
    expect(sgd({ momentum: undefined }).options).toEqual(sgd().options)
  })

  it('unknown ones name the nearest', () => {
    expect(text(() => adam({ learnRate: 1 } as never))).toBe(
      "RefrainError: adam: unknown option 'learnRate'; did you mean 'learningRate'?",
    )
    expect(text(() => sgd({ clipnorm: 1 } as never))).toBe(
      "RefrainError: sgd: unknown option 'clipnorm'; did you mean 'clipNorm'?",
    )
  })

  it('values out of range are named', () => {
    expect(text(() => adamW({ excludeFromWeightDecay: 'bias' as never }))).toBe(
      "RefrainError: adamW 'excludeFromWeightDecay': expected texts or regular expressions without " +
        "flags, got 'bias'; ['bias'] leaves all biases out",
    )
    expect(text(() => adamW({ excludeFromWeightDecay: [/B/i] }))).toContain('without flags, got [')
    expect(text(() => adam({ learningRate: -1 }))).toBe(
      "RefrainError: adam 'learningRate': expected a finite number of at least 0, got -1",
    )
    expect(text(() => adam({ learningRate: '0.1' as never }))).toBe(
      "RefrainError: adam 'learningRate': expected a finite number of at least 0, got '0.1'",
    )
    expect(text(() => adam({ learningRate: { rate: 1 } as never }))).toBe(
      "RefrainError: adam 'learningRate': expected a number or a schedule, got { rate }; " +
        'write exponentialDecay({ … })',
    )
    expect(text(() => rmsprop({ rho: 1.5 }))).toBe(
      "RefrainError: rmsprop 'rho': expected a finite number from 0 to 1, got 1.5",
    )
    expect(text(() => rmsprop({ rho: 1 }))).toBe(
      "RefrainError: rmsprop 'rho': expected less than 1, got 1",
    )
    expect(text(() => adam({ beta1: 1 }))).toBe(
      "RefrainError: adam 'beta1': expected less than 1, got 1",
    )
    expect(text(() => adam({ beta2: 1 }))).toContain("adam 'beta2': expected less than 1")
    expect(text(() => sgd({ clipValue: 0 }))).toBe(
      "RefrainError: sgd 'clipValue': expected more than 0, got 0",
    )
    expect(text(() => sgd({ clipNorm: 1, globalClipNorm: 2 }))).toBe(
      'RefrainError: sgd: expected one of clipValue, clipNorm and globalClipNorm, ' +
        'got [clipNorm, globalClipNorm]',
    )
    expect(text(() => adam({ epsilon: Number.NaN }))).toContain("adam 'epsilon'")
  })

  it('those of the rarer ones, too', () => {
    const bad: [() => unknown, string][] = [
      [() => ftrl({ learningRatePower: 0.5 }), "ftrl 'learningRatePower': expected a finite"],
      [() => ftrl({ l1RegularizationStrength: -1 }), "ftrl 'l1RegularizationStrength'"],
      [() => ftrl({ l2RegularisationStrength: 1 } as never), "mean 'l2RegularizationStrength'?"],
      [() => lamb({ beta1: 1 }), "lamb 'beta1': expected less than 1, got 1"],
      [() => lamb({ beta2: 2 }), "lamb 'beta2': expected a finite number from 0 to 1, got 2"],
      [() => lamb({ epsilon: -1 }), "lamb 'epsilon': expected a finite number of at least 0"],
      [() => adafactor({ beta2Decay: 0.8 }), "adafactor 'beta2Decay': expected a finite number"],
      [() => adafactor({ epsilon1: 0 }), "adafactor 'epsilon1': expected a finite number of at"],
      [() => adafactor({ clipThreshold: 0 }), "adafactor 'clipThreshold': expected a finite"],
      [() => adafactor({ relativeStep: true } as never), "unknown option 'relativeStep'"],
      [() => muon({ nsSteps: 2.5 }), "muon 'nsSteps': expected a whole number of at least 0"],
      [() => muon({ momentum: 2 }), "muon 'momentum': expected a finite number from 0 to 1"],
      [() => muon({ muonA: Number.NaN }), "muon 'muonA': expected a finite number, got NaN"],
      [() => muon({ rmsRate: -1 }), "muon 'rmsRate': expected a finite number of at least 0"],
      [() => muon({ nesterov: 1 as never }), "muon 'nesterov': expected true or false, got 1"],
      [() => muon({ adamBeta2: 1 }), "muon 'adamBeta2': expected less than 1, got 1"],
      [
        () => muon({ excludeLayers: 'dense' as never }),
        "muon 'excludeLayers': expected texts or regular expressions without flags, got 'dense'; " +
          "['dense'] leaves all dense layers to AdamW",
      ],
    ]
    for (const [make, expected] of bad) expect(text(make)).toContain(expected)
  })

  it('of a schedule, too', () => {
    const decay = { initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5 }
    expect(text(() => exponentialDecay({ ...decay, decaySteps: 0 }))).toBe(
      "RefrainError: exponentialDecay 'decaySteps': expected a whole number of at least 1, got 0",
    )
    expect(text(() => exponentialDecay({ ...decay, staircases: true } as never))).toBe(
      "RefrainError: exponentialDecay: unknown option 'staircases'; did you mean 'staircase'?",
    )
  })

  it('an unknown optimizer names the nearest', () => {
    expect(text(() => resolveOptimizer('adamw' as never))).toBe(
      "RefrainError: optimizer: unknown optimizer 'adamw'; did you mean 'adamW'?; " +
        'others are made by a call, such as nadam()',
    )
    expect(text(() => resolveOptimizer('constructor' as never))).toBe(
      "RefrainError: optimizer: unknown optimizer 'constructor'; known: sgd, rmsprop, adam, adamW; " +
        'others are made by a call, such as nadam()',
    )
    expect(text(() => resolveOptimizer(null as never))).toContain('unknown optimizer null')
  })

  it('survive JSON', () => {
    const schedule = exponentialDecay({ initialLearningRate: 0.1, decaySteps: 5, decayRate: 0.5 })
    for (const optimizer of [
      sgd({ momentum: 0.9, nesterov: true, learningRate: schedule }),
      rmsprop({ centered: true }),
      adam({ amsgrad: true, clipNorm: 1 }),
      adamW(),
      nadam({ useEma: true, gradientAccumulationSteps: 2 }),
      asgd({ t0: 5 }),
      ftrl({ l1RegularizationStrength: 0.5 }),
      lamb({ weightDecay: 0.1 }),
      adafactor({ clipThreshold: 2 }),
      muon({ excludeLayers: ['dense', /^out.*kernel$/], rmsRate: null }),
    ]) {
      const { name, options } = optimizer
      const copy = restoreOptimizer(JSON.parse(JSON.stringify({ name, options })))
      expect(copy.options).toEqual(options)
      expect(copy.slots).toEqual(optimizer.slots)
    }
  })
})
