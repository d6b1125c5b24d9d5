/** The options by which layers take regularizers and constraints for their weights and outputs. */
import { type Constraint, type ConstraintLike, resolveConstraint } from '../tensor/constraints.ts'
import {
  type Regularizer,
  type RegularizerLike,
  resolveRegularizer,
} from '../tensor/regularizers.ts'
import { checkNumber } from '../util/check.ts'

/**
 * Keras's `kernelRegularizer`, `kernelConstraint` and so on for a layer's weights: what they add to the loss
 * counts in training and `evaluate`.
 */
export type WeightRules<Weight extends string> = {
  [Option in `${Weight}Regularizer`]?: RegularizerLike
} & { [Option in `${Weight}Constraint`]?: ConstraintLike }

/** A layer's rules by the names of its options. */
export type Rules = Readonly<Record<string, Regularizer | Constraint | number>>

/** The names of the options for these weights. */
export const ruleNames = (...weights: readonly string[]): string[] =>
  weights.flatMap((weight) => [`${weight}Regularizer`, `${weight}Constraint`])

/** The rules among a layer's options, names made into configurations. */
export function resolveRules(kind: string, options: object): Rules {
  const rules: Record<string, Regularizer | Constraint | number> = {}
  for (const [name, value] of Object.entries(options)) {
    const where = `${kind} '${name}'`
    if (value === undefined || value === null) continue
    if (name === 'temporalActivityRegularizer') rules[name] = checkNumber(where, value, 0)
    else if (name.endsWith('Regularizer')) rules[name] = resolveRegularizer(where, value)
    else if (name.endsWith('Constraint')) rules[name] = resolveConstraint(where, value)
  }
  return rules
}
