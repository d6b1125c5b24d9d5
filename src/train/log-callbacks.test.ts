import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadFixture } from '../../test/fixtures/load.ts'
import type { Run } from './callbacks.ts'
import { csvLogger, tensorBoard } from './log-callbacks.ts'
import { encodeEvent, frame } from './tfevents.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-logs-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const runAt = (epoch: number, iteration = 0) =>
  ({ epoch, iteration, learningRate: 0.25 }) as unknown as Run

describe('csvLogger', () => {
  it('writes a line an epoch, and goes on with append', async () => {
    const path = join(folder, 'new', 'log.csv')
    const logger = csvLogger({ path: join(folder, 'log.csv') })
    await logger.onTrainBegin!(runAt(0))
    await logger.onEpochEnd!(runAt(0), { loss: 0.5, accuracy: 0.25, valLoss: 1e-7 })
    await logger.onEpochEnd!(runAt(1), { loss: 0.4, accuracy: 0.5 })
    const lines = ['epoch,accuracy,loss,valLoss', '0,0.25,0.5,1e-7', '1,0.5,0.4,NA']
    expect(readFileSync(join(folder, 'log.csv'), 'utf8')).toBe(`${lines.join('\n')}\n`)
    const later = csvLogger({ path: join(folder, 'log.csv'), append: true })
    await later.onTrainBegin!(runAt(2))
    await later.onEpochEnd!(runAt(2), { valLoss: 3, loss: 1, accuracy: 2 })
    expect(readFileSync(join(folder, 'log.csv'), 'utf8')).toBe(`${lines.join('\n')}\n2,2,1,3\n`)
    const fresh = csvLogger({ path, append: true, separator: ';' })
    await fresh.onTrainBegin!(runAt(0))
    await fresh.onEpochEnd!(runAt(0), { loss: 1 })
    expect(readFileSync(path, 'utf8')).toBe('epoch;loss\n0;1\n')
  })

  it('needs a path', () => {
    expect(() => csvLogger({ path: '' })).toThrow("csvLogger 'path': expected a path, got ''")
    expect(() => csvLogger({ file: 'a' } as never)).toThrow("csvLogger: unknown option 'file'")
  })
})

describe('tensorBoard', () => {
  interface Described {
    wallTime: number
    step: number
    scalars: Record<string, number> | null
  }

  // TensorFlow's own reader, too, has read these bytes when the fixture was made.
  const { made_by, cases } = loadFixture('tensorflow/events.json')
  it.each(cases.map((test) => [test.name, test] as const))(
    `%s: the bytes of ${made_by.program} ${made_by.version}`,
    (_, { options, arrays }) => {
      const records = (options.events as unknown as Described[]).map(
        ({ wallTime, step, scalars }) => frame(encodeEvent(wallTime, step, scalars ?? undefined)),
      )
      expect(records.flatMap((record) => [...record])).toEqual(arrays.bytes.data)
    },
  )

  /** Records by their lengths, and of each event the step and scalars: numbers after their tags. */
  function read(path: string) {
    const bytes = readFileSync(path)
    const events: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at))
      const event = bytes.subarray(at + 12, at + 12 + length)
      expect(bytes.subarray(at, at + length + 16)).toEqual(Buffer.from(frame(event)))
      events.push(event)
      at += length + 16
    }
    return events.map((event) => {
      const tags = [...event.toString('latin1').matchAll(/(epoch|batch)_\w+/g)].map(([tag]) => tag)
      const values = tags.map((tag) => event.readFloatLE(event.indexOf(tag) + tag.length + 1))
      return Object.fromEntries(tags.map((tag, i) => [tag, values[i]]))
    })
  }

  it('writes training and validation', async () => {
    const logDir = join(folder, 'runs', 'a')
    const board = tensorBoard({ logDir, updateFreq: 2 })
    await board.onTrainBegin!(runAt(0))
    for (const iteration of [1, 2, 3, 4]) {
      await board.onStepEnd!(runAt(0, iteration), { loss: iteration })
    }
    await board.onEpochEnd!(runAt(0), { loss: 0.5, accuracy: 0.75, valLoss: 2, valAccuracy: 0.125 })
    await board.onEpochEnd!(runAt(1), { loss: 0.25, accuracy: 1, valLoss: 3, valAccuracy: 0 })
    await board.onTrainEnd!(runAt(1), {})
    const files = (kind: string) => readdirSync(join(logDir, kind))
    expect(files('train')).toEqual([expect.stringMatching(/^events\.out\.tfevents\.\d+\.\d+\./)])
    const rate = { epoch_learning_rate: 0.25 }
    expect(read(join(logDir, 'train', files('train')[0]))).toEqual([
      {},
      { batch_loss: 2 },
      { batch_loss: 4 },
      { epoch_loss: 0.5, epoch_accuracy: 0.75, ...rate },
      { epoch_loss: 0.25, epoch_accuracy: 1, ...rate },
    ])
    expect(read(join(logDir, 'validation', files('validation')[0]))).toEqual([
      {},
      { epoch_loss: 2, epoch_accuracy: 0.125 },
      { epoch_loss: 3, epoch_accuracy: 0 },
    ])
  })

  it('checks its options', () => {
    expect(() => tensorBoard({ logDir: 5 as never })).toThrow(
      "tensorBoard 'logDir': expected a path",
    )
    expect(() => tensorBoard({ logDir: 'a', updateFreq: 0 })).toThrow("tensorBoard 'updateFreq'")
  })
})
