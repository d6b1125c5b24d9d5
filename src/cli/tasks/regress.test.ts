import { afterAll, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../../test/cli/harness.ts'

const { at, file, prints, failure, remove } = new Workplace()
afterAll(remove)

test('train, evaluate, predict', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},${i % 5},${3 * i - (i % 5)}`)
  const table = file('pairs.csv', `a,b,c\n${rows.join('\n')}\n`)
  const model = at('pairs.refrain')
  const args = [
    'train',
    'regress',
    table,
    '--out',
    model,
    '--epochs',
    '150',
    '--units',
    '8',
    '--json',
  ]
  const [start] = jsonLines(await prints(args))
  expect(start).toMatchObject({ rows: 40, columns: { inputs: ['a', 'b'], targets: ['c'] } })
  expect(await prints(['inspect', model])).toContain('Tells c from a, b')
  const [first, second] = (await prints(['predict', model, '10,0', '20,4'])).trim().split('\n')
  expect(Math.abs(Number(first) - 30)).toBeLessThan(2)
  expect(Math.abs(Number(second) - 56)).toBeLessThan(2)
  const [row] = jsonLines(await prints(['predict', model, '--json'], { stdin: 'b,a\n0,10\n' }))
  expect(row).toEqual({ c: expect.closeTo(Number(first), 4) })
  const text = await prints(['evaluate', model, table])
  expect(text).toMatch(/^40 rows, R² (1|0\.99\d+)\n/)
  expect(text).toMatch(/\nlinear +[\de.-]+ +[\de.-]+/)
  const why = (await prints(['explain', model, '10,0'])).trimEnd().split('\n')
  expect(why[0]).toBe('c:')
  const parts = why.slice(1).map((line) => Number(/[-+\d.]+$/.exec(line)![0]))
  const sum = parts.pop()!
  expect(parts.reduce((a, b) => a + b)).toBeCloseTo(sum, 1)
  expect(sum).toBeCloseTo(Number(first), 1)
  expect(await failure(['explain', model, '10,0', '--column', 'd'])).toContain('unknown target')
  expect(await failure(['predict', model, '1,x'])).toBe(
    "predict: expected numbers separated by commas, got '1,x'; 'x' is no number; a file goes behind --file",
  )
  expect(await failure(['predict', model, '1'])).toBe(
    'regress.predict: expected 2 numbers in row 0, got [1]',
  )
})
