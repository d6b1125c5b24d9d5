/** Callbacks that change what training does: its rate, its end, the weights that it ends with. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import type { Callback } from './callbacks.ts'
import { monitored, signOf } from './monitor.ts'

/**
 * Sets the learning rate at the start of each epoch: `(epoch, rate) => rate`, epochs from 0. Not for
 * an optimizer whose rate is a schedule. Keras's `LearningRateScheduler`.
 */
export function learningRateScheduler(rateOf: (epoch: number, rate: number) => number): Callback {
  return {
    name: 'learningRateScheduler',
    onEpochBegin(run) {
      const rate = rateOf(run.epoch, run.learningRate)
      run.learningRate = checkNumber('learningRateScheduler: the returned rate', rate, 0)
    },
  }
}

/** Options of `reduceLrOnPlateau`. */
export interface ReduceLrOnPlateauOptions {
  /** Default 'valLoss'. */
  monitor?: string
  /** What the rate is multiplied by; default 0.1. */
  factor?: number
  /** Epochs without improvement before that; default 10. */
  patience?: number
  /** 'min' or 'max'; by default 'max' for names that hold "accuracy" or "f1", else 'min'. */
  mode?: 'min' | 'max'
  /** A change counts if it is larger than this; default 1e-4. */
  minDelta?: number
  /** Epochs after a reduction that do not count; default 0. */
  cooldown?: number
  /** The rate goes no lower; default 0. */
  minLr?: number
}

/**
 * Lowers the learning rate when a number no longer improves. Not for an optimizer whose rate is a
 * schedule. Keras's `ReduceLROnPlateau`.
 */
export function reduceLrOnPlateau(options: ReduceLrOnPlateauOptions = {}): Callback {
  const kind = 'reduceLrOnPlateau'
  checkOptions(kind, options, [
    'monitor',
    'factor',
    'patience',
    'mode',
    'minDelta',
    'cooldown',
    'minLr',
  ])
  const { monitor = 'valLoss' } = options
  const sign = signOf(monitor, options.mode)
  const factor = checkNumber(`${kind} 'factor'`, options.factor ?? 0.1, 0, 1)
  if (factor === 1) {
    throw new RefrainError('BAD_ARGUMENT', `${kind} 'factor': expected less than 1, got 1`)
  }
  const patience = checkInteger(`${kind} 'patience'`, options.patience ?? 10, 0)
  const minDelta = checkNumber(`${kind} 'minDelta'`, options.minDelta ?? 1e-4, 0)
  const cooldown = checkInteger(`${kind} 'cooldown'`, options.cooldown ?? 0, 0)
  const minLr = checkNumber(`${kind} 'minLr'`, options.minLr ?? 0, 0)
  let state = { best: Infinity, waited: 0, cooling: 0 }
  let restored = false
  return {
    name: kind,
    onTrainBegin() {
      if (!restored) state = { best: Infinity, waited: 0, cooling: 0 }
      restored = false
    },
    onEpochEnd(run, logs) {
      const value = sign * monitored(kind, monitor, logs)
      if (state.cooling > 0) {
        state.cooling--
        state.waited = 0
      }
      if (value < state.best - minDelta) {
        state.best = value
        state.waited = 0
      } else if (state.cooling === 0 && ++state.waited >= patience) {
        const rate = run.learningRate
        if (rate <= minLr) return
        run.learningRate = Math.max(rate * factor, minLr)
        state.cooling = cooldown
        state.waited = 0
      }
    },
    readState: () => ({
      json: { ...state, best: Number.isFinite(state.best) ? state.best : null },
    }),
    writeState({ json }) {
      const { best, waited, cooling } = Object(json)
      const isCount = (value: unknown) => Number.isSafeInteger(value)
      if (!isCount(waited) || !isCount(cooling) || (best !== null && typeof best !== 'number')) {
        throw new RefrainError(
          'BAD_FILE',
          `fit 'resume': the checkpoint's state of '${kind}' is not one: ${show(json)}`,
        )
      }
      state = { best: best ?? Infinity, waited, cooling }
      restored = true
    },
  }
}

/**
 * Ends training, with the weights before that step, when a loss or gradient is not finite; without it
 * `fit` fails with `NOT_FINITE`. The reason stands in the history. Keras's `TerminateOnNaN`.
 */
export const terminateOnNaN = (): Callback => ({
  name: 'terminateOnNaN',
  onNotFinite: (run, { message }) => run.stop(message),
})

/** A callback of functions. Any object with a name will do; this one checks the functions' names. */
export function lambdaCallback(
  functions: Omit<Callback, 'name' | 'readState' | 'writeState'>,
): Callback {
  checkOptions('lambdaCallback', functions, [
    'onTrainBegin',
    'onEpochBegin',
    'onStepEnd',
    'onEpochEnd',
    'onTrainEnd',
    'onNotFinite',
  ])
  return { name: 'lambdaCallback', ...functions }
}

/** Options of `stochasticWeightAveraging`. */
export interface StochasticWeightAveragingOptions {
  /** First epoch, from 0, whose weights count. */
  startEpoch: number
  /** Only every so many epochs; default 1. */
  everyEpochs?: number
}

/**
 * Ends training with the mean of the weights at the ends of epochs (SWA, Izmailov et al. 2018); to be
 * used with a learning rate that stays high or goes in cycles. If training stops before startEpoch,
 * the weights stay as they are. Moving statistics, as of batch normalisation, are averaged too.
 */
export function stochasticWeightAveraging(options: StochasticWeightAveragingOptions): Callback {
  const kind = 'stochasticWeightAveraging'
  checkOptions(kind, options, ['startEpoch', 'everyEpochs'])
  const startEpoch = checkInteger(`${kind} 'startEpoch'`, options.startEpoch, 0)
  const everyEpochs = checkInteger(`${kind} 'everyEpochs'`, options.everyEpochs ?? 1)
  let mean: Float32Array | Float64Array | undefined
  let count = 0
  let restored = false
  return {
    name: kind,
    onTrainBegin() {
      if (!restored) {
        mean = undefined
        count = 0
      }
      restored = false
    },
    onEpochEnd(run) {
      if (run.epoch < startEpoch || (run.epoch - startEpoch) % everyEpochs !== 0) return
      const weights = run.readWeights()
      mean ??= weights.map(() => 0)
      count++
      for (let i = 0; i < mean.length; i++) mean[i] += (weights[i] - mean[i]) / count
    },
    onTrainEnd(run) {
      if (mean) run.writeWeights(mean)
    },
    readState: () => ({ json: { count }, weights: mean }),
    writeState({ json, weights }) {
      count = checkInteger(`fit 'resume': ${kind} 'count'`, Object(json).count, 0)
      mean = weights
      restored = true
    },
  }
}
