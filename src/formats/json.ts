/** Reading JSON that another program wrote: each value is checked where it is taken. */
import { RefrainError, show } from '../errors.ts'

/** An object of a JSON text. */
export type JsonObject = Readonly<Record<string, unknown>>

const fail = (where: string, expected: string, value: unknown) =>
  new RefrainError('BAD_FILE', `${where}: expected ${expected}, got ${show(value)}`)

/** The value of a JSON text; `BAD_FILE` if it is none. */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RefrainError('BAD_FILE', `${where}: not JSON: ${(error as Error).message}`, '', {
      cause: error,
    })
  }
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function asObject(value: unknown, where: string): JsonObject {
  if (!isObject(value)) throw fail(where, 'an object', value)
  return value
}

export function asList(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw fail(where, 'a list', value)
  return value
}

export function asText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw fail(where, 'a text', value)
  return value
}

/** A whole number, 0 or more. */
export function asCount(value: unknown, where: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw fail(where, 'a whole number of 0 or more', value)
  }
  return value as number
}
