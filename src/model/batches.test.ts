/** `fit` on batches from generators: what it gives is what `fit` gives on the same rows in memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachBackend } from '../kernels/backends.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { dense, dropout, embedding, lstm } from '../layers/index.ts'
import { type Callback, checkpoint } from '../train/callbacks.ts'
import { adam } from '../train/optimizers.ts'
import { progress } from '../train/progress.ts'
import './load.ts'
import { sequential } from './sequential.ts'
import type { FitBatchesOptions } from './training.ts'

/** Ragged rows of ids, a target each, and a weight. */
const x = Array.from({ length: 23 }, (_, row) =>
  Array.from({ length: 1 + (row % 5) }, (_, t) => 1 + ((row * 7 + t * 3) % 9)),
)
const y = x.map((row) => [Number(row.includes(4))])
const sampleWeight = x.map((_, row) => 1 + (row % 3))
const size = 5

function* batches() {
  for (let from = 0; from < x.length; from += size) {
    const part = <T>(rows: T[]) => rows.slice(from, from + size)
    yield { x: part(x), y: part(y), sampleWeight: part(sampleWeight) }
  }
}
async function* slowly() {
  for (const batch of batches()) {
    await new Promise((resolve) => setImmediate(resolve))
    yield batch
  }
}

function makeModel(backend: Backend = referenceBackend()) {
  const model = sequential(
    [
      embedding({ inputDim: 12, outputDim: 4, maskZero: true }),
      lstm({ units: 3 }),
      dropout({ rate: 0.3 }),
      dense({ units: 1, activation: 'sigmoid' }),
    ],
    { backend, seed: 4 },
  )
  model.compile({ optimizer: adam({ learningRate: 0.02 }), loss: 'binaryCrossentropy' })
  return model
}
const weightsOf = (model: ReturnType<typeof makeModel>) => [
  ...model.parameters.values.values.slice(),
]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-batches-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

eachBackend((backend) => {
  it('gives the same as rows in memory, bit by bit', async () => {
    const [whole, parts, async] = [makeModel(backend), makeModel(backend), makeModel(backend)]
    const options = { epochs: 3, classWeight: { 1: 2 }, validationData: [x, y] as const }
    const ofRows = { batchSize: size, shuffle: false, sampleWeight }
    const expected = await whole.fit(x, y, { ...options, ...ofRows })
    const history = await parts.fit(batches, options)
    await async.fit(slowly, options)
    expect(history.history.loss).toEqual(expected.history.loss)
    // Summed in other batches.
    history.history.valLoss.forEach((value, i) => {
      expect(value).toBeCloseTo(expected.history.valLoss[i], 6)
    })
    expect(weightsOf(parts)).toEqual(weightsOf(whole))
    expect(weightsOf(async)).toEqual(weightsOf(whole))
    expect(parts.trainingRecord).toMatchObject({ rows: null, batchSize: null, epochs: 3 })
  })
})

