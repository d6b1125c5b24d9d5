import { describe, expect, it } from 'vitest'
import { truth } from '../kernels/backends.case.ts'
import { Arena } from '../tensor/arena.ts'
import { tensor } from '../tensor/tensor.ts'
import { type ArrayData, batchOf, rowLength, sliceColumn, toColumn } from './column.ts'

const column = (data: ArrayData, dtype: 'float' | 'int32' = 'float') => toColumn('x', data, dtype)
const textOf = (data: unknown, dtype: 'float' | 'int32' = 'float') => {
  try {
    column(data as ArrayData, dtype)
  } catch (error) {
    return String(error)
  }
  return 'no error'
}

describe('what comes in', () => {
  it('the same numbers in any form make the same column', () => {
    const nested = [
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [7, 8],
        [9, 10],
        [11, 12],
      ],
    ]
    const expected = column(nested)
    expect(expected).toEqual({
      rows: 2,
      dtype: 'float',
      shape: [3, 2],
      data: Float32Array.from({ length: 12 }, (_, i) => i + 1),
      offsets: null,
    })
    const data = nested.flat(2)
    expect(column({ shape: [2, 3, 2], data })).toEqual(expected)
    const ids = [[1, 2], [], [3]]
    const rows = ids.map((row) => Int32Array.from(row))
    expect(column(rows, 'int32')).toEqual(column(ids, 'int32'))
    expect(column({ shape: [2, 3, 2], data: Float32Array.from(data) })).toEqual(expected)
    expect(column(tensor(nested))).toEqual(expected)
    expect(column(nested.map((row) => row.map((step) => Float32Array.from(step))))).toEqual(
      expected,
    )
    expect(column(Float64Array.of(1, 2)).data).toBeInstanceOf(Float64Array)
  })

  it('rows that are flat, each with its shape', () => {
    const rows = [
      { shape: [2, 2], data: [1, 2, 3, 4] },
      { shape: [0, 2], data: [] },
      { shape: [1, 2], data: Float32Array.of(5, 6) },
    ]
    const nested = [[[1, 2], [3, 4]], [], [[5, 6]]] // biome-ignore format: as the rows above
    expect(column(rows)).toEqual(column(nested))
    expect(column([rows[0], rows[0]])).toEqual(column([nested[0], nested[0]]))
    const video = { shape: [3, 1, 2, 1], data: new Float32Array(6) }
    expect(column([video, { shape: [1, 1, 2, 1], data: [0, 0] }]).shape).toEqual([null, 1, 2, 1])
    expect(textOf([rows[0], { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }])).toBe(
      'RefrainError: x: expected { shape: [T, 2], data } with as many numbers in row 1, got ' +
        'shape [2, 3] and 6 numbers; only the first dimension of a row may differ',
    )
    expect(textOf([rows[0], { shape: [2, 2], data: Float32Array.of(1, 2, Number.NaN, 4) }])).toBe(
      'RefrainError: x: expected finite numbers, got NaN at row 1, position 1, 0; remove or fill ' +
        'missing values before training',
    )
  })

  it('numbers and booleans, one for each row', () => {
    expect(column([1, 2.5]).data).toEqual(Float32Array.of(1, 2.5))
    expect(column([true, false], 'int32').data).toEqual(Int32Array.of(1, 0))
    expect(column(Int32Array.of(3, 4), 'int32').shape).toEqual([])
    expect(column([[], [1, 2]], 'int32').offsets).toEqual(Int32Array.of(0, 0, 2))
  })

  it('rows of unequal length, end to end', () => {
    const ragged = column([
      [[1, 2]],
      [],
      [
        [3, 4],
        [5, 6],
      ],
    ])
    expect(ragged).toEqual({
      rows: 3,
      dtype: 'float',
      shape: [null, 2],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
      offsets: Int32Array.of(0, 1, 1, 3),
    })
    expect([0, 1, 2].map((row) => rowLength(ragged, row))).toEqual([1, 0, 2])
  })

  it('what was given is copied, not kept', () => {
    const data = Float32Array.of(1, 2)
    const made = column(data)
    data[0] = 9
    expect(made.data[0]).toBe(1)
  })
})

