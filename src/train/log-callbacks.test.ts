import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import crc32c from 'crc-32/crc32c.js'
import protobuf from 'protobufjs/light.js'
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

/** As much of TensorFlow's event.proto and summary.proto as scalars need, by its field numbers. */
const { root } = protobuf.Root.fromJSON({
  nested: {
    Event: {
      oneofs: { what: { oneof: ['fileVersion', 'summary'] } },
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
      },
    },
    Summary: {
      fields: { value: { rule: 'repeated', type: 'Value', id: 1 } },
      nested: {
        Value: {
          fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } },
        },
      },
    },
  },
})

interface DecodedEvent {
  wallTime: number
  step?: number
  fileVersion?: string
  summary?: { value: { tag: string; simpleValue: number }[] }
}

/** The events of TFRecords, by programs of others: checksums by crc-32, messages by protobufjs. */
function eventsIn(bytes: Buffer): DecodedEvent[] {
  const type = root.lookupType('Event')
  const events: DecodedEvent[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at))
    const [head, data] = [bytes.subarray(at, at + 8), bytes.subarray(at + 12, at + 12 + length)]
    const checksums = [bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12 + length)]
    for (const [i, part] of [head, data].entries()) {
      // The mask of TFRecord.
      const crc = crc32c.buf(part) >>> 0
      expect(checksums[i]).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
    }
    events.push(type.toObject(type.decode(data), { longs: Number }) as DecodedEvent)
    at += 16 + length
  }
  return events
}

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
    const read = (kind: string) => {
      const [first, ...events] = eventsIn(readFileSync(join(logDir, kind, files(kind)[0])))
      expect(first).toEqual({ wallTime: expect.any(Number), fileVersion: 'brain.Event:2' })
      expect(Math.abs(first.wallTime - Date.now() / 1000)).toBeLessThan(60)
      return events.map(({ step = 0, summary }) => {
        const scalars = summary!.value.map(({ tag, simpleValue = 0 }) => [tag, simpleValue])
        return [step, Object.fromEntries(scalars)]
      })
    }
    expect(read('train')).toEqual([
      [2, { batch_loss: 2 }],
      [4, { batch_loss: 4 }],
      [0, { epoch_loss: 0.5, epoch_accuracy: 0.75, ...rate }],
      [1, { epoch_loss: 0.25, epoch_accuracy: 1, ...rate }],
    ])
    expect(read('validation')).toEqual([
      [0, { epoch_loss: 2, epoch_accuracy: 0.125 }],
      [1, { epoch_loss: 3, epoch_accuracy: 0 }],
    ])
  })

  it('is read back by protobufjs, whatever the step, the tag and the number', () => {
    const scalars = { 'épochs/λ': -1.5, long: 3e38, [`x${'y'.repeat(300)}`]: Number.NaN }
    const step = 2 ** 40 + 5
    const [event] = eventsIn(Buffer.from(frame(encodeEvent(1700000000.25, step, scalars))))
    const values = Object.entries(scalars).map(([tag, value]) => {
      return { tag, simpleValue: Math.fround(value) }
    })
    expect(event).toEqual({ wallTime: 1700000000.25, step, summary: { value: values } })
  })

  it('checks its options', () => {
    expect(() => tensorBoard({ logDir: 5 as never })).toThrow(
      "tensorBoard 'logDir': expected a path",
    )
    expect(() => tensorBoard({ logDir: 'a', updateFreq: 0 })).toThrow("tensorBoard 'updateFreq'")
  })
})
