import { mkdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../test/cli/harness.ts'
import { attentionMap, confusionMatrix, forecastChart, lossCurves, pianoRoll } from './charts.ts'
import { type Chart, drawSvg } from './plot.ts'

const { at, file, prints, failure, remove } = new Workplace()
afterAll(remove)

/** The texts of a drawing, in its order; the colours of its filled shapes. */
const textsOf = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text)
const fillsOf = (svg: string) => [...svg.matchAll(/<path [^>]*fill="([^"]+)"/g)].map(([, c]) => c)
const draw = async (...charts: Chart[]) => {
  const svg = await drawSvg(charts)
  return { svg, texts: textsOf(svg) }
}

describe('charts', () => {
  test('loss curves: a panel for each number, a line for training and one for validation', async () => {
    const history = { loss: [1, 0.5, 0.25], valLoss: [1.1, 0.7, 0.8], accuracy: [0.5, 0.7, 0.8] }
    const { svg, texts } = await draw(
      lossCurves({ epoch: [0, 1, 2], history, stopped: '', steps: 3, clippedSteps: 0 }, 'a', 2),
    )
    for (const text of ['a', 'loss', 'accuracy', 'epoch', 'training', 'validation', '3']) {
      expect(texts).toContain(text)
    }
    expect(svg.match(/aria-roledescription="line mark"/g)?.length).toBe(3)
    // The epoch that was kept, in both panels.
    expect(svg.match(/stroke-dasharray="4,4"/g)?.length).toBe(2)
  })

  test('a confusion matrix: rows are what is, columns what was predicted', async () => {
    const counts = [
      [8, 2],
      [1, 1234],
    ]
    const { svg, texts } = await draw(confusionMatrix(['zebra', 'ant'], counts, 'test.csv'))
    // In the order that was given, not in the alphabet's.
    expect(texts.filter((text) => /^[\d,]+$/.test(text))).toEqual(['8', '2', '1', '1,234'])
    expect(texts.filter((text) => /zebra|ant/.test(text)).length).toBe(4)
    expect(texts).toContain('test.csv')
    expect(svg).toContain('predicted: ant; is: zebra; share: 0.2"')
    const many = Array.from({ length: 25 }, (_, i) => `label ${i}`)
    const large = await draw(
      confusionMatrix(
        many,
        many.map(() => many.map(() => 7)),
        't',
      ),
    )
    expect(large.texts).not.toContain('7')
  })

  test('an attention map: tokens may repeat', async () => {
    const weights = [
      [0.9, 0.1, 0],
      [0.1, 0.2, 0.7],
    ]
    const { texts, svg } = await draw(attentionMap(['the', 'cat', 'the'], ['le', 'chat'], weights))
    expect(texts).toEqual(expect.arrayContaining(['the', 'cat', 'the', 'le', 'chat']))
    expect(fillsOf(svg).filter((color) => color === '#3b82c4').length).toBe(6)
  })

  test('a forecast, with its interval; a tune', async () => {
    const at = (i: number) => `2024-01-0${i}`
    const forecast = [3, 4].map((i) => ({ at: at(i), value: i, low: i - 1, high: i + 1 }))
    const past = [1, 2].map((i) => ({ at: at(i), value: i }))
    const tune = [60, 72].map((pitch, start) => ({ pitch, start, length: 1 }))
    const charts = [forecastChart({ past, forecast }, 'sales'), pianoRoll(tune, 'tune', 'beats')]
    const { svg, texts } = await draw(...charts)
    for (const text of ['sales', 'past', 'forecast', 'tune', 'beats', 'C4', 'C5']) {
      expect(texts).toContain(text)
    }
    expect(texts).not.toContain('actual')
    expect(svg.match(/aria-roledescription="area mark"/g)?.length).toBe(1)
  })

  test('text is dark on a light page and light on a dark one', async () => {
    const { svg } = await draw(attentionMap(['a'], ['b'], [[1]]))
    expect(svg).toContain('@media(prefers-color-scheme:dark){text[fill="#333"]{fill:#ddd}}')
    for (const [text] of svg.matchAll(/<text[^>]*>/g)) expect(text).toContain('fill="#333"')
  })
})

describe('--plot', () => {
  const rows = Array.from({ length: 20 }, (_, i) => (i % 2 ? 'so good,good' : 'so bad,bad'))
  const data = file('data.csv', `text,label\n${rows.join('\n')}\n`)
  const small = ['--units', '2', '--embedding', '2', '--epochs', '2']
  const out = ['--out', at('m.refrain')]

  test('of a training and an evaluation', async () => {
    const args = ['train', 'classify', data, ...out, ...small, '--json', '--plot', at('loss.svg')]
    expect(jsonLines(await prints(args)).at(-1)).toEqual({ event: 'plotted', file: 'loss.svg' })
    expect(textsOf(readFileSync(at('loss.svg'), 'utf8'))).toContain('validation')
    await prints(['evaluate', at('m.refrain'), data, '--plot', at('matrix.svg')])
    expect(textsOf(readFileSync(at('matrix.svg'), 'utf8'))).toContain('predicted')
  })

  test('is checked before anything is read', async () => {
    const train = (plot: string) =>
      failure(['train', 'classify', 'none.csv', ...out, '--plot', plot])
    expect(await train('loss.png')).toBe("--plot: expected a name ending in .svg, got 'loss.png'")
    expect(await train(at('nowhere/loss.svg'))).toContain('the folder does not exist')
    mkdirSync(at('folder.svg'))
    expect(
      await failure(['evaluate', at('m.refrain'), 'none.csv', '--plot', at('folder.svg')]),
    ).toBe("cannot write 'folder.svg': it is a folder. Name a file")
    expect(await failure(['predict', at('m.refrain'), 'x', '--plot', 'x.svg'])).toContain(
      "unknown option '--plot'",
    )
  })
})
