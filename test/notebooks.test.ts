/** The notebooks as they are committed: executed, whole, and short. `npm run notebooks` executes them. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Cell {
  readonly cell_type: 'markdown' | 'code'
  readonly source: readonly string[]
  readonly execution_count?: number | null
  readonly outputs?: readonly { readonly output_type: string }[]
}

const folder = new URL('../notebooks/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.ipynb'))
const shows = /\b(show\w*|console\.(log|table))\(/

describe.each(names)('%s', (name) => {
  const text = readFileSync(new URL(name, folder), 'utf8')
  const cells: readonly Cell[] = JSON.parse(text).cells
  const code = cells.filter(({ cell_type }) => cell_type === 'code')

  it('begins with what it shows and ends with what to try', () => {
    expect(cells[0].source[0]).toMatch(/^# /)
    expect(cells.at(-1)?.source[0]).toMatch(/^## What to try/)
  })

  it('has been executed from the first cell to the last, without an error', () => {
    expect(code.map(({ execution_count }) => execution_count)).toEqual(code.map((_, i) => i + 1))
    const kinds = code.flatMap(({ outputs = [] }) => outputs.map(({ output_type }) => output_type))
    expect(kinds).not.toContain('error')
    expect(text).not.toContain('\\u001b')
  })

  it('has the output of each cell that shows something', () => {
    const lost = code.filter(({ source, outputs = [] }) => {
      return outputs.length === 0 && shows.test(source.join(''))
    })
    expect(lost).toEqual([])
  })

  it('has short cells and is small', () => {
    for (const { source } of code) expect(source.length).toBeLessThanOrEqual(25)
    expect(text.length).toBeLessThan(600_000)
  })
})
