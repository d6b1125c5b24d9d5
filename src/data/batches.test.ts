import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { epochBatches, lengthBatches } from './batches.ts'
import { rowLength, toColumn } from './column.ts'

const columnOf = (lengths: number[]) =>
  toColumn(
    'x',
    lengths.map((length) => Array<number>(length).fill(1)),
    'int32',
  )
const lists = (batches: Int32Array[]) => batches.map((rows) => [...rows])
const lengths = fc.array(fc.nat(9), { minLength: 1, maxLength: 200 })

describe('an epoch', () => {
  it('visits every row once, in batches of the size asked for but one', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 40 }), fc.nat(), (rows, size, seed) => {
        const column = columnOf(rows)
        for (const batches of [
          epochBatches(column, size, seed, 3),
          epochBatches(column, size, null, 3),
          lengthBatches(column, size),
        ]) {
          const seen = lists(batches).flat()
          expect(seen.sort((a, b) => a - b)).toEqual(rows.map((_, row) => row))
          const odd = batches.filter((batch) => batch.length !== size)
          expect(odd.length).toBeLessThanOrEqual(1)
          expect(batches).toHaveLength(Math.ceil(rows.length / size))
        }
      }),
    )
  })

  it('without shuffling keeps the order', () => {
    const batches = epochBatches(columnOf([3, 1, 2, 5, 4]), 2, null, 7)
    expect(lists(batches)).toEqual([[0, 1], [2, 3], [4]])
  })

  it('differs by epoch and seed, and only by them', () => {
    const column = columnOf(Array.from({ length: 60 }, (_, i) => (i * 7) % 11))
    const order = (seed: number, epoch: number) => lists(epochBatches(column, 8, seed, epoch))
    expect(order(1, 0)).toEqual(order(1, 0))
    expect(order(1, 0)).not.toEqual(order(1, 1))
    expect(order(1, 0)).not.toEqual(order(2, 0))
  })

  it('puts rows of similar length together', () => {
    const column = columnOf(Array.from({ length: 400 }, (_, i) => (i * 37) % 100))
    const padding = (batches: Int32Array[]) =>
      batches.reduce((sum, rows) => {
        const steps = [...rows].map((row) => rowLength(column, row))
        return sum + steps.reduce((a, n) => a + Math.max(...steps) - n, 0)
      }, 0)
    const inOrder = padding(epochBatches(column, 16, null, 0))
    expect(padding(epochBatches(column, 16, 5, 0))).toBeLessThan(inOrder / 10)
    expect(padding(lengthBatches(column, 16))).toBeLessThan(inOrder / 10)
  })

  it('does not always end with the short batch', () => {
    const column = columnOf(Array.from({ length: 41 }, (_, i) => i % 5))
    const places = Array.from({ length: 30 }, (_, epoch) =>
      epochBatches(column, 8, 1, epoch).findIndex((rows) => rows.length === 1),
    )
    expect(new Set(places).size).toBeGreaterThan(3)
  })
})

it('for prediction the longest rows come first', () => {
  expect(lists(lengthBatches(columnOf([1, 3, 2, 3]), 3))).toEqual([[1, 3, 2], [0]])
})
