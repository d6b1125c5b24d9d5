import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseTag, schemeOf, spansOf, type TagScheme, tagsOf } from '../util/tags.ts'
import { type ReadTaggedOptions, readTagged } from './tagged.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-tagged-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const read = async (name: string, content: string | Uint8Array, options: ReadTaggedOptions = {}) =>
  readTagged(file(name, content), options)

/** The error's message, with the test's folder cut off. */
const failure = async (name: string, content: string, options: ReadTaggedOptions = {}) =>
  read(name, content, options).then(
    () => 'none',
    (error) => error.message.replaceAll(`${folder}/`, ''),
  )

describe('CoNLL columns', () => {
  test('CoNLL-2003: four columns, documents, IOB1', async () => {
    const text =
      '-DOCSTART- -X- O O\n\nU.N. NNP I-NP I-ORG\nofficial NN I-NP O\nEkeus NNP I-NP I-PER\n\n\n' +
      'Rolf NNP I-NP I-PER\nEkeus NNP I-NP B-PER\n\n-DOCSTART- -X- O O\n\n. . O O\n'
    const data = await read('a.conll', text)
    expect(data.tokens).toEqual([['U.N.', 'official', 'Ekeus'], ['Rolf', 'Ekeus'], ['.']])
    expect(data.tags).toEqual([['B-ORG', 'O', 'B-PER'], ['B-PER', 'B-PER'], ['O']])
    expect(data).toMatchObject({ scheme: 'IOB1', repaired: 0, documents: [0, 0, 1] })
    expect(data.where(1)).toBe(`${folder}/a.conll, sentence 2 (line 8)`)
    const chunks = await read('a.conll', text, { tagColumn: 3 })
    expect(chunks.tags[0]).toEqual(['B-NP', 'I-NP', 'I-NP'])
    const words = await read('a.conll', text, { tagColumn: -3 })
    expect(words).toMatchObject({
      scheme: null,
      tags: [['NNP', 'NN', 'NNP'], ['NNP', 'NNP'], ['.']],
    })
  })

  test('WNUT 2017: tabs, lines with a tab alone, words that begin with #', async () => {
    const text = '#\tO\nEmpire\tB-location\nState\tI-location\n\t\n#\tO\nESB\tB-location\n'
    const data = await read('w.conll.gz', gzipSync(text))
    expect(data.tokens).toEqual([
      ['#', 'Empire', 'State'],
      ['#', 'ESB'],
    ])
    expect(data).toMatchObject({ scheme: 'BIO', repaired: 0, documents: [0, 0] })
  })

  test('comments are passed over, a word # is not', async () => {
    const text = '# id 7 domain=en\nAda B-PER\n\n# a comment of five words\n# O\n1 O\n'
    expect((await read('c.conll', text)).tokens).toEqual([['Ada'], ['#', '1']])
  })

  test('BIOES, BILOU and BMES become BIO', async () => {
    const bioes = 'a B-X\nb I-X\nc E-X\nd S-X\ne O\n'
    const bilou = bioes.replace('E-', 'L-').replace('S-', 'U-')
    const bmes = bioes.replace('I-', 'M-')
    for (const text of [bioes, bilou, bmes]) {
      const data = await read('b.bioes', text)
      expect(data).toMatchObject({ scheme: 'BIOES', repaired: 0 })
      expect(data.tags).toEqual([['B-X', 'I-X', 'I-X', 'B-X', 'O']])
    }
  })

  test('illegal tags are repaired as conlleval reads them, or refused', async () => {
    const text = 'a B-X\nb I-X\n\nc B-X\nd O\ne I-X\nf I-Y\n'
    const data = await read('i.conll', text)
    expect(data).toMatchObject({ scheme: 'BIO', repaired: 2 })
    expect(data.tags[1]).toEqual(['B-X', 'O', 'B-X', 'B-Y'])
    expect(await failure('i.conll', text, { illegal: 'refuse' })).toBe(
      "i.conll, sentence 2 (line 4): word 3: 'I-X' after 'O' breaks the scheme BIO. Correct the " +
        "tag, or let illegal: 'repair' (--illegal repair) read it as conlleval does",
    )
    const open = { scheme: 'BIOES', illegal: 'refuse' } as const
    expect(await failure('i.conll', 'a O\nb B-X\n', open)).toContain(
      "word 2: 'B-X' at the end breaks the scheme BIOES",
    )
    expect(await failure('i.conll', 'a O\nb NN\n', { scheme: 'BIO' })).toContain(
      "i.conll, sentence 1 (line 1), word 2: expected tags such as 'O', 'B-PER' or 'I-PER', got 'NN'",
    )
  })

  test.each([
    [
      'a O\nb\n',
      {},
      "sentence 1 (line 2): expected 2 columns, as in the file's first lines, got 1",
    ],
    ['a O\n\nb x O\n', {}, 'sentence 2 (line 3): expected 2 columns'],
    ['a\nb\n', {}, 'sentence 1 (line 1): expected columns with a word and its tag, got one column'],
    ['a\tO\nb\t\tO\n', {}, 'sentence 1 (line 2): expected 2 columns'],
    ['a\tx\tO\n\ty\tO\n', {}, 'sentence 1 (line 2): the word is empty'],
    ['a\tx\tO\na\t\tO\n', { tagColumn: 2 }, 'sentence 1 (line 2): the tag is empty'],
    ['a O\n', { tagColumn: 4 }, 'sentence 1 (line 1): there is no column 4 (tagColumn), only 2'],
    ['a O\n', { tagColumn: -2 }, 'tokenColumn and tagColumn are the same column, 1'],
    ['a O\n-DOCSTART- O\n', {}, 'sentence 1 (line 2): -DOCSTART- within a sentence'],
    ['\n\n', {}, 'there are no sentences in it'],
  ])('errors: %j', async (text, options, message) => {
    expect(await failure('bad.conll', text, options)).toContain(message)
  })
})

