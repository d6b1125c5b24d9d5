/**
 * What every optimizer is: a configuration and a function over flat arrays. A model's parameters are
 * one array, so a step is one kernel call.
 */
import { RefrainError, show } from '../errors.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import { checkSchedule, type Schedule } from './schedules.ts'

/** Options that every optimizer takes. */
export interface OptimizerOptions {
  /** A number, or a schedule such as `exponentialDecay`. */
  learningRate?: number | Schedule
  /** Each gradient element is cut to ±this. */
  clipValue?: number
  /** Each parameter's gradient is scaled down to at most this norm. */
  clipNorm?: number
  /** All gradients together are scaled down to at most this norm (Pascanu et al. 2013). */
  globalClipNorm?: number
  /** Share of each weight taken off in a step, times the learning rate. */
  weightDecay?: number
  /**
   * Weights without decay: those in whose name, such as 'dense/bias', one of these occurs, regular
   * expressions or their text as in Keras's `exclude_from_weight_decay`. Default none.
   */
  excludeFromWeightDecay?: readonly (string | RegExp)[]
  /**
   * Weights move once in so many batches, at least 2, by the mean of their gradients: as with batches
   * that are so many times as large. Default: with every batch. A schedule counts batches.
   */
  gradientAccumulationSteps?: number
  /**
   * Keep a moving average of the weights, taken after every batch, and end training with it (Polyak &
   * Juditsky 1992). Default false.
   */
  useEma?: boolean
  /** Share of the old average that stays; default 0.99. */
  emaMomentum?: number
  /** Put the average in the weights' place every so many steps, too. Default: at the end only. */
  emaOverwriteFrequency?: number
}

export type OptimizerName =
  | 'sgd'
  | 'rmsprop'
  | 'adam'
  | 'adamW'
  | 'adagrad'
  | 'adadelta'
  | 'adamax'
  | 'nadam'
  | 'lion'
  | 'asgd'
  | 'ntAsgd'
  | 'ftrl'
  | 'lamb'
  | 'adafactor'
  | 'muon'

/** An optimizer: what to remember for each weight, and how to move. */
export interface Optimizer {
  readonly name: OptimizerName
  /** With defaults filled in; what a file holds. */
  readonly options: Readonly<Required<Pick<OptimizerOptions, 'learningRate'>> & OptimizerOptions>
  /** Names of the arrays kept beside the weights. */
  readonly slots: readonly string[]
  /** What a slot holds at first; 0 where nothing is said. */
  readonly initial?: Readonly<Record<string, number>>
  /** How the slot 'average' follows the weights; there is one if there is such a slot. */
  readonly average?: Average
  /** True where a weight's move depends on its whole parameter: `apply` gets each by itself. */
  readonly perParameter?: boolean
  /** Moves the weights; `step` counts from 0. */
  apply(kernels: Kernels, update: Update): void
  /**
   * What a step does to rows of a table in which the gradient is zero: 'nothing', something that can
   * be made up for when they are read, or null: what only `apply` knows, to the whole table.
   */
  readonly idle: 'nothing' | Idle | null
}

/** A running average of the weights, which take its values when training ends. */
export interface Average {
  /**
   * The weights' share in the average after a step, from 0; 1: it becomes the weights.
   *
   * @param since steps done when a trigger, if there is one, started the averaging; null: not yet
   */
  share(step: number, since: number | null): number
  /** Whether validation looks at the average instead of the weights. */
  readonly validated: boolean
  /** Starts the averaging at the end of an epoch. */
  trigger?(history: Readonly<Record<string, readonly number[]>>): boolean
}

/** Steps that rows have missed, made up for in one go. */
export interface Idle {
  /** What must be known of a step later on: the factor on the move, and the share of a weight kept. */
  factors(step: number, rate: number): [rate: number, keep: number]
  /** Takes the steps that each of the rows lacks, to the very bits that `apply` gives. */
  replay(kernels: Kernels, missed: MissedSteps): void
}

/** Rows of a table [V,D] and the steps that they lack. */
export interface MissedSteps {
  readonly weights: Tensor
  readonly slots: readonly Tensor[]
  /** [V] the first step of each row that is still to be taken */
  readonly done: Tensor
  /** [n], or null for all rows */
  readonly rows: Tensor | null
  /** `factors` of each step */
  readonly rates: Tensor
  readonly keeps: Tensor
  readonly count: number
}

