/** Pages and modules by `refrain convert`: opened offline, as a stranger would, and held to what the command predicts. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { encode } from 'fast-png'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { abcPiece } from '../../src/data/abc-music.ts'
import { midiBytes, parseMidi } from '../../src/data/midi.ts'
import { dense, lstm } from '../../src/layers/index.ts'
import { loadFile } from '../../src/model/load.ts'
import { sequential } from '../../src/model/sequential.ts'
import { forecast, generate, regress } from '../../src/tasks/index.ts'
import { Workplace } from '../cli/harness.ts'
import { loadFixture } from '../fixtures/load.ts'
import { findChromium } from './chromium.ts'

const { at, file, refrain } = new Workplace()

/** Converts a model and returns the path of what was written. */
async function convert(model: string, name: string, ...options: string[]) {
  const { stderr, status } = await refrain(['convert', model, at(name), ...options])
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return at(name)
}

const predicted = async (...args: string[]) =>
  JSON.parse((await refrain(['predict', ...args, '--json'])).stdout)

describe('a module that stands alone', () => {
  /** What the module's function resolves to, in a Node that has nothing but the file. */
  function inNode(path: string, ...args: unknown[]) {
    const given = args.map((one) => JSON.stringify(one)).join()
    const program = `import { predict } from ${JSON.stringify(pathToFileURL(path).href)}
      console.log(JSON.stringify(await predict(${given})))`
    const options = ['--input-type=module', '-e', program]
    return JSON.parse(
      execFileSync(process.execPath, options, { cwd: '/', encoding: 'utf8', stdio: 'pipe' }),
    )
  }

  it('predicts what the command does', async () => {
    const path = await convert('sentiment', 'sentiment.mjs', '--verify')
    const text = 'a fine film, not as dull as its title'
    const { predicted: label, probability } = await predicted('sentiment', text)
    const alone = inNode(path, text)
    expect(alone.label).toBe(label)
    expect(alone.probability).toBeCloseTo(probability, 5)
    expect(inNode(path, [text, 'two hours too long'])).toHaveLength(2)
    const english = await convert('en-fr', 'en-fr.mjs', '--float16')
    const french = (await refrain(['predict', 'en-fr', 'Where is the station?'])).stdout
    expect(inNode(english, 'Where is the station?').text.replace(/\s/g, ' ')).toBe(french.trim())
    // Base64 takes 4 bytes for 3; the program is the rest.
    expect(statSync(english).size).toBeLessThan((2 * 2_515_360 * 4) / 3 + 700_000)
  }, 60_000)

  it('runs models of no task, and writes', async () => {
    const model = sequential([lstm({ units: 3 }), dense({ units: 2 })]).build([null, 4, 2])
    await model.save(at('plain.refrain'))
    const x = [[[1, 2], [3, 4], [0.5, -1], [0, 0]]] // biome-ignore format: one row
    const expected = (await (await model.predict(x)).array()) as number[][]
    const found = inNode(await convert(at('plain.refrain'), 'plain.mjs'), x)
    expect(found[0]).toHaveLength(2)
    for (const k of [0, 1]) expect(found[0][k]).toBeCloseTo(expected[0][k], 5)
    const whale = await convert('whale', 'whale.mjs')
    const text = inNode(whale, 'Call me ', { length: 30, temperature: 0.2 })
    expect(text).toMatch(/^Call me \w+/)
  }, 60_000)

  it('says what does not fit', async () => {
    const path = await convert('sentiment', 'errors.mjs')
    expect(() => inNode(path, 7)).toThrow(/classify|expected/)
    const { stderr, status } = await refrain(['convert', 'sentiment', at('no/such/folder.html')])
    expect(status).toBe(1)
    expect(stderr).toContain('no/such')
  }, 60_000)
})

const chromium = findChromium()