describe('CoNLL-U', () => {
  const row = (id: string, form: string, upos: string, xpos: string, feats: string) =>
    [id, form, '_', upos, xpos, feats, '0', '_', '_', '_'].join('\t')
  const text = [
    '# newdoc id = a',
    '# text = I don’t',
    row('1', 'I', 'PRON', 'PRP', 'Person=1'),
    row('2-3', "don't", '_', '_', '_'),
    row('2', 'do', 'AUX', 'VBP', '_'),
    row('3', "n't", 'PART', 'RB', '_'),
    row('3.1', 'go', 'VERB', 'VB', '_'),
    '',
    '# newdoc id = b',
    row('1', '#', 'SYM', '_', '_'),
    '',
  ]

  test('ranges and empty nodes are passed over; three columns can be the tag', async () => {
    const data = await read('a.conllu', text.join('\n'))
    expect(data.tokens).toEqual([['I', 'do', "n't"], ['#']])
    expect(data.tags).toEqual([['PRON', 'AUX', 'PART'], ['SYM']])
    expect(data).toMatchObject({ scheme: null, documents: [0, 1] })
    const feats = await read('a.conllu', text.join('\n'), { field: 'feats' })
    expect(feats.tags).toEqual([['Person=1', '_', '_'], ['_']])
  })

  test('errors', async () => {
    const whole = text.join('\n')
    expect(await failure('a.conllu', whole, { field: 'xpos' })).toBe(
      "a.conllu, sentence 2 (line 10): the word '#' has no XPOS. Choose another column: --field",
    )
    expect(await failure('a.conllu', whole.replace('\t_\n', '\n'))).toContain(
      'sentence 1 (line 3): expected the 10 columns of CoNLL-U, got 9',
    )
    expect(await failure('a.conllu', text.filter((line) => line).join('\n'))).toContain(
      'sentence 1 (line 8): expected the 10 columns of CoNLL-U, got 1',
    )
    expect(await failure('a.conllu', whole.replace('\n3\t', '\n4\t'))).toContain(
      "sentence 1 (line 6): expected word number 3, got '4'",
    )
    expect(await failure('a.conllu', whole, { field: 'pos' as never })).toBe(
      "readTagged 'field': unknown field 'pos'; did you mean 'upos'?",
    )
  })
})

