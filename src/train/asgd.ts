/** Stochastic gradient descent that ends with an average of the weights on its way. */
import { RefrainError } from '../errors.ts'
import { checkInteger, checkNumber } from '../util/check.ts'
import {
  type Average,
  check,
  complete,
  decayOf,
  type Optimizer,
  type OptimizerOptions,
  type Update,
} from './optimizer.ts'

type AsgdOptions = Omit<OptimizerOptions, 'useEma' | 'emaMomentum' | 'emaOverwriteFrequency'>

/** The step and the rate of one; the average is kept by who calls. */
function averaged(
  name: 'asgd' | 'ntAsgd',
  options: Optimizer['options'],
  rateOf: (update: Update) => number,
  decay: number,
  average: Average,
): Optimizer {
  return complete({
    name,
    options,
    slots: ['average'],
    average,
    idle: null,
    apply(kernels, update) {
      const { weights, gradients, scale } = update
      const rate = rateOf(update)
      const off = decay * rate + (update.decayRate && decayOf(options, rate))
      kernels.sgd(weights.values, gradients.values, null, gradients.size, scale, rate, 0, 0, off)
    },
  })
}

/** It keeps an average of its own. */
function refuseEma(name: string, { useEma }: OptimizerOptions): void {
  if (!useEma) return
  throw new RefrainError('BAD_ARGUMENT', `${name}: expected no 'useEma', got true`)
}

/**
 * Averaged stochastic gradient descent (Polyak & Juditsky 1992); PyTorch's `ASGD`. Step t, from 0,
 * moves by learningRate / (1 + lambd·learningRate·t)^alpha and takes as great a share, times lambd,
 * off each weight. Validation and the trained model have the average of the weights after the first
 * `t0` steps. learningRate 0.01, lambd 1e-4, alpha 0.75, t0 1e6.
 */
export function asgd(
  given: AsgdOptions & { lambd?: number; alpha?: number; t0?: number } = {},
): Optimizer {
  const defaults = { learningRate: 0.01, lambd: 1e-4, alpha: 0.75, t0: 1e6 }
  const options = { ...defaults, ...check('asgd', given, ['lambd', 'alpha', 't0']) }
  refuseEma('asgd', options)
  const lambd = checkNumber("asgd 'lambd'", options.lambd, 0)
  const alpha = checkNumber("asgd 'alpha'", options.alpha, 0)
  const t0 = checkInteger("asgd 't0'", options.t0, 0)
  const rateOf = ({ rate, step }: Update) => rate / (1 + lambd * rate * step) ** alpha
  const share = (step: number) => 1 / Math.max(1, step - t0)
  return averaged('asgd', options, rateOf, lambd, { share, validated: true })
}

/**
 * Non-monotonically triggered averaged gradient descent (Merity et al. 2017, the optimizer of
 * AWD-LSTM): plain gradient descent until `monitor` has, at the end of an epoch, a value above the
 * best of those more than `nonMonotone` epochs old; from then on validation and the trained model
 * have the average of the weights since. learningRate 30, monitor 'valLoss', nonMonotone 5; clip
 * gradients, such as globalClipNorm 0.25.
 */
export function ntAsgd(
  given: AsgdOptions & { monitor?: string; nonMonotone?: number } = {},
): Optimizer {
  const defaults = { learningRate: 30, monitor: 'valLoss', nonMonotone: 5 }
  const options = { ...defaults, ...check('ntAsgd', given, ['monitor', 'nonMonotone']) }
  refuseEma('ntAsgd', options)
  const { monitor } = options
  const wait = checkInteger("ntAsgd 'nonMonotone'", options.nonMonotone, 0)
  return averaged('ntAsgd', options, ({ rate }) => rate, 0, {
    share: (step, since) => (since === null ? 1 : 1 / (step - since + 2)),
    validated: true,
    trigger(history) {
      const values = history[monitor]
      if (!values) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `ntAsgd 'monitor': expected one of ${Object.keys(history).join(', ')}, got '${monitor}'`,
          monitor.startsWith('val') ? 'give fit validationSplit or validationData' : '',
        )
      }
      const before = values.slice(0, -1)
      const old = before.slice(0, Math.max(0, before.length - wait))
      return old.length > 0 && values[values.length - 1] > Math.min(...old)
    },
  })
}
