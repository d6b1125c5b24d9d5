/**
 * Optimizers, with Keras 3's names, defaults and formulas. Each is a configuration and a function
 * over flat arrays: a model's parameters are one array, so a step is one kernel call.
 */
import { RefrainError, show } from '../errors.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNumber, checkOptions, suggest } from '../util/check.ts'
import { exponentialDecay, rateAt, type Schedule } from './schedules.ts'

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
}

/** An optimizer: what to remember for each weight, and how to move. */
export interface Optimizer {
  readonly name: 'sgd' | 'rmsprop' | 'adam' | 'adamW'
  /** With defaults filled in; what a file holds. */
  readonly options: Readonly<Required<Pick<OptimizerOptions, 'learningRate'>> & OptimizerOptions>
  /** Names of the arrays kept beside the weights. */
  readonly slots: readonly string[]
  /** Moves the weights; `step` counts from 0. */
  apply(kernels: Kernels, update: Update): void
  /**
   * What a step does to rows of a table in which the gradient is zero: 'nothing', something that can
   * be made up for when they are read, or null: what only `apply` knows, to the whole table.
   */
  readonly idle: 'nothing' | Idle | null
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
  /** Factor on the gradients. */
  readonly scale: number
}

const shared = ['learningRate', 'clipValue', 'clipNorm', 'globalClipNorm', 'weightDecay']

/** The options that were given; one that is undefined takes its default. */
function check<O extends OptimizerOptions>(name: string, given: O, own: readonly string[]): O {
  checkOptions(name, given, [...shared, ...own])
  const defined = Object.entries(given).filter(([, value]) => value !== undefined)
  const options = Object.fromEntries(defined) as O
  if (options.learningRate !== undefined) checkRate(name, options.learningRate)
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
  return options
}