describe('sentences on lines', () => {
  test('JSON lines', async () => {
    const text = '{"tokens":["Ada","met"],"tags":["B-PER","O"]}\n\n{"tokens":["x"],"tags":["O"]}\n'
    const data = await read('a.jsonl', text)
    expect(data.tokens).toEqual([['Ada', 'met'], ['x']])
    expect(data.tags).toEqual([['B-PER', 'O'], ['O']])
    expect(data.where(1)).toContain('sentence 2 (line 3)')
  })

  test.each([
    ['{"tokens":["a"],"tags":[]}', '1 tokens, but 0 tags'],
    ['{"tokens":[],"tags":[]}', 'there are no tokens'],
    ['{"tokens":["a",7],"tags":["O","O"]}', "expected an array of strings in 'tokens', got [a, 7]"],
    ['{"tokens":["a"],"tag":["O"]}', "in 'tags', got undefined; did you mean 'tag'?"],
    ['{"tokens":["a"', 'not valid JSON'],
    ['[1]', 'expected an object of columns'],
  ])('errors of JSON lines: %s', async (text, message) => {
    const error = await failure('bad.jsonl', `{"tokens":["a"],"tags":["O"]}\n${text}\n`)
    expect(error).toContain('bad.jsonl, sentence 2 (line 2): ')
    expect(error.replaceAll('"', "'")).toContain(message)
  })

  test('words with slashes', async () => {
    const text = '\n\tThe/at 1/2/cd ``/``\n\n\n./.\n'
    const data = await read('ca01', text, { format: 'slashes' })
    expect(data.tokens).toEqual([['The', '1/2', '``'], ['.']])
    expect(data.tags).toEqual([['at', 'cd', '``'], ['.']])
    expect(await failure('ca01', 'The/at jury\n', { format: 'slashes' })).toBe(
      "ca01, sentence 1 (line 1): expected word/tag, got 'jury'",
    )
  })
})

test('several sources are one data set, whose scheme is one', async () => {
  const first = file('1.conll', 'a I-X\nb O\nc I-X\n')
  const second = file('2.conll', 'a I-X\nb B-X\nc I-Y\n')
  const data = await readTagged([first, second])
  expect(data).toMatchObject({ scheme: 'IOB1', documents: [0, 1] })
  expect(data.tags[1]).toEqual(['B-X', 'B-X', 'B-Y'])
})

test('a name that does not tell the format', async () => {
  expect(await failure('ner.test', 'a O\n')).toContain(
    'ner.test: the name does not tell the format of tagged sentences. Expected .conll, .iob,',
  )
  expect(await failure('ner.test', 'a O\n', { format: 'conl' as never })).toBe(
    "readTagged 'format': unknown format 'conl'; did you mean 'conll'?",
  )
})

test('spans become tags of any scheme, which is recognised, and the same spans again', () => {
  const sentence = fc.array(
    fc.record({
      type: fc.constantFrom('', 'A', 'B'),
      length: fc.integer({ min: 1, max: 3 }),
      gap: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  fc.assert(
    fc.property(sentence, fc.constantFrom<TagScheme>('IOB1', 'BIO', 'BIOES'), (parts, scheme) => {
      let at = 0
      const spans = parts.map(({ type, length, gap }) => {
        const start = at + Number(gap)
        at = start + length
        return { type, start, end: at }
      })
      const tags = tagsOf(spans, at + 1, scheme)
      expect(spansOf(tags.map((tag) => parseTag('', tag)))).toEqual(spans)
      const found = schemeOf([tags])
      if (spans.length === 0) expect(found).toBe(null)
      else expect(tagsOf(spans, at + 1, found!)).toEqual(tags)
    }),
  )
})
