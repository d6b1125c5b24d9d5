import { mkdirSync } from 'node:fs'
import { encode } from 'fast-png'
import { afterAll, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../test/cli/harness.ts'
import { loadFixture } from '../../test/fixtures/load.ts'

const { at, file, prints, failure, remove } = new Workplace()
afterAll(remove)

const few = ['--units', '4', '--epochs', '20', '--learning-rate', '0.03', '--quiet', '--seed', '1']

test('classify-series: rows of steps, in several files', async () => {
  const rows = Array.from({ length: 20 }, (_, i) =>
    Array.from(
      { length: 4 + (i % 3) },
      (_, t) => `${i},${i % 2 ? 'up' : 'down'},${t},${i % 2 ? t : -t}`,
    ),
  ).flat()
  const data = file('steps.csv', `run,state,t,x\n${rows.join('\n')}\n`)
  const model = at('steps.refrain')
  const columns = ['--id', 'run', '--label', 'state']
  await prints(['train', 'classify-series', data, ...columns, '--out', model, ...few])
  expect(await prints(['evaluate', model, data])).toMatch(/^accuracy 100.0 % on 20 rows/)
  const one = file('one.csv', 't,x\n0,0\n1,1\n2,2\n3,3\n')
  const [answer] = jsonLines(await prints(['predict', model, one, '--json']))
  expect(answer.predicted).toBe('up')
  const why = await prints(['explain', model, one])
  expect(why).toMatch(
    /^up, probability .*\n\(all at their mean\) {2}[+-]0\.\d+\nx +\+\d\.\d+\nsum +\+/,
  )
  expect(await prints(['inspect', model])).toContain('Classifies series of 1 measurement a step')
  expect(await failure(['predict', model, file('bad.csv', 't,x\n0,a\n')])).toBe(
    "bad.csv, row 1: expected a number in the column 'x', got a",
  )
})

test('classify-audio: WAV files in a folder for each label', async () => {
  const { cases } = loadFixture('numpy/wav.json')
  for (const [i, label] of ['a', 'a', 'a', 'b', 'b', 'b'].entries()) {
    mkdirSync(at(`sounds/${label}`), { recursive: true })
    const bytes = Buffer.from(cases[i < 3 ? 2 : 4].options.bytes as string, 'hex')
    file(`sounds/${label}/${i}.wav`, bytes)
  }
  const model = at('sounds.refrain')
  await prints(['train', 'classify-audio', at('sounds'), '--out', model, '--bands', '4', ...few])
  expect(await prints(['predict', model, at('sounds/b/3.wav')])).toMatch(/^[ab]\t0\.\d+\tsounds\/b/)
  expect(await failure(['predict', model, file('x.wav', 'RIFF')])).toBe(
    'x.wav: not a WAV file. Save it as WAV: PCM of 16 bits',
  )
})

test('classify-video: PNG frames in a folder for each clip', async () => {
  for (let i = 0; i < 8; i++) {
    const folder = `clips/${i % 2 ? 'light' : 'dark'}/${i}`
    mkdirSync(at(folder), { recursive: true })
    const data = new Uint8Array(16).fill(i % 2 ? 200 + i : i)
    const image = { width: 4, height: 4, channels: 1 as const, data }
    for (const frame of [1, 2]) file(`${folder}/${frame}.png`, encode(image))
  }
  const model = at('clips.refrain')
  await prints(['train', 'classify-video', at('clips'), '--out', model, ...few])
  expect(await prints(['predict', model, at('clips/light/1')])).toMatch(/^light\t/)
  const [why] = jsonLines(await prints(['explain', model, at('clips/light/1'), '--json']))
  expect(why.contributions.shape).toEqual([2, 4, 4, 1])
  expect(await prints(['explain', model, at('clips/light/1')])).toMatch(/\nframe 2 +[+-]/)
  expect(await prints(['evaluate', model, at('clips')])).toMatch(/^accuracy 100.0 % on 8 rows/)
})

test('classify --why: what each word contributes', async () => {
  const rows = ['fine,good', 'dull,bad'].map((row) => `a ${row.replace(',', ' film,')}\n`.repeat(8))
  const data = file('films.csv', `text,label\n${rows.join('')}`)
  const model = at('films.refrain')
  await prints(['train', 'classify', data, '--out', model, '--embedding', '8', ...few])
  expect(await prints(['predict', model, 'a fine film', '--why'])).toMatch(
    /^good\t0\.\d+\ta\([+-][\d.]+\) fine\(\+[\d.]+\) film\([+-][\d.]+\)\n$/,
  )
  const [answer] = jsonLines(await prints(['predict', model, 'a fine film', '--why', '--json']))
  const sum = answer.tokens.reduce(
    (s: number, t: { contribution: number }) => s + t.contribution,
    0,
  )
  expect(sum).toBeCloseTo(answer.score - answer.baseline, 8)
})
