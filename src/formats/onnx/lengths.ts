/** Lengths of dimensions as values of a graph. */
import type { Dim } from './plan.ts'
import type { Value } from './reader.ts'

/** Lengths: a constant where all are known. */
export const lengths = (values: readonly Dim[], scalar = false): Value =>
  values.every((dim) => typeof dim === 'number')
    ? { kind: 'array', dims: scalar ? [] : [values.length], data: values as number[] }
    : { kind: 'lengths', values, scalar }

/** Lengths or a constant of whole numbers, as lengths. */
export function asLengths(value: Value | null): Dim[] | null {
  if (value?.kind === 'lengths') return [...value.values]
  if (value?.kind === 'array' && !value.spread && value.dims.length <= 1)
    return Array.from(value.data)
  return null
}

/** Whether lengths are equal, each 1 or 0; null if an open one might be. */
export function equalLengths(a: readonly Dim[], b: readonly Dim[]): number[] | null {
  const flags = spread(a, b).map(([x, y]) => {
    if (x === y) return 1
    const [open, number] = typeof x === 'string' ? [x, y] : [y, x]
    const never = typeof open !== 'string' || (typeof number === 'number' && number < 0)
    return never ? 0 : null
  })
  return flags.includes(null) ? null : (flags as number[])
}

/** Those of `a` where a flag is set, else those of `b`. */
export const chosenLengths = (flags: readonly Dim[], a: readonly Dim[], b: readonly Dim[]): Dim[] =>
  spread(a, b).map(([x, y], i) => (flags[flags.length === 1 ? 0 : i] ? x : y))

/** Pairs, a list of one going with each of the other. */
const spread = (a: readonly Dim[], b: readonly Dim[]): [Dim, Dim][] =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [
    a[a.length === 1 ? 0 : i],
    b[b.length === 1 ? 0 : i],
  ])
