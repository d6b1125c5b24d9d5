/** Callbacks of `fit`: objects with methods that the trainer calls at given moments. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import { monitored, signOf } from './monitor.ts'

/** Numbers of an epoch or of the epoch so far: loss, accuracy, valLoss, …. */
export type Logs = Record<string, number>

/** What a callback sees and may do. */
export interface Run {
  /** From 0. */
  readonly epoch: number
  readonly epochs: number
  /** Steps done in this epoch. */
  readonly step: number
  /** Null in the first epoch of batches from a generator, unless `stepsPerEpoch` says it. */
  readonly stepsPerEpoch: number | null
  /** In this epoch. */
  readonly rowsSeen: number
  /** Of an epoch; null: batches from a generator. */
  readonly rows: number | null
  /** Optimizer steps since training began. */
  readonly iteration: number
  /**
   * Learning rate of the next step; assign to change it from here on. Throws `BAD_ARGUMENT` if the
   * optimizer's is a schedule.
   */
  learningRate: number
  /** Ends training after this step or epoch; a reason shows in the history. */
  stop(reason: string): void
  /** Writes a checkpoint, once the other callbacks of this moment have run. */
  save(path: string): void
  /** A copy of all weights. */
  readWeights(): Float32Array | Float64Array
  /** Puts such a copy back. */
  writeWeights(weights: Float32Array | Float64Array): void
}

/** Methods that `fit` calls; each may return a promise. */
export interface Callback {
  readonly name: string
  /** Before the first step. */
  onTrainBegin?(run: Run): void | Promise<void>
  /** Not for an epoch that a resumed run enters in its middle: it has begun already. */
  onEpochBegin?(run: Run): void | Promise<void>
  /** After each step of the optimizer, with the means of the epoch so far. */
  onStepEnd?(run: Run, logs: Logs): void | Promise<void>
  /** After each epoch, with its numbers, those of the validation included. */
  onEpochEnd?(run: Run, logs: Logs): void | Promise<void>
  /** After the last step, also if training was stopped. */
  onTrainEnd?(run: Run, logs: Logs): void | Promise<void>
  /**
   * A step's loss or gradient is not finite, and the weights are those before it. Training ends, and
   * `fit` resolves instead of failing with the error.
   */
  onNotFinite?(run: Run, error: RefrainError): void
  /** What a checkpoint must keep of this callback: plain JSON, and at most one copy of the weights. */
  readState?(): CallbackState
  /** Takes back what `readState` gave, before a resumed run goes on. */
  writeState?(state: CallbackState): void
}

/** What a checkpoint keeps of a callback. */
export interface CallbackState {
  readonly json: unknown
  readonly weights?: Float32Array | Float64Array
}

/** Options of `earlyStopping`. */
export interface EarlyStoppingOptions {
  /** Default 'valLoss'. */
  monitor?: string
  /** A change counts if it is larger than this; default 0. */
  minDelta?: number
  /** Epochs without improvement before training stops; default 0. */
  patience?: number
  /** 'min' or 'max'; by default 'max' for names that hold "accuracy" or "f1", else 'min'. */
  mode?: 'min' | 'max'
  /** Put the best epoch's weights back at the end; default false. */
  restoreBestWeights?: boolean
  /** First epoch that is watched, from 0; default 0. */
  startFromEpoch?: number
}

/** Stops when a number no longer improves. Keras's `EarlyStopping`. */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback & {
  readonly bestEpoch: number
} {
  checkOptions('earlyStopping', options, [
    'monitor',
    'minDelta',
    'patience',
    'mode',
    'restoreBestWeights',
    'startFromEpoch',
  ])
  const { monitor = 'valLoss', restoreBestWeights = false, startFromEpoch = 0 } = options
  const patience = checkInteger("earlyStopping 'patience'", options.patience ?? 0, 0)
  const minDelta = checkNumber("earlyStopping 'minDelta'", options.minDelta ?? 0, 0)
  const sign = signOf(monitor, options.mode)
  let best = Infinity
  let bestEpoch = -1
  let waited = 0
  let bestWeights: Float32Array | Float64Array | undefined
  let restored = false
  const stopIfDue = (run: Run) => {
    if (waited < Math.max(1, patience)) return
    run.stop(`no better ${monitor} for ${waited} epoch${waited === 1 ? '' : 's'}`)
  }
  return {
    name: 'earlyStopping',
    get bestEpoch() {
      return bestEpoch
    },
    onTrainBegin(run) {
      if (restored) {
        // The run that wrote the checkpoint may have been about to stop.
        restored = false
        stopIfDue(run)
        return
      }
      best = Infinity
      bestEpoch = -1
      waited = 0
      bestWeights = undefined
    },
    onEpochEnd(run, logs) {
      if (run.epoch < startFromEpoch) return
      const value = sign * monitored('earlyStopping', monitor, logs)
      if (value < best - minDelta) {
        best = value
        bestEpoch = run.epoch
        waited = 0
        if (restoreBestWeights) bestWeights = run.readWeights()
      } else {
        waited++
        stopIfDue(run)
      }
    },
    onTrainEnd(run) {
      if (restoreBestWeights && bestWeights) run.writeWeights(bestWeights)
    },
    readState: () => ({
      json: { best: Number.isFinite(best) ? best : null, bestEpoch, waited },
      weights: bestWeights,
    }),
    writeState({ json, weights }) {
      const state = json as { best: number | null; bestEpoch: number; waited: number } | null
      if (
        !Number.isInteger(state?.bestEpoch) ||
        !Number.isInteger(state?.waited) ||
        (state?.best !== null && typeof state?.best !== 'number')
      ) {
        throw new RefrainError(
          'BAD_FILE',
          `fit 'resume': the checkpoint's state of 'earlyStopping' is not one: ${show(json)}`,
        )
      }
      best = state.best ?? Infinity
      bestEpoch = state.bestEpoch
      waited = state.waited
      bestWeights = weights
      restored = true
    },
  }
}

/** Options of `checkpoint`. */
export interface CheckpointOptions {
  /** File to write; a `.refrain` file with the optimizer's state beside the weights. */
  path: string
  /** Also after this many steps. By default only at the end of an epoch. */
  everySteps?: number
  /** Also after this many seconds. */
  everySeconds?: number
}

/**
 * Writes a checkpoint at the end of every epoch, and more often if asked. `fit`'s `resume` option
 * goes on from it, to the very weights that an uninterrupted run gives.
 */
export function checkpoint(options: CheckpointOptions): Callback {
  checkOptions('checkpoint', options, ['path', 'everySteps', 'everySeconds'])
  const { path, everySteps, everySeconds } = options
  if (typeof path !== 'string' || path === '') {
    throw new RefrainError('BAD_ARGUMENT', "checkpoint 'path': expected a file name")
  }
  if (everySteps !== undefined) checkInteger("checkpoint 'everySteps'", everySteps)
  if (everySeconds !== undefined) checkNumber("checkpoint 'everySeconds'", everySeconds, 0)
  let savedAt = performance.now()
  return {
    name: 'checkpoint',
    onStepEnd(run) {
      const due =
        (everySteps !== undefined && run.iteration % everySteps === 0) ||
        (everySeconds !== undefined && performance.now() - savedAt >= everySeconds * 1000)
      if (!due) return
      run.save(path)
      savedAt = performance.now()
    },
    onEpochEnd(run) {
      run.save(path)
      savedAt = performance.now()
    },
  }
}
