/** What keeps weights and outputs small by adding to the loss: Keras 3's regularizers. */
import { RefrainError, show } from '../errors.ts'
import { checkNumber, checkOptions, suggest } from '../util/check.ts'
import type { Context } from './context.ts'
import type { Tensor } from './tensor.ts'

/** Adds l1·Σ|x| + l2·Σx² to the loss. */
interface Sums {
  readonly name: 'l1l2'
  readonly l1: number
  readonly l2: number
}

/** Adds to the loss how far rows or columns of a matrix are from being orthogonal. */
export interface Orthogonal {
  readonly name: 'orthogonalRegularizer'
  readonly factor: number
  readonly mode: 'rows' | 'columns'
}

/** What is added to the loss: plain data, as it stands in files. */
export type Regularizer = Sums | Orthogonal

/** A regularizer, or the name of one with 0.01 for its factors. */
export type RegularizerLike = Regularizer | 'l1' | 'l2' | 'l1l2' | 'orthogonalRegularizer'

/** The term that `x` adds to the loss, times `share`; its gradient is added to `gradient` if there is one. */
type Term<R> = (ctx: Context, of: R, x: Tensor, gradient: Tensor | null, share: number) => number

/** Present once `orthogonal-regularizer.ts` is: a page has it by its function. */
let orthogonal: { make(given: object): Orthogonal; term: Term<Orthogonal> } | null = null

/** Makes the regularizer of matrices known. */
export function addOrthogonal(given: typeof orthogonal): void {
  orthogonal = given
}

function make(where: string, given: object, defaults: { l1?: number; l2?: number }): Sums {
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
  const { name = wanted, ...options } = Object(wanted) as Regularizer
  if (name === 'l1l2') return l1l2(options as object)
  if (name === 'orthogonalRegularizer' && orthogonal) {
    return orthogonal.make(typeof wanted === 'string' ? {} : options)
  }
  throw new RefrainError(
    'UNKNOWN_OPTION',
    `${where}: unknown regularizer ${show(wanted)}`,
    suggest(String(name), ['l1', 'l2', 'l1l2', 'orthogonalRegularizer']),
  )
}

/** The term that `x` adds to the loss, times `share`; its gradient is added to `gradient` if there is one. */
export function regularize(
  ctx: Context,
  regularizer: Regularizer,
  x: Tensor,
  gradient: Tensor | null,
  share = 1,
): number {
  if (regularizer.name !== 'l1l2') return orthogonal!.term(ctx, regularizer, x, gradient, share)
  const { kernels } = ctx
  const { values, size } = x
  const [l1, l2] = [regularizer.l1 * share, regularizer.l2 * share]
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
