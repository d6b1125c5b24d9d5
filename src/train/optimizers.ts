/** Optimizers, with Keras 3's names, defaults and formulas; the rarer ones are in `adaptive.ts`. */
import { RefrainError, show } from '../errors.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { checkNumber, suggest } from '../util/check.ts'
import {
  check,
  checkDecay,
  complete,
  decayOf,
  type MissedSteps,
  type Optimizer,
  type OptimizerOptions,
} from './optimizer.ts'

/** Stochastic gradient descent; learningRate 0.01, momentum 0, nesterov false. */
export function sgd(
  given: OptimizerOptions & { momentum?: number; nesterov?: boolean } = {},
): Optimizer {
  const defaults = { learningRate: 0.01, momentum: 0, nesterov: false }
  const options = { ...defaults, ...check('sgd', given, ['momentum', 'nesterov']) }
  checkNumber("sgd 'momentum'", options.momentum, 0, 1)
  return complete({
    name: 'sgd',
    options,
    slots: options.momentum > 0 ? ['velocity'] : [],
    idle: options.momentum === 0 && !options.weightDecay ? 'nothing' : null,
    apply(kernels, { weights, gradients, slots: [velocity], scale, rate, decayRate }) {
      kernels.sgd(
        weights.values,
        gradients.values,
        velocity?.values ?? null,
        gradients.size,
        scale,
        rate,
        options.momentum,
        options.nesterov ? 1 : 0,
        decayOf(options, decayRate),
      )
    },
  })
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
  return complete({
    name: 'rmsprop',
    options,
    slots,
    idle: null,
    apply(kernels, { weights, gradients, slots: arrays, scale, rate, decayRate }) {
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
        decayOf(options, decayRate),
      )
    },
  })
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
  return complete({
    name,
    options,
    slots: options.amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
    idle: options.sparse ? 'nothing' : epsilon < 1e-30 ? null : { factors, replay },
    apply(kernels, { weights, gradients, slots: [m, v, vMax], scale, rate, decayRate, step }) {
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
        decayOf(options, decayRate),
      )
    },
  })
}

/** Adam (Kingma & Ba 2014); learningRate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-7. */
export const adam = (options: AdamOptions = {}) => adamLike('adam', {}, options)

/** Adam with decoupled weight decay (Loshchilov & Hutter 2017); weightDecay 0.004. */
export const adamW = (options: AdamOptions = {}) =>
  adamLike('adamW', { weightDecay: 0.004 }, options)

const makers = { sgd, rmsprop, adam, adamW }

/** An optimizer, or the name of one with its defaults; the rarer ones have to be made by a call. */
export type OptimizerLike = Optimizer | keyof typeof makers

/** The optimizer of a name, or itself; throws `UNKNOWN_OPTION`. */
export function resolveOptimizer(wanted: OptimizerLike): Optimizer {
  if (typeof wanted === 'object' && wanted !== null && 'apply' in wanted) return wanted
  if (!Object.hasOwn(makers, wanted)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `optimizer: unknown optimizer ${show(wanted)}`,
      `${suggest(String(wanted), Object.keys(makers))}; others are made by a call, such as nadam()`,
    )
  }
  return makers[wanted]()
}