describe.skipIf(!chromium)('a page that stands alone, in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    const { chromium: program } = await import('playwright-core')
    browser = await program.launch({
      executablePath: chromium!,
      args: ['--headless', '--no-sandbox', '--disable-gpu'],
    })
  })
  afterAll(() => browser?.close())

  /** Opens a file without a network, and answers: the text in `textarea` gives what is then shown. */
  async function open(path: string, width = 1440) {
    const context = await browser.newContext({ offline: true, viewport: { width, height: 800 } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => {
      if (!/^(file|data|blob):/.test(request.url())) complaints.push(request.url())
    })
    await page.goto(pathToFileURL(path).href)
    const answer = async (text?: string) => {
      if (text !== undefined) await page.locator('textarea').fill(text)
      await page.locator('button[type=submit]').click()
      await page.waitForFunction(
        () =>
          document.querySelector('form')!.ariaBusy === null &&
          document.querySelector('output')!.childNodes.length > 0,
      )
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - window.innerWidth,
      )
      expect(overflow, 'wider than the window').toBeLessThanOrEqual(0)
      return page.locator('output').innerText()
    }
    const close = async () => {
      await context.close()
      expect(complaints).toEqual([])
    }
    return { page, answer, close }
  }

  const percent = (share: number) => `${(100 * share).toFixed(1)} %`

  for (const width of [360, 1440]) {
    it(`classifies and explains, ${width} pixels wide`, async () => {
      const path = await convert('sentiment', `sentiment-${width}.html`, '--verify')
      const { page, answer, close } = await open(path, width)
      for (const text of ['a fine film', 'dull, and two hours too long']) {
        const { predicted: label, probabilities } = await predicted('sentiment', text)
        const shown = await answer(text)
        expect(shown.split('\n').slice(0, 2)).toEqual([label, percent(probabilities[label])])
      }
      expect(await page.locator('.words span').count()).toBeGreaterThan(5)
      expect(await answer(' ')).toBe('there is no text yet')
      await close()
    }, 60_000)

    it(`tags, translates and writes, ${width} pixels wide`, async () => {
      const ner = await open(await convert('ner', `ner-${width}.html`, '--float16'), width)
      const sentence = 'Ada Lovelace met Charles Babbage in London'
      const { spans } = await predicted('ner', sentence)
      await ner.answer(sentence)
      const marks = await ner.page.locator('mark').allInnerTexts()
      const expected = spans.map(({ text, label }: Record<string, string>) => text + label)
      expect(marks.map((text) => text.replace(/\s+(?=[A-Z]+$)/, ''))).toEqual(expected)
      expect(marks.length).toBe(3)
      await ner.close()
      const french = await open(await convert('en-fr', `en-fr-${width}.html`, '--float16'), width)
      expect(await french.answer('Where is the station?')).toMatch(/^Où est la gare\s\?/)
      await french.close()
      const whale = await open(await convert('whale', `whale-${width}.html`), width)
      const text = await whale.answer('Call me ')
      expect(text).toMatch(/^Call me /)
      expect(text.length).toBeGreaterThan(400)
      expect(await whale.answer('Call me ')).toBe(text)
      await whale.close()
    }, 60_000)
  }

  it('forecasts from a pasted table', async () => {
    const values = Array.from({ length: 96 }, (_, t) => 10 + Math.sin((t * Math.PI) / 6) + t / 50)
    const trained = await forecast.train(
      { values },
      { window: 24, horizon: 6, epochs: 2, units: 8, season: 12, seed: 1 },
    )
    await trained.save(at('waves.refrain'))
    const [expected] = await trained.predict({ values })
    const { page, answer, close } = await open(
      await convert(at('waves.refrain'), 'waves.html'),
      360,
    )
    await answer(values.join('\n'))
    const cells = await page.locator('tbody tr td:nth-child(2)').allInnerTexts()
    expect(cells).toHaveLength(6)
    for (const [h, value] of expected.values.value.entries()) {
      expect(Number(cells[h])).toBeCloseTo(value, 3)
    }
    expect(await page.locator('polyline.ahead').getAttribute('points')).toMatch(/^(\S+ ){6}\S+$/)
    expect(await answer('1\n2\nthree')).toBe("line 3: expected a number, got 'three'")
    await close()
  }, 60_000)

  it('regresses, and takes the numbers of any model', async () => {
    const inputs = Array.from({ length: 40 }, (_, i) => [i / 10, (i * 7) % 5])
    const targets = inputs.map(([a, b]) => [a - b, a + b])
    const columns = { inputs: ['a', 'b'], targets: ['less', 'more'] }
    const trained = await regress.train({ inputs, targets, columns }, { epochs: 5, seed: 1 })
    await trained.save(at('sums.refrain'))
    const [row] = await trained.predict([[1.5, 2]])
    const sums = await open(await convert(at('sums.refrain'), 'sums.html'), 360)
    // Named columns may come in any order.
    await sums.answer('b,a\n2,1.5')
    const cells = await sums.page.locator('tbody td').allInnerTexts()
    for (const k of [0, 1]) expect(Number(cells[k])).toBeCloseTo(row[k], 3)
    await sums.close()
    const model = sequential([lstm({ units: 3 }), dense({ units: 2 })]).build([null, 4, 2])
    await model.save(at('any.refrain'))
    const any = await open(await convert(at('any.refrain'), 'any.html', '--float16'), 360)
    const expected = (await (await model.predict([[[0, 0], [0, 0], [0, 0], [0, 0]]])).array()) as number[][] // biome-ignore format: one row
    const shown = JSON.parse((await any.answer()).split('\n').at(-1)!)
    for (const k of [0, 1]) expect(shown[0][k]).toBeCloseTo(expected[0][k], 2)
    expect(await any.answer('[[1,')).toContain('expected JSON')
    await any.close()
  }, 60_000)

  it('composes music that can be saved', async () => {
    const rolls = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 64 }, (_, t) => [60 + ((t + i) % 12), 48]),
    )
    const trained = await generate.trainRolls({ rolls }, { epochs: 2, units: 16, seed: 1 })
    await trained.save(at('chords.refrain'))
    const { page, answer, close } = await open(
      await convert(at('chords.refrain'), 'chords.html'),
      360,
    )
    const shown = await answer()
    const [, count] = /(\d+) notes/.exec(shown)!
    const piece = await trained.compose({ length: 200, temperature: 0.8, seed: 1 })
    expect(Number(count)).toBe(piece.notes.length)
    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('a.button').click(),
    ])
    const bytes = readFileSync((await saved.path())!)
    expect(new Uint8Array(bytes)).toEqual(await midiBytes(piece))
    expect((await parseMidi(bytes, 'tune.mid')).notes.length).toBeGreaterThan(0)
    await page.getByRole('button', { name: 'Play' }).click()
    await page.getByRole('button', { name: 'Stop' }).click()
    await close()
  }, 60_000)

  it('plays tunes that parse', async () => {
    const { page, answer, close } = await open(await convert('tunes', 'tunes.html'), 360)
    let shown = ''
    for (let seed = 1; seed <= 20 && !/\d+ notes/.test(shown); seed++) {
      await page.locator('input').last().fill(String(seed))
      shown = await answer()
      expect(shown).toMatch(/^X:1\n[\s\S]*(\d+ notes|It cannot be played)/)
    }
    const notes = Number(/(\d+) notes/.exec(shown)![1])
    const tune = shown.slice(0, shown.indexOf('Play')).trim()
    expect((await abcPiece(tune)).notes.length).toBe(notes)
    await page.getByRole('button', { name: 'Play' }).click()
    await page.getByRole('button', { name: 'Stop' }).click()
    await close()
  }, 60_000)

  it('classifies series', async () => {
    const csv = ['id,t,a,label']
    for (let id = 0; id < 30; id++) {
      for (let t = 0; t < 10; t++) {
        csv.push(`${id},${t},${(id % 2 ? t : -t) + Math.sin(id)},${id % 2 ? 'up' : 'down'}`)
      }
    }
    const table = file('series.csv', `${csv.join('\n')}\n`)
    const trained = await refrain(
      ['train', 'classify-series', table, '--id', 'id', '--label', 'label', '--epochs', '20', '--out', at('ways.refrain'), '--quiet'], // biome-ignore format: one call
    )
    expect(trained.stderr).toBe('')
    const page = await open(await convert(at('ways.refrain'), 'ways.html'), 360)
    expect(await page.answer(Array.from({ length: 10 }, (_, t) => t).join('\n'))).toMatch(/^up\n/)
    expect(await page.answer(Array.from({ length: 10 }, (_, t) => -t).join('\n'))).toMatch(
      /^down\n/,
    )
    await page.close()
  }, 60_000)

  it('classifies sounds and clips from files', async () => {
    const few = [
      '--epochs',
      '20',
      '--units',
      '4',
      '--learning-rate',
      '0.03',
      '--quiet',
      '--seed',
      '1',
    ]
    const { cases } = loadFixture('numpy/wav.json')
    const wav = (k: number) => Buffer.from(cases[k].options.bytes as string, 'hex')
    const image = (value: number) =>
      encode({ width: 4, height: 4, channels: 1, data: new Uint8Array(16).fill(value) })
    for (let i = 0; i < 8; i++) {
      const sounds = `sounds/${i % 2 ? 'b' : 'a'}`
      mkdirSync(at(sounds), { recursive: true })
      file(`${sounds}/${i}.wav`, wav(i % 2 ? 4 : 2))
      const clip = `clips/${i % 2 ? 'light' : 'dark'}/${i}`
      mkdirSync(at(clip), { recursive: true })
      for (const frame of [1, 2]) file(`${clip}/${frame}.png`, image(i % 2 ? 200 + i : i))
    }
    for (const [task, folder, name, files] of [
      ['classify-audio', 'sounds', at('sounds/b/3.wav'), [at('sounds/b/3.wav')]],
      [
        'classify-video',
        'clips',
        at('clips/light/3'),
        [1, 2].map((k) => at(`clips/light/3/${k}.png`)),
      ],
    ] as const) {
      const model = at(`${folder}.refrain`)
      const bands = task === 'classify-audio' ? ['--bands', '4'] : []
      const made = await refrain(['train', task, at(folder), '--out', model, ...bands, ...few])
      expect(made.stderr).toBe('')
      const { predicted: label, probabilities } = await predicted(model, name)
      const { page, answer, close } = await open(await convert(model, `${folder}.html`), 360)
      await page.locator('input[type=file]').setInputFiles([...files])
      const shown = (await answer()).split('\n').slice(0, 2)
      expect(shown).toEqual([label, percent(probabilities[label])])
      await close()
    }
  }, 60_000)

  it('says so when the model inside is damaged', async () => {
    const path = await convert('sentiment', 'damaged.html')
    const text = readFileSync(path, 'utf8').replace(/(id="model">.{100}).{4000}/, '$1')
    const { page, close } = await open(file('damaged-2.html', text))
    expect(await page.locator('[role=alert]').innerText()).toContain('damaged')
    await close()
  })

  it('runs a module, too', async () => {
    const text = readFileSync(await convert('sentiment', 'in-page.mjs'), 'utf8')
    const page = await browser.newPage()
    const found = await page.evaluate(async (code) => {
      const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
      // Not as import(), which the tests' own loader would rewrite.
      const load = new Function('url', 'return import(url)')
      return (await load(url)).predict('a fine film')
    }, text)
    const { predicted: label, probability } = await predicted('sentiment', 'a fine film')
    expect(found.label).toBe(label)
    expect(found.probability).toBeCloseTo(probability, 5)
    await page.close()
  })
})

it('a model inside a file is the one that was put there', async () => {
  const path = await convert('pos', 'pos.html')
  const inside = /id="model">([^<]+)</.exec(readFileSync(path, 'utf8'))![1]
  const bytes = file('inside.refrain', Buffer.from(inside, 'base64'))
  const [there, here] = [await loadFile('models/pos.refrain'), await loadFile(bytes)]
  const weights = ({ model }: typeof here) =>
    model.parameters.parameters.map(({ path, value }) => [path, [...value.values]])
  expect(weights(here)).toEqual(weights(there))
  expect(here.encoders).toEqual(there.encoders)
})
