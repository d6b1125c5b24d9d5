/** What the tasks share: their settings, when training stops, and how their files are recognised. */
import { RefrainError, show } from '../errors.ts'
import type { LoadedFile } from '../model/load.ts'
import type { SaveOptions } from '../model/model.ts'
import { type Callback, earlyStopping, type Run } from '../train/callbacks.ts'
import type { History } from '../train/plan.ts'
import { checkOptions } from '../util/check.ts'

/** Options that every task's `train` has beside its own. */
export interface RunOptions {
  /** Further callbacks, such as `progress()` and `checkpoint()`. */
  callbacks?: readonly Callback[]
  /** A checkpoint of the same training to go on from. */
  resume?: string
}

/**
 * What every task's `save` takes: `training`, further facts for the training record, and `dtype`, 'float16' or 'int8',
 * for files of half or a quarter of the size.
 */
export type FileOptions = Pick<SaveOptions, 'training' | 'dtype'>

/**
 * The task's defaults with what the options say; undefined says nothing. Throws `UNKNOWN_OPTION` for a
 * name that is neither there nor one of `RunOptions`.
 */
export function settingsOf<T extends object>(where: string, defaults: T, options: object): T {
  checkOptions(where, options, [...Object.keys(defaults), 'callbacks', 'resume'])
  const given = Object.entries(options).filter(
    ([name, value]) => value !== undefined && Object.hasOwn(defaults, name),
  )
  return { ...defaults, ...Object.fromEntries(given) }
}

/**
 * The encoders of a file that a task wrote, whose field `task` says which. Throws `BAD_FILE` if it is
 * another's; `what` is what was expected, as in 'a text classifier'.
 */
export function encodersOfTask(
  { encoders }: LoadedFile,
  path: string,
  task: string,
  what: string,
): Record<string, unknown> {
  const json = (encoders ?? {}) as Record<string, unknown>
  if (json.task === task) return json
  throw new RefrainError(
    'BAD_FILE',
    `${path}: expected ${what}, got a model for ${show(json.task ?? 'no task')}`,
    `refrain train ${task} makes one`,
  )
}

/**
 * Keeps the epoch of the best validation accuracy, or of another `score` of which more is better, of
 * equal ones that of the lowest loss; stops when neither number has improved for some epochs. The loss
 * alone would not do: of a few hundred examples it rises as soon as the model is sure of itself, often
 * well before the accuracy is at its best. Nor would the accuracy alone: of 18 examples it stands still
 * for epochs while the model learns.
 */
export function stoppingByAccuracy(
  patience: number,
  rows: number,
  score = 'valAccuracy',
): Callback {
  const accuracy = earlyStopping({
    monitor: score,
    patience,
    mode: 'max',
    restoreBestWeights: true,
  })
  const loss = earlyStopping({ monitor: 'valLoss', patience })
  const epochs = Math.max(1, patience)
  /** Lets both speak, and stops the run if both want to. */
  const ask = (run: Run, speak: (run: Run) => unknown) => {
    let votes = 0
    speak(Object.create(run, { stop: { value: () => votes++ } }))
    if (votes === 2) run.stop(`no better validation for ${epochs} epoch${epochs === 1 ? '' : 's'}`)
  }
  return {
    name: 'stopping',
    onTrainBegin: (run) => ask(run, (own) => [accuracy, loss].map((by) => by.onTrainBegin!(own))),
    onEpochEnd: (run, logs) =>
      ask(run, (own) => {
        const value = validationScore(logs[score], logs.valLoss, rows)
        accuracy.onEpochEnd!(own, { ...logs, [score]: value })
        loss.onEpochEnd!(own, logs)
      }),
    onTrainEnd: (run, logs) => accuracy.onTrainEnd!(run, logs),
    readState() {
      const { json, weights } = accuracy.readState!()
      return { json: { accuracy: json, loss: loss.readState!().json }, weights }
    },
    writeState({ json, weights }) {
      const states = (json ?? {}) as Record<'accuracy' | 'loss', unknown>
      accuracy.writeState!({ json: states.accuracy, weights })
      loss.writeState!({ json: states.loss })
    },
  }
}

/** Ranks by accuracy, then by loss, whose part is always less than that of one example. */
const validationScore = (accuracy: number, loss: number, rows: number) =>
  accuracy + 1 / (2 * rows * (1 + loss))

/** The epoch, from 0, whose weights `train` kept; -1 without validation. */
export function bestEpoch({ history }: History, score = 'valAccuracy'): number {
  const { [score]: scores, valLoss } = history
  let best = -1
  scores?.forEach((value, i) => {
    const better = best < 0 || value > scores[best]
    if (better || (value === scores[best] && valLoss[i] < valLoss[best])) best = i
  })
  return best
}
