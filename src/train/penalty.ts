import type { Context } from '../tensor/context.ts'
import type { ParameterSet } from '../tensor/parameter.ts'
import { regularize } from '../tensor/regularizers.ts'

/** What regularizers of the weights add to the loss; while `ctx` records, their gradients too. */
export function weightPenalty(ctx: Context, { trainable }: ParameterSet): number {
  let sum = 0
  for (const { parameter } of trainable) {
    const { regularizer } = parameter
    if (!regularizer) continue
    const { value } = parameter
    sum += regularize(ctx, regularizer, value, ctx.recording ? ctx.gradientOf(value) : null)
  }
  return sum
}
