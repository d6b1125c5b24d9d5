/** Weights out of parameters and back: what `getWeights` and `setWeights` do. */
import { RefrainError, show } from '../errors.ts'
import type { Parameter } from './parameter.ts'

/** A copy of a weight. */
export interface NamedWeight {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | Float64Array
}

/** What a weight may be replaced by: its elements, or what `getWeights` gave. */
export type GivenWeight = ArrayLike<number> | { shape?: readonly number[]; data: ArrayLike<number> }

/** Copies, each under the parameter's name or path. */
export const readWeights = (parameters: readonly Parameter[], by: 'name' | 'path'): NamedWeight[] =>
  parameters.map((parameter) => ({
    name: parameter[by],
    shape: parameter.shape,
    data: parameter.value.values.slice(),
  }))

/** Replaces all or, where one does not fit, none: then throws `BAD_SHAPE`. */
export function writeWeights(
  where: string,
  parameters: readonly Parameter[],
  by: 'name' | 'path',
  weights: readonly GivenWeight[],
): void {
  if (weights.length !== parameters.length) {
    const names = parameters.map((parameter) => parameter[by]).join(', ')
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected ${parameters.length} arrays (${names}), got ${weights.length}`,
    )
  }
  const arrays = weights.map((weight) => ('data' in weight ? weight.data : weight))
  parameters.forEach((parameter, i) => {
    const given = weights[i]
    const shape = 'data' in given && given.shape ? given.shape : [arrays[i].length]
    const fits =
      shape.length === 1 ? shape[0] === parameter.size : shape.join() === parameter.shape.join()
    if (!fits || arrays[i].length !== parameter.size) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${where}: expected shape ${show([...parameter.shape])} for '${parameter[by]}', ` +
          `got ${show([...shape])}`,
      )
    }
  })
  parameters.forEach((parameter, i) => {
    parameter.value.values.set(arrays[i])
    parameter.version++
  })
}
