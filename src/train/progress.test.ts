import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Run } from './callbacks.ts'
import { duration, formatNumber, progress } from './progress.ts'

let now = 0
beforeEach(() => {
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** Two epochs of four steps of 25 rows, half a second each. */
async function train(options: Parameters<typeof progress>[0]) {
  const texts: string[] = []
  const callback = progress({ ...options, write: (text) => void texts.push(text) })
  const run = { epoch: 0, epochs: 2, step: 0, stepsPerEpoch: 4, rowsSeen: 0, rows: 100 } as {
    -readonly [Key in keyof Run]: Run[Key]
  }
  await callback.onTrainBegin?.(run)
  for (run.epoch = 0; run.epoch < 2; run.epoch++) {
    await callback.onEpochBegin?.(run)
    for (run.step = 1; run.step <= 4; run.step++) {
      now += 500
      run.rowsSeen = run.step * 25
      await callback.onStepEnd?.(run, { loss: 1 / (run.epoch * 4 + run.step), accuracy: 0.5 })
    }
    await callback.onEpochEnd?.(run, { loss: 0.25, accuracy: 0.5, valLoss: 12345.678 })
  }
  return texts
}

describe('progress', () => {
  it('elsewhere than on a terminal is a line for each epoch', async () => {
    expect(await train({ live: false })).toEqual([
      'epoch 1/2  loss 0.2500  accuracy 0.5000  valLoss 12345.7  50 rows/s  2.0 s\n',
      'epoch 2/2  loss 0.2500  accuracy 0.5000  valLoss 12345.7  50 rows/s  2.0 s\n',
    ])
  })

  it('on a terminal is one line, drawn again', async () => {
    const texts = await train({ live: true, unit: 'sentences' })
    expect(texts[0]).toBe(
      '\repoch 1/2 ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  loss 1.0000  accuracy 0.5000  50 sentences/s  ' +
        '3.5 s left\u001b[K',
    )
    expect(texts[3]).toBe(
      '\repoch 1/2 ━━━━━━━━━━━━━━━━━━━━  loss 0.2500  accuracy 0.5000  50 sentences/s  ' +
        '2.0 s left\u001b[K',
    )
    expect(texts[4]).toBe(
      '\repoch 1/2  loss 0.2500  accuracy 0.5000  valLoss 12345.7  50 sentences/s  2.0 s\u001b[K\n',
    )
    expect(texts).toHaveLength(10)
    expect(texts[8]).toContain('0.0 s left')
  })

  it('is not drawn more often than the eye follows', async () => {
    const texts: string[] = []
    const callback = progress({ live: true, write: (text) => void texts.push(text) })
    const run = { epoch: 0, epochs: 1, stepsPerEpoch: 100, rows: 100 } as Run
    await callback.onTrainBegin?.(run)
    await callback.onEpochBegin?.(run)
    for (let step = 1; step <= 100; step++) {
      now += 10
      await callback.onStepEnd?.({ ...run, step, rowsSeen: step } as Run, { loss: 1 })
    }
    expect(texts.length).toBeLessThanOrEqual(14)
    expect(texts.at(-1)).toContain('━'.repeat(20))
  })

  it('names an unknown option', () => {
    expect(() => progress({ units: 'rows' } as never)).toThrow(
      "progress: unknown option 'units'; did you mean 'unit'?",
    )
  })
})

it('numbers have four figures', () => {
  const numbers = [0, 1, 0.12345, 123.456, 99999, 123456, 0.00012, -2.5, Number.NaN]
  expect(numbers.map(formatNumber)).toEqual([
    '0.0000',
    '1.0000',
    '0.1235',
    '123.5',
    '99999.0',
    '1.23e+5',
    '1.20e-4',
    '-2.5000',
    'NaN',
  ])
})

it('times are told as people tell them', () => {
  const seconds = [0, 8.44, 9.96, 12.4, 59.6, 65, 3599.7, 4320, Infinity]
  expect(seconds.map(duration)).toEqual([
    '0.0 s',
    '8.4 s',
    '10.0 s',
    '12 s',
    '1 min 00 s',
    '1 min 05 s',
    '1 h 00 min',
    '1 h 12 min',
    '?',
  ])
})
