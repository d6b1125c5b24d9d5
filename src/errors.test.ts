import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { errorCodes, RefrainError, show } from './errors.ts'

it('lists every code in docs/errors.md with the same words', () => {
  const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm)].map(([, code, text]) => [
    code,
    text,
  ])
  expect(rows).toEqual(Object.entries(errorCodes))
})

it('joins message and hint', () => {
  const error = new RefrainError('BAD_ARGUMENT', "lstm 'units': expected 1, got 0", 'raise it')
  expect(String(error)).toBe("RefrainError: lstm 'units': expected 1, got 0; raise it")
  expect(error.hint).toBe('raise it')
})

it('shows values briefly', () => {
  expect(show('a'.repeat(80))).toHaveLength(60)
  expect(show([1, 2, 3, 4, 5, 6, 7, 8, 9])).toBe('[1, 2, 3, 4, 5, 6, 7, 8, … 9 in all]')
  expect(show(new Float32Array(3))).toBe('Float32Array of 12 bytes')
  expect(show({ a: 1, b: 2 })).toBe('{ a, b }')
})
