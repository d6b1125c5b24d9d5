import { expect, test } from 'vitest'
import type { RefrainError } from '../errors.ts'
import { type ReadVectorsOptions, readVectors } from './read-vectors.ts'

const read = (content: string, options: ReadVectorsOptions = {}, name = 'v.csv') => {
  const stream = (async function* () {
    yield Buffer.from(content)
  })()
  return readVectors({ name, stream }, options)
}

test('columns by default and by name', async () => {
  expect(await read('a,b,c\n1,2,3\n4,5,6\n')).toEqual({
    inputs: [
      [1, 2],
      [4, 5],
    ],
    targets: [[3], [6]],
    columns: { inputs: ['a', 'b'], targets: ['c'] },
    skipped: 0,
  })
  const options = { targets: ['a', 'b'], inputs: ['c'] }
  const { inputs, targets } = await read('[{"a":1,"b":2,"c":3}]', options, 'v.json')
  expect([inputs, targets]).toEqual([[[3]], [[1, 2]]])
  expect((await read('a,b\n1,2\n', { targets: [] })).inputs).toEqual([[1, 2]])
})

test('rows without a number', async () => {
  const failure = async (content: string, options?: ReadVectorsOptions) =>
    read(content, options).then(
      () => 'none',
      (error: RefrainError) => error.message,
    )
  expect((await read('a,b\n1,NA\n3,4\n', { skipMissing: true })).skipped).toBe(1)
  expect(await failure('a,b\n1,2\n3,\n')).toBe(
    "v.csv, row 2 (line 3): there is no number in the column 'b'. Fill it in, or leave such rows out " +
      'with --skip-missing (skipMissing)',
  )
  expect(await failure('a,b\n1,\n', { skipMissing: true })).toBe(
    'no rows are left. Every row lacks a number',
  )
  expect(await failure('a,b\n1,x\n')).toBe(
    "v.csv, row 1 (line 2): expected a number in the column 'b', got 'x'. Name the columns with " +
      'numbers with --inputs and --target (inputs, targets)',
  )
  expect(await failure('a,price\n1,2\n', { targets: ['prize'] })).toBe(
    "v.csv: there is no column 'prize'; did you mean 'price'?",
  )
})