describe('what does not fit is named with its place', () => {
  it('values', () => {
    const hint = 'remove or fill missing values before training'
    expect(textOf([[1], [Number.NaN]])).toBe(
      `RefrainError: x: expected finite numbers, got NaN at row 1, position 0; ${hint}`,
    )
    expect(
      textOf([
        [
          [1, 2],
          [3, -Infinity],
        ],
      ]),
    ).toBe(
      `RefrainError: x: expected finite numbers, got -Infinity at row 0, position 1, 1; ${hint}`,
    )
    expect(textOf([1, 'a'])).toBe("RefrainError: x: expected numbers, got 'a' at row 1")
    expect(textOf([[1, null]])).toBe(
      'RefrainError: x: expected numbers, got null at row 0, position 1',
    )
    expect(textOf([1, undefined])).toContain('got undefined at row 1')
    expect(textOf([1e39])).toBe(
      'RefrainError: x: expected numbers that fit 32 bits, got 1e+39 at row 0',
    )
    // Float32 backends would make it infinite.
    expect(textOf(Float64Array.of(0, 1e39))).toBe(
      'RefrainError: x: expected numbers that fit 32 bits, got 1e+39 at row 1',
    )
    expect(textOf([1.5], 'int32')).toBe('RefrainError: x: expected whole numbers, got 1.5 at row 0')
    expect(textOf([2 ** 32], 'int32')).toBe(
      'RefrainError: x: expected numbers that fit 32 bits, got 4294967296 at row 0',
    )
    expect(textOf(['the', 'words'], 'int32')).toBe(
      "RefrainError: x: expected whole numbers, got 'the' at row 0",
    )
    expect(textOf({ shape: [2, 2], data: [1, 2, 3, Number.NaN] })).toContain('row 1, position 1')
    expect(textOf(BigInt64Array.of(1n))).toBe('RefrainError: x: expected numbers, got 1 at row 0')
  })

  it('shapes', () => {
    expect(textOf([[1], 2])).toBe('RefrainError: x: expected an array in row 1, got 2')
    expect(textOf([[[1, 2], [3]]])).toBe(
      'RefrainError: x: expected 2 elements at row 0, position 1, got [3]; ' +
        'only the second dimension may be ragged',
    )
    expect(
      textOf([
        [1, 2],
        [[3], [4]],
      ]),
    ).toBe('RefrainError: x: expected numbers, got [3] at row 1, position 0')
    expect(textOf([[[1]], [2]])).toBe(
      'RefrainError: x: expected 1 elements at row 1, position 0, got 2; ' +
        'only the second dimension may be ragged',
    )
    expect(textOf({ shape: [2, 3], data: [1, 2, 3] })).toBe(
      'RefrainError: x: shape [2, 3] has 6 elements, the data has 3',
    )
    for (const shape of [[2.5, 2], [-1, -5], ['5'], 5, [Number.NaN]]) {
      expect(textOf({ shape, data: [1, 2, 3, 4, 5] })).toContain(
        'x: expected a shape of whole numbers such as [100, 20, 8], got ',
      )
    }
    expect(textOf({ shape: [], data: [1] })).toBe(
      'RefrainError: x: expected at least one row, got a single number',
    )
  })

  it('nothing at all', () => {
    const none = 'RefrainError: x: expected at least one row, got none'
    expect(textOf([])).toBe(none)
    expect(textOf(new Float32Array(0))).toBe(none)
    expect(textOf({ shape: [0, 3], data: [] })).toBe(none)
    for (const value of [undefined, null, 5, 'text', {}]) {
      expect(textOf(value)).toContain(
        'x: expected nested arrays, { shape, data } or a Tensor, got ',
      )
    }
  })
})

describe('batches', () => {
  const arena = new Arena(truth.heap)
  const ragged = column([[1, 2], [3], [], [4, 5, 6]], 'int32')

  it('of rows of one length', () => {
    const dense = column([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    const batch = batchOf(arena, dense, Int32Array.of(2, 0))
    expect(batch.shape).toEqual([2, 2])
    expect([...batch.values]).toEqual([5, 6, 1, 2])
    expect(batch.mask).toBeNull()
    expect([...batchOf(arena, column([7, 8, 9]), Int32Array.of(2, 1)).values]).toEqual([9, 8])
  })

  it('of ragged rows are padded to the longest of them and masked', () => {
    arena.tensor([64], 'int32').ints.fill(99)
    arena.reset()
    const batch = batchOf(arena, ragged, Int32Array.of(1, 0, 2))
    expect(batch.shape).toEqual([3, 2])
    expect([...batch.ints]).toEqual([3, 0, 1, 2, 0, 0])
    expect([...batch.mask!.valid.ints]).toEqual([1, 0, 1, 1, 0, 0])
    expect([...batch.mask!.lengths!.ints]).toEqual([1, 2, 0])
  })

  it('of very many ragged rows', () => {
    const rows = 200_000
    const one = column([[1], [1, 2]])
    const batch = batchOf(new Arena(truth.heap), one, new Int32Array(rows))
    expect(batch.shape).toEqual([rows, 1])
  })

  it('of empty rows have one masked step', () => {
    const batch = batchOf(arena, ragged, Int32Array.of(2))
    expect(batch.shape).toEqual([1, 1])
    expect([...batch.mask!.lengths!.ints]).toEqual([0])
    expect(batchOf(arena, column([[], []], 'int32'), Int32Array.of(0, 1)).shape).toEqual([2, 1])
  })

  it('slices of a column are columns', () => {
    const last = sliceColumn(ragged, 1, 4)
    expect(last).toMatchObject({ rows: 3, offsets: Int32Array.of(0, 1, 1, 4) })
    expect([...last.data]).toEqual([3, 4, 5, 6])
    expect([...batchOf(arena, last, Int32Array.of(2)).ints]).toEqual([4, 5, 6])
    const dense = sliceColumn(
      column([
        [1, 2],
        [3, 4],
      ]),
      1,
      2,
    )
    expect([...dense.data]).toEqual([3, 4])
  })
})
