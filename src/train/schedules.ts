import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'

/** A learning rate that depends on the optimizer's step (0 at first). */
export interface Schedule {
  readonly kind: 'exponentialDecay'
  readonly initialLearningRate: number
  readonly decaySteps: number
  readonly decayRate: number
  readonly staircase: boolean
}

/** initialLearningRate · decayRate^(step / decaySteps); Keras's `ExponentialDecay`. */
export function exponentialDecay(options: {
  initialLearningRate: number
  decaySteps: number
  decayRate: number
  /** Whole numbers of `decaySteps` only. Default false. */
  staircase?: boolean
}): Schedule {
  checkOptions('exponentialDecay', options, [
    'initialLearningRate',
    'decaySteps',
    'decayRate',
    'staircase',
  ])
  return {
    kind: 'exponentialDecay',
    initialLearningRate: checkNumber(
      "exponentialDecay 'initialLearningRate'",
      options.initialLearningRate,
      0,
    ),
    decaySteps: checkInteger("exponentialDecay 'decaySteps'", options.decaySteps),
    decayRate: checkNumber("exponentialDecay 'decayRate'", options.decayRate, 0),
    staircase: options.staircase ?? false,
  }
}

/** The rate at a step. */
export function rateAt(rate: number | Schedule, step: number): number {
  if (typeof rate === 'number') return rate
  const periods = step / rate.decaySteps
  return (
    rate.initialLearningRate * rate.decayRate ** (rate.staircase ? Math.floor(periods) : periods)
  )
}
