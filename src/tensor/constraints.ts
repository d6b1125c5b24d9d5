/** What weights must be after each step of the optimizer: Keras 3's constraints. */
import { RefrainError, show } from '../errors.ts'
import type { Floats } from '../kernels/kernels.ts'
import { checkInteger, checkNumber, checkOptions, sizeOf, suggest } from '../util/check.ts'

/** A constraint and its options: plain data, as it stands in files. */
export interface Constraint {
  readonly name: ConstraintName
  readonly [option: string]: unknown
}

/** The constraints' names. */
export type ConstraintName = 'maxNorm' | 'minMaxNorm' | 'nonNeg' | 'unitNorm'

/** A constraint, or the name of one with its defaults. */
export type ConstraintLike = Constraint | ConstraintName

/** The dimension, or dimensions, along which a norm is taken; 0 by default: for each unit. */
type Axis = number | readonly number[]

function make(
  name: ConstraintName,
  given: object,
  defaults: Record<string, number>,
  normed = true,
): Constraint {
  const names = Object.keys(defaults)
  checkOptions(name, given, normed ? [...names, 'axis'] : names)
  const options = { ...defaults, ...given } as Record<string, unknown>
  for (const key of names) checkNumber(`${name} '${key}'`, options[key], 0)
  if (!normed) return { name }
  const { axis = 0 } = options
  for (const one of [axis].flat()) checkInteger(`${name} 'axis'`, one, 0)
  return { name, ...options, axis }
}

/** Norms of at most `maxValue` (2). Keras's `MaxNorm`. */
export const maxNorm = (options: { maxValue?: number; axis?: Axis } = {}) =>
  make('maxNorm', options, { maxValue: 2 })

/**
 * Norms from `minValue` (0) to `maxValue` (1); of what is outside, `rate` (1) of the way is gone in
 * each step. Keras's `MinMaxNorm`.
 */
export const minMaxNorm = (
  options: { minValue?: number; maxValue?: number; rate?: number; axis?: Axis } = {},
) => make('minMaxNorm', options, { minValue: 0, maxValue: 1, rate: 1 })

/** No negative weights. Keras's `NonNeg`. */
export const nonNeg = (options: Record<string, never> = {}) => make('nonNeg', options, {}, false)

/** Norms of 1. Keras's `UnitNorm`. */
export const unitNorm = (options: { axis?: Axis } = {}) => make('unitNorm', options, {})

const makers: Record<ConstraintName, (options: never) => Constraint> = {
  maxNorm,
  minMaxNorm,
  nonNeg,
  unitNorm,
}

/** The constraint of a name or of plain data; throws `UNKNOWN_OPTION`. */
export function resolveConstraint(where: string, wanted: ConstraintLike): Constraint {
  const { name, ...options } = typeof wanted === 'string' ? { name: wanted } : Object(wanted)
  if (!Object.hasOwn(makers, name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: unknown constraint ${show(wanted)}`,
      suggest(String(name), Object.keys(makers)),
    )
  }
  return makers[name as ConstraintName](options as never)
}

/** Keras divides by norms plus this. */
const epsilon = 1e-7

/** A weight's projection in place, for its shape. Throws `BAD_ARGUMENT` for an axis it has not. */
export function projection(
  path: string,
  { name, ...options }: Constraint,
  shape: readonly number[],
): (weights: Floats) => void {
  if (name === 'nonNeg') {
    return (weights) => {
      for (let i = 0; i < weights.length; i++) if (weights[i] < 0) weights[i] = 0
    }
  }
  const axes = [options.axis as Axis].flat()
  if (axes.some((axis) => axis >= shape.length)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${path}: ${name} 'axis': expected dimensions of ${show([...shape])}, got ${show(axes)}`,
    )
  }
  const groups = groupsOf(shape, axes)
  const squares = new Float64Array(sizeOf(shape.filter((_, axis) => !axes.includes(axis))))
  const { minValue = 0, maxValue, rate = 1 } = options as Record<string, number>
  const wanted = (norm: number) =>
    name === 'unitNorm'
      ? 1
      : rate * Math.min(Math.max(norm, minValue), maxValue) + (1 - rate) * norm
  return (weights) => {
    squares.fill(0)
    for (let i = 0; i < weights.length; i++) squares[groups[i]] += weights[i] * weights[i]
    const factors = squares.map((sum) => wanted(Math.sqrt(sum)) / (epsilon + Math.sqrt(sum)))
    for (let i = 0; i < weights.length; i++) weights[i] *= factors[groups[i]]
  }
}

/** For each element the number of the norm that it belongs to. */
function groupsOf(shape: readonly number[], axes: readonly number[]): Int32Array {
  const groups = new Int32Array(sizeOf(shape))
  let [inner, step] = [1, 1]
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis]
    if (!axes.includes(axis)) {
      for (let i = 0; i < groups.length; i++) {
        groups[i] += (Math.floor(i / inner) % length) * step
      }
      step *= length
    }
    inner *= length
  }
  return groups
}
