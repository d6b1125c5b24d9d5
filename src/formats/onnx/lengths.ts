/** Lengths of dimensions as values of a graph. */
import type { Dim } from './plan.ts'
import type { Value } from './reader.ts'

/** Lengths: a constant where all are known. */
export const lengths = (values: readonly Dim[], scalar = false): Value =>
  values.every((dim) => typeof dim === 'number')
    ? { kind: 'array', dims: scalar ? [] : [values.length], data: values as number[] }
    : { kind: 'lengths', values, scalar }
