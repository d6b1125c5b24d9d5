/** What keeps weights and outputs small by adding to the loss: Keras 3's regularizers. */
import { RefrainError, show } from '../errors.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { checkNumber, checkOptions, suggest } from '../util/check.ts'
import type { Tensor } from './tensor.ts'

/** Adds l1·Σ|x| + l2·Σx² to the loss. Plain data, as it stands in files. */
export interface Regularizer {
  readonly name: 'l1l2'
  readonly l1: number
  readonly l2: number
}

/** A regularizer, or the name of one with 0.01 for its factors. */
export type RegularizerLike = Regularizer | 'l1' | 'l2' | 'l1l2'

function make(where: string, given: object, defaults: { l1?: number; l2?: number }): Regularizer {
  checkOptions(where, given, Object.keys(defaults))
  const { l1 = 0, l2 = 0 } = { ...defaults, ...given }
  checkNumber(`${where} 'l1'`, l1, 0)
  checkNumber(`${where} 'l2'`, l2, 0)
  return { name: 'l1l2', l1, l2 }
}

/** l1·Σ|x|, which makes weights zero; 0.01 by default. Keras's `L1`. */
export const l1 = (options: { l1?: number } = {}) => make('l1', options, { l1: 0.01 })

/** l2·Σx², which keeps weights small; 0.01 by default. Keras's `L2`. */
export const l2 = (options: { l2?: number } = {}) => make('l2', options, { l2: 0.01 })

/** l1·Σ|x| + l2·Σx², each 0 by default. Keras's `L1L2`. */
export const l1l2 = (options: { l1?: number; l2?: number } = {}) =>
  make('l1l2', options, { l1: 0, l2: 0 })

/** The regularizer of a name or of plain data; throws `UNKNOWN_OPTION`. */
export function resolveRegularizer(where: string, wanted: RegularizerLike): Regularizer {
  if (wanted === 'l1') return l1()
  if (wanted === 'l2') return l2()
  if (wanted === 'l1l2') return l1l2({ l1: 0.01, l2: 0.01 })
  const { name, ...options } = Object(wanted) as Regularizer
  if (name === 'l1l2') return l1l2(options)
  throw new RefrainError(
    'UNKNOWN_OPTION',
    `${where}: unknown regularizer ${show(wanted)}`,
    suggest(String(wanted), ['l1', 'l2', 'l1l2']),
  )
}

/** The term that `x` adds to the loss; its gradient is added to `gradient` where there is one. */
export function regularize(
  kernels: Kernels,
  { l1, l2 }: Regularizer,
  x: Tensor,
  gradient: Tensor | null,
): number {
  const { values, size } = x
  let term = 0
  if (l2 > 0) {
    term += l2 * kernels.sumSquares(values, size)
    if (gradient) kernels.addScaled(values, gradient.values, 2 * l2, size)
  }
  if (l1 > 0) {
    let sum = 0
    const slope = gradient?.values
    for (let i = 0; i < size; i++) {
      sum += Math.abs(values[i])
      if (slope) slope[i] += l1 * Math.sign(values[i])
    }
    term += l1 * sum
  }
  return term
}
