/** Numbers in the cells of tables. */
import { RefrainError, show } from '../errors.ts'
import { locate, type Place } from './row.ts'

const missing = new Set(['', 'nan', 'na', 'n/a', 'null', 'none', '?'])

/**
 * The number in a cell; NaN if the cell is empty or says NaN, NA, null, none or ?. Throws `BAD_DATA` for
 * anything else, with the row and, if no decimal comma is to blame, the hint.
 */
export function numberOf(value: unknown, column: string, place: Place, hint: string): number {
  if (value === undefined || value === null || Number.isNaN(value)) return Number.NaN
  const isText = typeof value === 'string'
  if (isText && missing.has(value.trim().toLowerCase())) return Number.NaN
  const number = isText || typeof value === 'boolean' ? Number(value) : value
  if (typeof number === 'number' && Number.isFinite(Math.fround(number))) return number
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a number in the column '${column}', got ${show(value)}`,
    isText && /^-?\d+,\d+$/.test(value) ? 'Write decimals with a point' : hint,
  )
}
