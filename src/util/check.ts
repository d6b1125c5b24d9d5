/** Checks of options and arguments, with the errors they raise. */
import { RefrainError, show } from '../errors.ts'

/** Number of single-character edits (insert, delete, replace, swap) between two names. */
function editDistance(a: string, b: string): number {
  let previous: number[] = []
  let current = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const older = previous
    previous = current
    current = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      current[j] = Math.min(replaced, previous[j] + 1, current[j - 1] + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        current[j] = Math.min(current[j], older[j - 2] + 1)
      }
    }
  }
  return current[b.length]
}

/** The name among `names` that is spelt most like `name`, or undefined if none is close. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** "did you mean 'units'?" if a name is close, else the list of names. */
export function suggest(name: string, names: Iterable<string>): string {
  const all = [...names]
  const close = nearest(name, all)
  return close ? `did you mean '${close}'?` : `known: ${all.join(', ')}`
}

/** Fails on an option that `known` does not list, naming the nearest one. */
export function checkOptions(where: string, options: object, known: Iterable<string>): void {
  const names = new Set(known)
  for (const key of Object.keys(options)) {
    if (!names.has(key)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `${where}: unknown option '${key}'`,
        suggest(key, names),
      )
    }
  }
}

/** Fails unless `value` is a whole number of at least `minimum`. */
export function checkInteger(where: string, value: unknown, minimum = 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a whole number of at least ${minimum}, got ${show(value)}`,
    )
  }
  return value
}

/** Fails unless `value` is a finite number from `low` to `high`. */
export function checkNumber(
  where: string,
  value: unknown,
  low = -Infinity,
  high = Infinity,
): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < low || value > high) {
    const range =
      high === Infinity
        ? low === -Infinity
          ? ''
          : ` of at least ${low}`
        : ` from ${low} to ${high}`
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a finite number${range}, got ${show(value)}`,
    )
  }
  return value
}

/** Number of elements of a shape; 1 for the empty shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (const length of shape) size *= length
  return size
}

/** Throws `BAD_ARGUMENT` or `BAD_DATA` unless `texts` is an array of strings. */
export function checkTexts(where: string, texts: readonly string[]): void {
  if (!Array.isArray(texts)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected an array of texts, got ${show(texts)}`,
    )
  }
  texts.forEach((text, i) => {
    if (typeof text !== 'string') {
      throw new RefrainError('BAD_DATA', `${where}: expected a text at ${i}, got ${show(text)}`)
    }
  })
}

/** Fails unless `value` is one of these names, naming the nearest. */
export function checkOneOf<Name extends string>(
  where: string,
  value: Name,
  names: readonly string[],
): Name {
  if (names.includes(value)) return value
  throw new RefrainError(
    'UNKNOWN_OPTION',
    `${where}: unknown ${show(value)}`,
    suggest(String(value), names),
  )
}