function checkRate(name: string, rate: unknown): void {
  if (typeof rate !== 'object' || rate === null) {
    checkNumber(`${name} 'learningRate'`, rate, 0)
    return
  }
  const { kind, ...options } = rate as Schedule
  if (kind !== 'exponentialDecay') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${name} 'learningRate': expected a number or a schedule, got ${show(rate)}`,
      'write exponentialDecay({ … })',
    )
  }
  exponentialDecay(options)
}

/** Of a running mean: at 1 it would never take anything in, and its correction divide by 0. */
function checkDecay(where: string, value: unknown): void {
  if (checkNumber(where, value, 0, 1) < 1) return
  throw new RefrainError('BAD_ARGUMENT', `${where}: expected less than 1, got 1`)
}

/** The flat decay: learning rate times weight decay. */
const decayOf = (options: OptimizerOptions, rate: number) => rate * (options.weightDecay ?? 0)

/** Stochastic gradient descent; learningRate 0.01, momentum 0, nesterov false. */
export function sgd(
  given: OptimizerOptions & { momentum?: number; nesterov?: boolean } = {},
): Optimizer {
  const defaults = { learningRate: 0.01, momentum: 0, nesterov: false }
  const options = { ...defaults, ...check('sgd', given, ['momentum', 'nesterov']) }
  checkNumber("sgd 'momentum'", options.momentum, 0, 1)
  return {
    name: 'sgd',
    options,
    slots: options.momentum > 0 ? ['velocity'] : [],
    idle: options.momentum === 0 && !options.weightDecay ? 'nothing' : null,
    apply(kernels, { weights, gradients, slots: [velocity], scale, rate }) {
      kernels.sgd(
        weights.values,
        gradients.values,
        velocity?.values ?? null,
        gradients.size,
        scale,
        rate,
        options.momentum,
        options.nesterov ? 1 : 0,
        decayOf(options, rate),
      )
    },
  }
}

/** RMSprop (Hinton 2012); learningRate 0.001, rho 0.9, momentum 0, epsilon 1e-7, centered false. */
export function rmsprop(
  given: OptimizerOptions & {
    rho?: number
    momentum?: number
    epsilon?: number
    centered?: boolean
  } = {},
): Optimizer {
  const defaults = { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false }
  const own = ['rho', 'momentum', 'epsilon', 'centered']
  const options = { ...defaults, ...check('rmsprop', given, own) }
  checkDecay("rmsprop 'rho'", options.rho)
  checkNumber("rmsprop 'epsilon'", options.epsilon, 0)
  checkNumber("rmsprop 'momentum'", options.momentum, 0, 1)
  const slots = ['meanSquare']
  if (options.centered) slots.push('mean')
  if (options.momentum > 0) slots.push('velocity')
  return {
    name: 'rmsprop',
    options,
    slots,
    idle: null,
    apply(kernels, { weights, gradients, slots: arrays, scale, rate }) {
      const slot = (name: string) => arrays[slots.indexOf(name)]?.values ?? null
      kernels.rmsprop(
        weights.values,
        gradients.values,
        arrays[0].values,
        slot('mean'),
        slot('velocity'),
        gradients.size,
        scale,
        rate,
        options.rho,
        options.momentum,
        options.epsilon,
        decayOf(options, rate),
      )
    },
  }
}

type AdamOptions = OptimizerOptions & {
  beta1?: number
  beta2?: number
  epsilon?: number
  amsgrad?: boolean
  /**
   * Rows of an embedding that a batch does not use stay as they are, their moments, too ("lazy
   * Adam", as in TensorFlow Addons); no weight decay acts on them. Default false: exactly Adam, whose
   * moments of such rows fade and move them on. That costs little more, as it is put off until the
   * rows are read.
   */
  sparse?: boolean
}

function adamLike(
  name: 'adam' | 'adamW',
  defaults: OptimizerOptions,
  given: AdamOptions,
): Optimizer {
  const options = {
    learningRate: 0.001,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    amsgrad: false,
    sparse: false,
    ...defaults,
    ...check(name, given, ['beta1', 'beta2', 'epsilon', 'amsgrad', 'sparse']),
  }
  const { beta1, beta2, epsilon } = options
  checkDecay(`${name} 'beta1'`, beta1)
  checkDecay(`${name} 'beta2'`, beta2)
  checkNumber(`${name} 'epsilon'`, epsilon, 0)
  const correctionOf = (step: number) =>
    Math.sqrt(1 - beta2 ** (step + 1)) / (1 - beta1 ** (step + 1))
  const factors = (step: number, rate: number): [number, number] => [
    rate * correctionOf(step),
    1 - decayOf(options, rate),
  ]
  const replay = (kernels: Kernels, missed: MissedSteps) => {
    const [rows, dim] = missed.weights.shape
    const [m, v, vMax] = missed.slots
    kernels.adamReplay(
      missed.weights.values,
      m.values,
      v.values,
      vMax?.values ?? null,
      missed.done.ints,
      missed.rows?.ints ?? null,
      missed.rows?.size ?? rows,
      dim,
      missed.rates.values,
      missed.keeps.values,
      missed.count,
      beta1,
      beta2,
      epsilon,
    )
  }
  return {
    name,
    options,
    slots: options.amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
    idle: options.sparse ? 'nothing' : epsilon < 1e-30 ? null : { factors, replay },
    apply(kernels, { weights, gradients, slots: [m, v, vMax], scale, rate, step }) {
      kernels.adam(
        weights.values,
        gradients.values,
        m.values,
        v.values,
        vMax?.values ?? null,
        gradients.size,
        scale,
        rate * correctionOf(step),
        beta1,
        beta2,
        epsilon,
        decayOf(options, rate),
      )
    },
  }
}

/** Adam (Kingma & Ba 2014); learningRate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-7. */
export const adam = (options: AdamOptions = {}) => adamLike('adam', {}, options)

/** Adam with decoupled weight decay (Loshchilov & Hutter 2017); weightDecay 0.004. */
export const adamW = (options: AdamOptions = {}) =>
  adamLike('adamW', { weightDecay: 0.004 }, options)

const makers = { sgd, rmsprop, adam, adamW }

/** The optimizer of a name, configuration or itself; throws `UNKNOWN_OPTION`. */
export function resolveOptimizer(
  wanted: Optimizer | Optimizer['name'] | { name: string; options: OptimizerOptions },
): Optimizer {
  if (typeof wanted === 'object' && wanted !== null && 'apply' in wanted) return wanted
  const name = typeof wanted === 'string' ? wanted : wanted?.name
  if (!Object.hasOwn(makers, name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `optimizer: unknown optimizer ${show(name ?? wanted)}`,
      suggest(String(name), Object.keys(makers)),
    )
  }
  const maker = makers[name as keyof typeof makers]
  return maker(typeof wanted === 'string' ? {} : (wanted.options as never))
}

/** The learning rate of a step. */
export function learningRateOf(optimizer: Optimizer, step: number): number {
  return rateAt(optimizer.options.learningRate, step)
}