/** One step's arrays, all of the same length, and numbers. */
export interface Update {
  readonly weights: Tensor
  readonly gradients: Tensor
  readonly slots: readonly Tensor[]
  readonly step: number
  /** Learning rate of this step. */
  readonly rate: number
  /** The same for weight decay: 0 for weights that are left out of it. */
  readonly decayRate: number
  /** Factor on the gradients. */
  readonly scale: number
  /** Whose weights these are; the first of several, unless the optimizer is `perParameter`. */
  readonly parameter: Parameter
  /** Where arrays for this step can be had. */
  readonly ctx: Context
}

const shared = [
  'learningRate',
  'clipValue',
  'clipNorm',
  'globalClipNorm',
  'weightDecay',
  'excludeFromWeightDecay',
  'gradientAccumulationSteps',
  'useEma',
  'emaMomentum',
  'emaOverwriteFrequency',
]

/** The options that were given; one that is undefined takes its default. */
export function check<O extends OptimizerOptions>(
  name: string,
  given: O,
  own: readonly string[],
): O {
  checkOptions(name, given, [...shared, ...own])
  const defined = Object.entries(given).filter(([, value]) => value !== undefined)
  const options = Object.fromEntries(defined) as O
  if (options.learningRate !== undefined) {
    checkSchedule(`${name} 'learningRate'`, options.learningRate)
  }
  const clips = (['clipValue', 'clipNorm', 'globalClipNorm'] as const).filter(
    (key) => options[key] !== undefined,
  )
  for (const key of clips) {
    const limit = checkNumber(`${name} '${key}'`, options[key], 0)
    if (limit === 0) {
      throw new RefrainError('BAD_ARGUMENT', `${name} '${key}': expected more than 0, got 0`)
    }
  }
  if (clips.length > 1) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${name}: expected one of clipValue, clipNorm and globalClipNorm, got ${show(clips)}`,
    )
  }
  if (options.weightDecay !== undefined) {
    checkNumber(`${name} 'weightDecay'`, options.weightDecay, 0)
  }
  const { excludeFromWeightDecay: spared } = options
  if (spared) {
    options.excludeFromWeightDecay = checkPatterns(
      `${name} 'excludeFromWeightDecay'`,
      spared,
      "['bias'] leaves all biases out",
    )
  }
  const every = { gradientAccumulationSteps: 2, emaOverwriteFrequency: 1 }
  for (const [key, least] of Object.entries(every)) {
    const count = options[key as keyof typeof every]
    if (count !== undefined) checkInteger(`${name} '${key}'`, count, least)
  }
  if (options.emaMomentum !== undefined) {
    checkNumber(`${name} 'emaMomentum'`, options.emaMomentum, 0, 1)
  }
  return options
}

/** Regular expressions as files hold them. */
export function checkPatterns(
  where: string,
  given: readonly (string | RegExp)[],
  advice: string,
): string[] {
  const isText = (one: unknown) => typeof one === 'string' || (one instanceof RegExp && !one.flags)
  if (!Array.isArray(given) || !given.every(isText)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected texts or regular expressions without flags, got ${show(given)}`,
      advice,
    )
  }
  return given.map((one) => (typeof one === 'string' ? one : one.source))
}

/** The optimizer with what the shared options add to it: slots, and that all weights move. */
export function complete(optimizer: Optimizer): Optimizer {
  const { gradientAccumulationSteps, useEma, emaMomentum = 0.99 } = optimizer.options
  if (!useEma && !gradientAccumulationSteps) return optimizer
  const slots = [...optimizer.slots]
  if (useEma) slots.push('average')
  if (gradientAccumulationSteps) slots.push('accumulated')
  const ema: Average = { share: (step) => (step === 0 ? 1 : 1 - emaMomentum), validated: false }
  return {
    ...optimizer,
    slots,
    average: useEma ? ema : optimizer.average,
    idle: null,
    // An optimizer finds its own arrays by their number.
    apply(kernels, update) {
      optimizer.apply(kernels, { ...update, slots: update.slots.slice(0, optimizer.slots.length) })
    },
  }
}

/** Of a running mean: at 1 it would never take anything in, and its correction divide by 0. */
export function checkDecay(where: string, value: unknown): void {
  if (checkNumber(where, value, 0, 1) < 1) return
  throw new RefrainError('BAD_ARGUMENT', `${where}: expected less than 1, got 1`)
}

/** Whether weight decay leaves the weight of this name alone. */
export const isSpared = ({ excludeFromWeightDecay = [] }: OptimizerOptions, path: string) =>
  excludeFromWeightDecay.some((one) => path.search(one) >= 0)

/** The flat decay: learning rate times weight decay. */
export const decayOf = (options: OptimizerOptions, rate: number) =>
  rate * (options.weightDecay ?? 0)
