/** Optimizers from files: all that there are, so that only who loads models has them. */
import { RefrainError, show } from '../errors.ts'
import { suggest } from '../util/check.ts'
import { adadelta, adagrad, adamax, lion, nadam } from './adaptive.ts'
import { asgd, ntAsgd } from './asgd.ts'
import { muon } from './muon.ts'
import type { Optimizer, OptimizerName } from './optimizer.ts'
import { adam, adamW, rmsprop, sgd } from './optimizers.ts'
import { adafactor, ftrl, lamb } from './optimizers-rare.ts'
import { restoreSchedule } from './schedules.ts'

const makers: Record<OptimizerName, (options: never) => Optimizer> = {
  sgd,
  rmsprop,
  adam,
  adamW,
  adagrad,
  adadelta,
  adamax,
  nadam,
  lion,
  asgd,
  ntAsgd,
  ftrl,
  lamb,
  adafactor,
  muon,
}

/** The optimizer that a file describes; throws `UNKNOWN_OPTION`. */
export function restoreOptimizer(config: { name: string; options: object }): Optimizer {
  const { name, options } = Object(config)
  if (!Object.hasOwn(makers, name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `optimizer: unknown optimizer ${show(name ?? config)}`,
      suggest(String(name), Object.keys(makers)),
    )
  }
  const { learningRate, ...rest } = Object(options)
  return makers[name as OptimizerName]({
    ...rest,
    learningRate: restoreSchedule(learningRate),
  } as never)
}
