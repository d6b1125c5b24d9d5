/** The models that come with Refrain: each opens by its name, is what its card says, and makes sense. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ToneMidi from '@tonejs/midi'
import { abcProblems } from 'refrain/data'
import { classify, generate, tag, translate } from 'refrain/tasks'
import { afterAll, describe, expect, test } from 'vitest'
import { Workplace } from './cli/harness.ts'

const folder = fileURLToPath(new URL('../models/', import.meta.url))
const { at, prints, remove } = new Workplace()
afterAll(remove)

/** Without those that a test beside this one makes for a while. */
const names = readdirSync(folder).flatMap((file) =>
  file.endsWith('.refrain') && !file.startsWith('test-') ? [file.slice(0, -'.refrain'.length)] : [],
)
const fileOf = (name: string) => `${folder}${name}.refrain`

describe('the folder', () => {
  test('has a card for each model, with its true size, and 15 MB at most', () => {
    const cards = readdirSync(folder).filter((file) => file.endsWith('.md'))
    expect(cards.sort()).toEqual(names.map((name) => `${name}.md`).sort())
    let bytes = 0
    for (const name of names) {
      const { size } = statSync(fileOf(name))
      const card = readFileSync(`${folder}${name}.md`, 'utf8')
      expect(card).toContain(`\`${name}.refrain\`, ${size.toLocaleString('en')} bytes`)
      for (const part of [
        '## Data',
        'icence',
        '## How well it does',
        `npm run models -- ${name}`,
      ]) {
        expect(card).toContain(part)
      }
      expect(existsSync(new URL(`../scripts/models/${name}.mjs`, import.meta.url))).toBe(true)
      bytes += size
    }
    expect(bytes).toBeLessThanOrEqual(15e6)
  })

  test('is in the table of README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const name of names) expect(readme).toContain(`](models/${name}.md)`)
  })
})

/** What each model must answer. */
const answers: Record<string, () => Promise<void>> = {
  async sentiment() {
    const classifier = (await classify.load(fileOf('sentiment'))) as classify.Classifier<'text'>
    const found = await classifier.predict([
      'A wonderful film with great actors.',
      'A complete waste of time and money, the worst that I have seen.',
    ])
    expect(found.map(({ label }) => label)).toEqual(['positive', 'negative'])
    expect(await prints(['predict', 'sentiment', 'I love this phone'])).toMatch(/^positive\t/)
  },

  async pos() {
    const tagger = await tag.load(fileOf('pos'))
    const [found] = await tagger.predict(["The old dog didn't bark at John's car."])
    expect(found.tags.join(' ')).toBe('at jj nn dod * vb in np $ nn .')
    // A word that nobody has seen, by its ending.
    const [unseen] = await tagger.predict(['They frobnicated the gizmos yesterday.'])
    expect(unseen.tags.join(' ')).toBe('ppss vbd at nns nr .')
    expect(await prints(['predict', 'pos', 'She sings'])).toBe('She/pps sings/vbz\n')
  },

  async ner() {
    const tagger = await tag.load(fileOf('ner'))
    const [found] = await tagger.predict(['Ada Lovelace met Charles Babbage in London'])
    expect(found.spans.map(({ label, text }) => `${label} ${text}`)).toEqual([
      'PER Ada Lovelace',
      'PER Charles Babbage',
      'LOC London',
    ])
    expect(await prints(['predict', 'ner', 'nothing to see here'])).toBe('nothing to see here\n')
  },

  async 'en-fr'() {
    const translator = await translate.load(fileOf('en-fr'))
    const found = await translator.predict(['Where is the station?', 'I am hungry.'])
    expect(found[0].text).toMatch(/^Où .*gare.*\?$/)
    expect(found[1].text).toMatch(/faim/)
    expect(await prints(['predict', 'en-fr', 'Thank you.'])).toMatch(/^Merci/)
  },

  async tunes() {
    const writer = (await generate.load(fileOf('tunes'))) as generate.Writer
    const tunes = await writer.samples('', { count: 20, length: 2000, temperature: 0.7 })
    const problems = await Promise.all(tunes.map((tune) => abcProblems(tune)))
    // Nineteen of twenty parse in the long run.
    expect(problems.filter((list) => list.length === 0).length).toBeGreaterThanOrEqual(16)
    const files = ['--out', at('tune.mid'), '--plot', at('tune.svg')]
    expect(await prints(['generate', 'tunes', ...files])).toMatch(/tune\.mid: tune in [A-G]/)
    const { tracks } = new ToneMidi.Midi(readFileSync(at('tune.mid')))
    const notes = tracks.flatMap((track) => track.notes)
    expect(notes.length).toBeGreaterThan(20)
    expect(notes.every(({ midi }) => midi > 40 && midi < 100)).toBe(true)
    expect(readFileSync(at('tune.svg'), 'utf8')).toContain('<svg')
    await prints(['generate', 'tunes', '--out', at('tune.abc')])
    expect(readFileSync(at('tune.abc'), 'utf8')).toMatch(/^X:1\nM:.+\nL:1\/\d+\nK:.+\n/)
  },

  async whale() {
    const writer = (await generate.load(fileOf('whale'))) as generate.Writer
    const bits = async (text: string) => (await writer.evaluate({ texts: [text] })).bitsPerCharacter
    const sense =
      'The captain stood upon the deck, and looked out over the sea for the white whale.'
    expect(await bits(sense)).toBeLessThan(2.5)
    expect(await bits([...sense].reverse().join(''))).toBeGreaterThan(3.5)
    const text = await prints(['generate', 'whale', 'Call me Ishmael.', '--length', '60'])
    expect(text).toMatch(/^Call me Ishmael\..{60,}/s)
  },
}

test.each(names)('%s answers', async (name) => {
  expect(Object.keys(answers)).toContain(name)
  await answers[name]()
})
