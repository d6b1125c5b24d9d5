import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RefrainError } from '../errors.ts'
import { Random } from '../tensor/random.ts'
import { checkpoint } from '../train/callbacks.ts'
import { decodeSafetensors, encodeSafetensors } from '../util/safetensors.ts'
import * as regress from './regress.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-regress-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The pairs of the lecture's kind: 1 to 20, and fifteen times that. */
const numbers = Array.from({ length: 20 }, (_, i) => i + 1)
const pairs = { inputs: numbers, targets: numbers.map((x) => 15 * x) }

test('number pairs: what lies outside is told, too', async () => {
  const regressor = await regress.train(pairs, { seed: 1 })
  const [[thirty], [half]] = await regressor.predict([30, 0.5])
  expect(Math.abs(thirty - 450)).toBeLessThan(20)
  expect(Math.abs(half - 7.5)).toBeLessThan(3)
  const result = await regressor.evaluate(pairs)
  expect(result.r2).toBeGreaterThan(0.999)
  // Fifteen times x is linear.
  expect(result.linear.rmse).toBeLessThan(0.01)
})

test('a product of two numbers, and their sum: better than linear regression', async () => {
  const random = new Random(1, 'test')
  const inputs = Array.from({ length: 300 }, () => [random.uniform() * 4, random.uniform() * 4])
  const data = { inputs, targets: inputs.map(([a, b]) => [a * b, a + b]) }
  const part = (from: number, to: number) => ({
    inputs: data.inputs.slice(from, to),
    targets: data.targets.slice(from, to),
  })
  const regressor = await regress.train(part(0, 240), { epochs: 120, seed: 2 })
  const result = await regressor.evaluate(part(240, 300))
  expect(result.best).toBe('model')
  expect(result.rmse).toBeLessThan(0.25 * result.linear.rmse)
  expect(result.mean.rmse).toBeGreaterThan(result.linear.rmse)

  const [[product]] = await regressor.predict([[4, 1]])
  const why = await regressor.explain([4, 1])
  expect(why.target).toBe('1')
  expect(why.prediction).toBeCloseTo(product, 5)
  const { '1': a, '2': b } = why.contributions
  expect(a + b).toBeCloseTo(why.prediction - why.baseline, 9)
  // Along a straight path from the means (2, 2), half of a product's change is each factor's own:
  // ∫ Δa (2 + α Δb) dα = 2 Δa + Δa Δb / 2.
  expect(Math.abs(a - (2 * 2 - 1))).toBeLessThan(0.5)
  expect(Math.abs(b - (-1 * 2 - 1))).toBeLessThan(0.5)
  const sum = await regressor.explain([4, 1], '2')
  expect(sum.contributions['1'] + sum.contributions['2']).toBeCloseTo(
    sum.prediction - sum.baseline,
    9,
  )
  await expect(regressor.explain([4, 1], '3')).rejects.toThrow(
    "regress.explain: unknown target '3'; did you mean",
  )
})

test('errors of an evaluation, by hand', async () => {
  const regressor = await regress.train(
    { inputs: [0, 1, 2, 3], targets: [0, 1, 2, 5] },
    { epochs: 1, layers: 0, validation: 0 },
  )
  for (const { value } of regressor.model.parameters.parameters) value.values.fill(0)
  // Weights of 0 tell the mean, which is 2. Least squares: 1.6 x - 0.4.
  const result = await regressor.evaluate({ inputs: [0, 3], targets: [0, 6] })
  expect(result.mae).toBeCloseTo(3, 5)
  expect(result.mean).toEqual({ mae: 3, rmse: Math.sqrt(10) })
  expect(result.linear.mae).toBeCloseTo((0.4 + 1.6) / 2, 3)
  expect(result.r2).toBeCloseTo(1 - 20 / 18, 5)
})

test('a file gives the same answers; training resumes to the same weights', async () => {
  const path = join(folder, 'pairs.refrain')
  const options = { epochs: 6, validation: 0.2, batchSize: 4, seed: 3 }
  const whole = await regress.train(pairs, options)
  await whole.save(path)
  const again = await regress.load(path)
  expect(await again.predict([7, 99])).toEqual(await whole.predict([7, 99]))
  expect([again.history, again.columns]).toEqual([null, { inputs: ['1'], targets: ['1'] }])
  const checkpoints = join(folder, 'checkpoint.refrain')
  let steps = 0
  const pause = {
    name: 'pause',
    onStepEnd(run: { save(path: string): void; stop(reason: string): void }) {
      if (++steps < 9) return
      run.save(checkpoints)
      run.stop('a test')
    },
  }
  await regress.train(pairs, { ...options, callbacks: [checkpoint({ path: checkpoints }), pause] })
  const resumed = await regress.train(pairs, { ...options, resume: checkpoints })
  expect(await resumed.predict([7, 99])).toEqual(await whole.predict([7, 99]))
})

describe('errors', () => {
  const failure = async (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (error: RefrainError) => `${error.code} ${error.message}`,
    )

  test('of the data and the options', async () => {
    expect(await failure(regress.train({ inputs: [], targets: [] }))).toBe(
      'BAD_DATA regress.train: expected a target for each row, got 0 rows and 0 targets',
    )
    expect(await failure(regress.train({ inputs: [1, [2, 3]], targets: [1, 2] }))).toBe(
      'BAD_SHAPE regress.train: expected 1 numbers in row 1, got [2, 3]',
    )
    expect(await failure(regress.train({ inputs: [1, Number.NaN], targets: [1, 2] }))).toBe(
      'NOT_FINITE regress.train: expected finite numbers in row 1, got NaN',
    )
    expect(await failure(regress.train(pairs, { unit: 3 } as object))).toBe(
      "UNKNOWN_OPTION regress.train: unknown option 'unit'; did you mean 'units'?",
    )
    const regressor = await regress.train(pairs, { epochs: 1 })
    expect(await failure(regressor.predict([[1, 2]]))).toBe(
      'BAD_SHAPE regress.predict: expected 1 numbers in row 0, got [1, 2]',
    )
    expect(await regressor.predict([])).toEqual([])
  })

  test('of the file', async () => {
    const [good, path] = [join(folder, 'good.refrain'), join(folder, 'forged.refrain')]
    await (await regress.train(pairs, { epochs: 1 })).save(good)
    const { tensors, metadata } = decodeSafetensors(readFileSync(good))
    const encoders = JSON.parse(metadata.encoders)
    for (const change of [
      { scales: { inputs: [[0, 0]], targets: [[0, 1]] } },
      { linear: [[1]] },
      { columns: { inputs: ['a', 'b'], targets: ['c'] } },
      { columns: null },
    ]) {
      const text = JSON.stringify({ ...encoders, ...change })
      writeFileSync(path, encodeSafetensors(tensors, { ...metadata, encoders: text }))
      expect(await failure(regress.load(path))).toBe(
        `BAD_FILE ${path}: its columns and scales do not fit its network, which goes from 1 numbers to 1`,
      )
    }
  })
})
