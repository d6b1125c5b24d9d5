/** Holds two results against each other. */

/** Whether two lists hold equal numbers, texts or lists of them. */
export function same(a: unknown, b: unknown): boolean {
  if (!isList(a) || !isList(b)) return Object.is(a, b)
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!same(a[i], b[i])) return false
  return true
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
