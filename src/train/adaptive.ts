/** Further optimizers that adapt a rate for each weight, with Keras 3's names, defaults and formulas. */
import { optimizerCodes } from '../kernels/kernels.ts'
import { checkNumber } from '../util/check.ts'
import {
  check,
  checkDecay,
  complete,
  decayOf,
  type Optimizer,
  type OptimizerOptions,
  type Update,
} from './optimizer.ts'

/** What `optimize` gets of a step: its rate and the formula's four numbers. */
type Numbers = readonly [rate: number, p: number, q: number, r: number, s: number]

/** An optimizer that is one formula of the kernel `optimize`. */
function formula(
  given: Pick<Optimizer, 'options' | 'slots' | 'initial' | 'idle'> & {
    name: keyof typeof optimizerCodes
  },
  numbers: (update: Update) => Numbers,
): Optimizer {
  return complete({
    ...given,
    apply(kernels, update) {
      const { weights, gradients, slots, scale } = update
      const [a, b] = slots
      const [rate, p, q, r, s] = numbers(update)
      kernels.optimize(
        optimizerCodes[given.name],
        weights.values,
        gradients.values,
        a.values,
        given.slots.length > 1 ? b.values : null,
        gradients.size,
        scale,
        rate,
        decayOf(given.options, update.decayRate),
        p,
        q,
        r,
        s,
      )
    },
  })
}

/**
 * Adagrad (Duchi et al. 2011): rates fall with the sum of squared gradients; learningRate 0.001,
 * initialAccumulatorValue 0.1, epsilon 1e-7.
 */
export function adagrad(
  given: OptimizerOptions & { initialAccumulatorValue?: number; epsilon?: number } = {},
): Optimizer {
  const defaults = { learningRate: 0.001, initialAccumulatorValue: 0.1, epsilon: 1e-7 }
  const own = ['initialAccumulatorValue', 'epsilon']
  const options = { ...defaults, ...check('adagrad', given, own) }
  const { initialAccumulatorValue, epsilon } = options
  checkNumber("adagrad 'initialAccumulatorValue'", initialAccumulatorValue, 0)
  checkNumber("adagrad 'epsilon'", epsilon, 0)
  const slots = ['accumulator']
  const initial = { accumulator: initialAccumulatorValue }
  const idle = options.weightDecay ? null : 'nothing'
  return formula({ name: 'adagrad', options, slots, initial, idle }, ({ rate }) => {
    return [rate, epsilon, 0, 0, 0]
  })
}

/**
 * Adadelta (Zeiler 2012): moves in proportion to the moves before; learningRate 0.001, rho 0.95,
 * epsilon 1e-7. The paper's learning rate is 1.
 */
export function adadelta(
  given: OptimizerOptions & { rho?: number; epsilon?: number } = {},
): Optimizer {
  const defaults = { learningRate: 0.001, rho: 0.95, epsilon: 1e-7 }
  const options = { ...defaults, ...check('adadelta', given, ['rho', 'epsilon']) }
  const { rho, epsilon } = options
  checkDecay("adadelta 'rho'", rho)
  checkNumber("adadelta 'epsilon'", epsilon, 0)
  const slots = ['meanSquare', 'meanSquareMove']
  return formula({ name: 'adadelta', options, slots, idle: null }, ({ rate }) => {
    return [rate, rho, epsilon, 0, 0]
  })
}

type MomentOptions = OptimizerOptions & { beta1?: number; beta2?: number; epsilon?: number }

function moments<Name extends 'adamax' | 'nadam'>(name: Name, given: MomentOptions) {
  const defaults = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
  const options = { ...defaults, ...check(name, given, ['beta1', 'beta2', 'epsilon']) }
  checkDecay(`${name} 'beta1'`, options.beta1)
  checkDecay(`${name} 'beta2'`, options.beta2)
  checkNumber(`${name} 'epsilon'`, options.epsilon, 0)
  return { name, options, slots: ['m', name === 'adamax' ? 'u' : 'v'], idle: null }
}

/**
 * Adam with the largest recent gradient instead of the mean square (Kingma & Ba 2014, section 7);
 * learningRate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-7.
 */
export function adamax(given: MomentOptions = {}): Optimizer {
  const made = moments('adamax', given)
  const { beta1, beta2, epsilon } = made.options
  return formula(made, ({ rate, step }) => {
    return [rate / (1 - beta1 ** (step + 1)), beta1, beta2, epsilon, 0]
  })
}

/**
 * Adam with Nesterov's momentum (Dozat 2016); learningRate 0.001, beta1 0.9, beta2 0.999, epsilon
 * 1e-7. The momentum of step t is beta1·(1 - 0.96ᵗ/2).
 */
export function nadam(given: MomentOptions = {}): Optimizer {
  const made = moments('nadam', given)
  const { beta1, beta2, epsilon } = made.options
  const momentum = (t: number) => beta1 * (1 - 0.5 * 0.96 ** t)
  // The product of all momenta so far, which a resumed run has to make anew.
  let [product, upTo] = [1, 0]
  return formula(made, ({ rate, step }) => {
    const t = step + 1
    if (t < upTo) [product, upTo] = [1, 0]
    while (upTo < t) product *= momentum(++upTo)
    const root = Math.sqrt(1 - beta2 ** t)
    const next = momentum(t + 1)
    const ofMean = (rate * root * next) / (1 - product * next)
    const ofGradient = (rate * root * (1 - momentum(t))) / (1 - product)
    return [ofMean, beta1, beta2, epsilon * root, ofGradient]
  })
}

/**
 * Lion (Chen et al. 2023): every weight moves by the learning rate, in the direction of a mean of
 * gradients; learningRate 0.001, beta1 0.9, beta2 0.99. It wants about a tenth of Adam's learning
 * rate and ten times its weight decay.
 */
export function lion(given: OptimizerOptions & { beta1?: number; beta2?: number } = {}): Optimizer {
  const defaults = { learningRate: 0.001, beta1: 0.9, beta2: 0.99 }
  const options = { ...defaults, ...check('lion', given, ['beta1', 'beta2']) }
  const { beta1, beta2 } = options
  checkDecay("lion 'beta1'", beta1)
  checkDecay("lion 'beta2'", beta2)
  return formula({ name: 'lion', options, slots: ['m'], idle: null }, ({ rate }) => {
    return [rate, beta1, beta2, 0, 0]
  })
}
