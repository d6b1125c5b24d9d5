/** Masks in the form that kernels read, against their definition. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { truth } from '../kernels/backends.case.ts'
import { Arena } from './arena.ts'
import { bothMasks, type Mask, makeMask, maskFromLengths, reverseMask } from './mask.ts'

const arena = new Arena(truth.heap)

function maskOf(rows: readonly (readonly number[])[]): Mask {
  const valid = arena.tensor([rows.length, rows[0].length], 'int32')
  valid.ints.set(rows.flat())
  return makeMask(arena, valid)
}

const read = ({ lengths, order, times, count }: Mask) => ({
  lengths: lengths && Array.from(lengths.ints),
  order: order && Array.from(order.ints),
  times: times && Array.from(times.ints),
  count,
})

const flags = (mask: Mask | null) => mask && Array.from(mask.valid.ints)

describe('makeMask', () => {
  it('says nothing where every step counts', () => {
    const full = { lengths: null, order: null, times: null, count: 4 }
    expect(
      read(
        maskOf([
          [1, 1],
          [1, 1],
        ]),
      ),
    ).toEqual(full)
  })

  it('gives lengths and order for right padding', () => {
    const mask = maskOf([
      [1, 0, 0],
      [1, 1, 1],
      [0, 0, 0],
      [1, 1, 0],
      [1, 1, 0],
    ])
    expect(read(mask)).toEqual({
      lengths: [1, 3, 0, 2, 2],
      order: [1, 3, 4, 0, 2],
      times: null,
      count: 8,
    })
  })

  it('gives the times where there are gaps or late starts', () => {
    expect(
      read(
        maskOf([
          [0, 1, 0, 1],
          [1, 1, 1, 1],
          [0, 0, 0, 1],
        ]),
      ),
    ).toEqual({
      lengths: [2, 4, 1],
      order: [1, 0, 2],
      times: [1, 3, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0],
      count: 7,
    })
  })

  it('keeps its definition on any batch', () => {
    const batches = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .chain(([rows, steps]) => {
        const row = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: steps, maxLength: steps })
        return fc.array(row, { minLength: rows, maxLength: rows })
      })
    fc.assert(
      fc.property(batches, (rows) => {
        arena.reset()
        const steps = rows[0].length
        const { lengths, order, times, count } = read(maskOf(rows))
        const timesOf = rows.map((row) => row.flatMap((flag, t) => (flag ? [t] : [])))
        expect(count).toBe(timesOf.flat().length)
        if (count === rows.length * steps) {
          expect([lengths, order, times]).toEqual([null, null, null])
          return
        }
        expect(lengths).toEqual(timesOf.map(({ length }) => length))
        const byLength = rows.map((_, b) => b).sort((a, b) => lengths![b] - lengths![a] || a - b)
        expect(order).toEqual(byLength)
        const inOrder = timesOf.every((of) => of.every((t, s) => t === s))
        expect(times === null).toBe(inOrder)
        if (inOrder) return
        timesOf.forEach((of, b) => {
          expect(times!.slice(b * steps, b * steps + of.length)).toEqual(of)
        })
      }),
      { numRuns: 200, seed: 1 },
    )
  })
})

describe('masks from masks', () => {
  it('of lengths', () => {
    expect(flags(maskFromLengths(arena, [2, 0, 3], 3))).toEqual([1, 1, 0, 0, 0, 0, 1, 1, 1])
  })

  it('both', () => {
    const [a, b] = [maskOf([[1, 1, 0, 1]]), maskOf([[1, 0, 1, 1]])]
    expect(flags(bothMasks(arena, a, b))).toEqual([1, 0, 0, 1])
    expect(bothMasks(arena, a, null)).toBe(a)
    expect(bothMasks(arena, null, b)).toBe(b)
    expect(bothMasks(arena, null, null)).toBe(null)
  })

  it('reversed', () => {
    const reversed = reverseMask(
      arena,
      maskOf([
        [1, 1, 0],
        [0, 0, 1],
      ]),
    )
    expect(flags(reversed)).toEqual([0, 1, 1, 1, 0, 0])
    expect(read(reversed).times).toEqual([1, 2, 0, 0, 0, 0])
  })
})