describe('fit on batches', () => {
  it('ends an epoch after stepsPerEpoch and goes on from there', async () => {
    const rounds: number[] = []
    const steps: [number, number | null][] = []
    const counting: Callback = {
      name: 'counting',
      onStepEnd: ({ step, stepsPerEpoch }) => void steps.push([step, stepsPerEpoch]),
    }
    // 5 batches a round; 4 epochs of 3 are two rounds and two batches.
    const make = (round: number) => {
      rounds.push(round)
      return batches()
    }
    const [counted, plain] = [makeModel(), makeModel()]
    const { history } = await counted.fit(make, {
      epochs: 4,
      stepsPerEpoch: 3,
      callbacks: [counting],
    })
    expect(history.loss).toHaveLength(4)
    expect(rounds).toEqual([0, 1, 2])
    expect(steps).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3].map((step) => [step, 3]))
    await plain.fit(batches, { epochs: 2 })
    const two = [...batches()].slice(0, 2)
    await plain.fit(() => two)
    // Dropout counts the steps of the model's optimizer, so both took the same twelve.
    expect(weightsOf(counted)).toEqual(weightsOf(plain))
  })

  it('knows how many steps there are once an epoch is over', async () => {
    const steps: (number | null)[] = []
    const text: string[] = []
    const seeing: Callback = {
      name: 'seeing',
      onStepEnd: ({ stepsPerEpoch }) => void steps.push(stepsPerEpoch),
    }
    const bar = progress({ live: true, write: (line) => void text.push(line) })
    await makeModel().fit(batches, { epochs: 2, callbacks: [seeing, bar] })
    expect(steps).toEqual([null, null, null, null, null, 5, 5, 5, 5, 5])
    expect(text.join('')).toMatch(/epoch 2\/2 ━{20}/)
    expect(text.join('')).not.toMatch(/NaN|Infinity/)
  })

  it('takes a generator itself, for one round', async () => {
    const model = makeModel()
    await model.fit(slowly())
    await model.fit(batches())
    const again = makeModel()
    await again.fit(batches, { epochs: 2 })
    expect(weightsOf(model)).toEqual(weightsOf(again))
    await expect(makeModel().fit(batches(), { epochs: 2 })).rejects.toThrow(
      'fit: expected a batch, the generator is at its end; ' +
        'give a function that makes a new one for each epoch',
    )
  })

  it.each([{ epochs: 4 }, { epochs: 4, stepsPerEpoch: 3 }])(
    'goes on where it was stopped: %o',
    async (options) => {
      const path = join(folder, `${Object.keys(options)}.refrain`)
      const whole = makeModel()
      const expected = await whole.fit(slowly, options)
      let stops = 0
      const stopping: Callback = {
        name: 'stopping',
        onStepEnd: (run) => {
          if (++stops < 8) return
          run.save(path)
          run.stop('enough')
        },
      }
      await makeModel().fit(slowly, { ...options, callbacks: [stopping] })
      const resumed = makeModel()
      const history = await resumed.fit(slowly, { ...options, resume: path })
      expect(history).toEqual(expected)
      expect(weightsOf(resumed)).toEqual(weightsOf(whole))
      await expect(makeModel().fit(x, y, { epochs: 4, resume: path })).rejects.toThrow(
        'the checkpoint was made with',
      )
      const other = { ...options, stepsPerEpoch: 2, resume: path }
      await expect(makeModel().fit(slowly, other)).rejects.toThrow(
        'the checkpoint was made with stepsPerEpoch ',
      )
    },
  )

  it('an epoch that was stopped is none, also where rounds differ in length', async () => {
    const rounds = async function* (round: number) {
      yield* batches()
      if (round === 1) yield* batches()
    }
    const stopAt = (epoch: number, step: number): Callback => ({
      name: 'stop',
      onEpochBegin: (run) => void (step === 0 && run.epoch === epoch && run.stop('now')),
      onStepEnd: (run) => void (run.epoch === epoch && run.step === step && run.stop('now')),
    })
    const epochsOf = async (epoch: number, step: number) => {
      const options = { epochs: 3, callbacks: [stopAt(epoch, step)] }
      return (await makeModel().fit(rounds, options)).epoch.length
    }
    expect(await epochsOf(0, 4)).toBe(0)
    expect(await epochsOf(0, 5)).toBe(1)
    expect(await epochsOf(1, 0)).toBe(1)
    expect(await epochsOf(1, 5)).toBe(1)
    expect(await epochsOf(1, 10)).toBe(2)
    const ofRows = { epochs: 3, callbacks: [stopAt(1, 0)] }
    expect((await makeModel().fit(x, y, ofRows)).history.loss).toHaveLength(1)
  })

  it('closes the generator, when it is done and when it fails', async () => {
    let open = 0
    const held = async function* () {
      open++
      try {
        while (true) yield* batches()
      } finally {
        open--
      }
    }
    await makeModel().fit(held, { epochs: 2, stepsPerEpoch: 4 })
    expect(open).toBe(0)
    const failing: Callback = {
      name: 'failing',
      onStepEnd() {
        throw new Error('stop here')
      },
    }
    const options = { stepsPerEpoch: 4, callbacks: [failing] }
    await expect(makeModel().fit(held, options)).rejects.toThrow('stop here')
    expect(open).toBe(0)
  })

  it('keeps what a generator throws, and trains again after it', async () => {
    const model = makeModel()
    const broken = async function* () {
      yield* batches()
      throw new Error('line 71: no label')
    }
    await expect(model.fit(broken)).rejects.toThrow('line 71: no label')
    await model.fit(batches)
  })

  it.each<[string, unknown, string]>([
    ['rows of unequal number', { x: x.slice(0, 3), y: y.slice(0, 2) }, "'y': expected 3 rows"],
    ['no targets', { x }, "'y': expected"],
    ['nothing', null, "'x': expected"],
    ['another key', { x, y, weight: sampleWeight }, ": unknown option 'weight'"],
  ])('names a batch of %s', async (_, batch, message) => {
    const make = function* () {
      yield* batches()
      yield batch as never
    }
    await expect(makeModel().fit(make)).rejects.toThrow(new RegExp(`^fit batch 6.*${message}`))
  })

  it.each(['batchSize', 'shuffle', 'validationSplit', 'bpttSteps', 'sampleWeight'])(
    'refuses %s, which is for rows in memory',
    async (option) => {
      const options = { [option]: 1 } as FitBatchesOptions
      await expect(makeModel().fit(batches, options)).rejects.toThrow(
        `fit with batches: unknown option '${option}'`,
      )
    },
  )

  it('writes checkpoints that say nothing of rows', async () => {
    const path = join(folder, 'checkpoint.refrain')
    await makeModel().fit(batches, { callbacks: [checkpoint({ path })] })
    const model = makeModel()
    await model.fit(batches, { epochs: 2, resume: path })
    const whole = makeModel()
    await whole.fit(batches, { epochs: 2 })
    expect(weightsOf(model)).toEqual(weightsOf(whole))
  })
})
