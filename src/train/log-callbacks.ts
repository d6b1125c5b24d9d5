/** Callbacks that write down what happens; they need files, so Node. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import type { Callback, Logs, Run } from './callbacks.ts'
import { encodeEvent, frame } from './tfevents.ts'

function checkPath(where: string, path: unknown): string {
  if (typeof path === 'string' && path !== '') return path
  throw new RefrainError('BAD_ARGUMENT', `${where}: expected a path, got ${show(path)}`)
}

const utf8 = new TextEncoder()

/** Options of `csvLogger`. */
export interface CsvLoggerOptions {
  /** The file. */
  path: string
  /** Between columns; default ','. */
  separator?: string
  /** Add to a file that is there, as a resumed run wants to; default false: begin anew. */
  append?: boolean
}

/**
 * A line for each epoch: its number, from 0, and the logs, sorted by name; the names stand above them.
 * Keras's `CSVLogger`.
 */
export function csvLogger(options: CsvLoggerOptions): Callback {
  checkOptions('csvLogger', options, ['path', 'separator', 'append'])
  const path = checkPath("csvLogger 'path'", options.path)
  const { separator = ',', append = false } = options
  let columns: string[] | null = null
  const line = (cells: readonly (string | number)[]) => utf8.encode(`${cells.join(separator)}\n`)
  return {
    name: 'csvLogger',
    async onTrainBegin() {
      columns = null
      if (append) {
        const before = await platform.readFile(path).catch(() => null)
        if (before && before.length > 0) {
          columns = new TextDecoder().decode(before).split('\n', 1)[0].split(separator).slice(1)
        }
      } else {
        await platform.writeFile(path, new Uint8Array(0))
      }
    },
    async onEpochEnd(run, logs) {
      if (!columns) {
        columns = Object.keys(logs).sort()
        await platform.appendFile(path, line(['epoch', ...columns]))
      }
      const cells = columns.map((name) => (name in logs ? logs[name] : 'NA'))
      await platform.appendFile(path, line([run.epoch, ...cells]))
    },
  }
}

/** Options of `tensorBoard`. */
export interface TensorBoardOptions {
  /** The folder that `tensorboard --logdir` is given; a run of its own is a folder in it. */
  logDir: string
  /** Also the loss and metrics so far every so many steps. By default only those of epochs. */
  updateFreq?: 'epoch' | number
}

/**
 * Event files for TensorBoard, in `train` and `validation` below `logDir`: `epoch_loss` and so on by
 * epoch, from 0, with the learning rate; with `updateFreq` `batch_loss` and so on by the optimizer's
 * step. Keras's `TensorBoard`, scalars only.
 */
export function tensorBoard(options: TensorBoardOptions): Callback {
  checkOptions('tensorBoard', options, ['logDir', 'updateFreq'])
  const logDir = checkPath("tensorBoard 'logDir'", options.logDir)
  const { updateFreq = 'epoch' } = options
  const every = updateFreq === 'epoch' ? 0 : checkInteger("tensorBoard 'updateFreq'", updateFreq)
  const files = new Map<string, { path: string; records: Uint8Array[] }>()
  const now = () => Date.now() / 1000
  const add = (folder: string, step: number, scalars: Record<string, number>) => {
    if (Object.keys(scalars).length === 0) return
    let file = files.get(folder)
    if (!file) {
      const path = `${logDir}/${folder}/events.out.tfevents.${now().toFixed(3)}.refrain`
      file = { path, records: [frame(encodeEvent(now(), 0))] }
      files.set(folder, file)
    }
    file.records.push(frame(encodeEvent(now(), step, scalars)))
  }
  const flush = async () => {
    for (const { path, records } of files.values()) {
      if (records.length === 0) continue
      const bytes = records.flatMap((record) => [...record])
      records.length = 0
      await platform.appendFile(path, Uint8Array.from(bytes))
    }
  }
  return {
    name: 'tensorBoard',
    onTrainBegin: () => files.clear(),
    onStepEnd(run, logs) {
      if (every === 0 || run.iteration % every !== 0) return
      add('train', run.iteration, tagged('batch', logs))
    },
    async onEpochEnd(run: Run, logs: Logs) {
      const names = Object.keys(logs)
      const ofValidation = names.filter((name) => /^val[A-Z]/.test(name))
      const validation = ofValidation.map((name) => [
        name[3].toLowerCase() + name.slice(4),
        logs[name],
      ])
      const training = names.filter((name) => !ofValidation.includes(name))
      add('train', run.epoch, {
        ...tagged('epoch', Object.fromEntries(training.map((name) => [name, logs[name]]))),
        epoch_learning_rate: run.learningRate,
      })
      add('validation', run.epoch, tagged('epoch', Object.fromEntries(validation)))
      await flush()
    },
    onTrainEnd: flush,
  }
}

const tagged = (prefix: string, logs: Logs): Record<string, number> =>
  Object.fromEntries(Object.entries(logs).map(([name, value]) => [`${prefix}_${name}`, value]))
