/**
 * Reads sentences whose words have tags: parts of speech, names, slots. One sentence at a time, whatever
 * the size of the file. Node only.
 */
import { RefrainError, show } from '../errors.ts'
import { checkOptions, suggest } from '../util/check.ts'
import {
  mayFollow,
  parseTag,
  schemeOf,
  spansOf,
  type TagScheme,
  tagSchemes,
  tagsOf,
} from '../util/tags.ts'
import { type ConllColumns, readConll } from './conll.ts'
import { type ConlluField, conlluFields, readConllu } from './conllu.ts'
import type { Place } from './row.ts'
import { badSentence, locateSentence, type Sentences, type TaggedSentence } from './sentence.ts'
import { openText, type Source } from './source.ts'
import { readSlashes, readTaggedJson } from './tagged-lines.ts'

export type { ConlluField } from './conllu.ts'
export type { TaggedSentence } from './sentence.ts'

/** What {@link readTagged} reads. */
export type TaggedFormat = 'conll' | 'conllu' | 'jsonl' | 'slashes'

/** Options of {@link readSentences}. */
export interface ReadSentencesOptions {
  /** The format of sources whose name does not tell it. */
  format?: TaggedFormat
  /** Of `conll`: the words' column, from 1; negative: from the end. Default 1. */
  tokenColumn?: number
  /** Of `conll`: the tags' column, from 1; negative: from the end. Default -1, the last. */
  tagColumn?: number
  /** Of `conllu`: what the tag is. Default 'upos'. */
  field?: ConlluField
  /** Of `jsonl`: the words' name. Default 'tokens'. */
  tokens?: string
  /** Of `jsonl`: the tags' name. Default 'tags'. */
  tags?: string
}

/** Options of {@link readTagged}. */
export interface ReadTaggedOptions extends ReadSentencesOptions {
  /** The scheme of tags that mark spans; 'plain': they mark none. Default: what the tags look like. */
  scheme?: TagScheme | 'plain'
  /**
   * Tags that break their scheme: 'repair' reads them as conlleval does (I-PER after O begins a span),
   * 'refuse' fails with `BAD_DATA` and the line. Default 'repair'.
   */
  illegal?: 'repair' | 'refuse'
}

/** Sentences and their tags, in the order of the sources. */
export interface TaggedData {
  tokens: string[][]
  /** Those of spans in the scheme BIO, whatever the files have. */
  tags: string[][]
  /** The files' scheme; null for tags that mark no spans. */
  scheme: TagScheme | null
  /** Tags that broke the scheme and were repaired. */
  repaired: number
  /** The number of each sentence's document, over all files; a file that tells of none is one. */
  documents: number[]
  /** Where sentence `i` comes from: "ner.conll, sentence 3 (line 17)". */
  where(i: number): string
}

const sentenceOptions = ['format', 'tokenColumn', 'tagColumn', 'field', 'tokens', 'tags']

const readers: Record<
  TaggedFormat,
  (text: AsyncIterable<string>, name: string, options: ReadSentencesOptions) => Sentences
> = {
  conll: (text, name, { tokenColumn = 1, tagColumn = -1 }) =>
    readConll(text, name, { tokenColumn, tagColumn } satisfies ConllColumns),
  conllu: (text, name, { field = 'upos' }) => readConllu(text, name, field),
  jsonl: (text, name, { tokens = 'tokens', tags = 'tags' }) =>
    readTaggedJson(text, name, { tokens, tags }),
  slashes: (text, name) => readSlashes(text, name),
}

/**
 * The sentences of one or more sources, one after the other, with tags as they stand there.
 *
 * - `.conll`, `.iob`, `.iob2`, `.bio`, `.bioes`, `.txt`, `.tsv`: CoNLL columns, a word a line, a blank
 *   line between sentences.
 * - `.conllu`: CoNLL-U, the format of Universal Dependencies.
 * - `.jsonl`, `.ndjson`: `{"tokens": ["Ada", …], "tags": ["B-PER", …]}` on each line.
 * - format `slashes`: `The/at jury/nn said/vbd`, a sentence a line.
 * - each of them with `.gz` behind it.
 *
 * Text is UTF-8. Throws `FILE_NOT_FOUND`, `BAD_FILE` or `BAD_DATA` with the file, sentence and line.
 */
export async function* readSentences(
  sources: Source | readonly Source[],
  options: ReadSentencesOptions = {},
): AsyncGenerator<TaggedSentence> {
  checkOptions('readSentences', options, sentenceOptions)
  checkChoice('field', options.field, conlluFields)
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    const file = typeof source === 'string' ? source : source.name
    const format = options.format ?? formatOf(file)
    checkChoice('format', format, Object.keys(readers))
    let any = false
    for await (const sentence of readers[format](openText(source), file, options)) {
      any = true
      yield { file, ...sentence }
    }
    if (!any) throw new RefrainError('BAD_DATA', `${file}: there are no sentences in it`)
  }
}

/**
 * All sentences of {@link readSentences}. Tags of spans become BIO: IOB1, BIO and BIOES (also as BILOU
 * and BMES) are told apart by what the tags of all sources look like.
 */
export async function readTagged(
  sources: Source | readonly Source[],
  options: ReadTaggedOptions = {},
): Promise<TaggedData> {
  checkOptions('readTagged', options, [...sentenceOptions, 'scheme', 'illegal'])
  const { scheme: given, illegal = 'repair', ...reading } = options
  checkChoice('scheme', given, [...tagSchemes, 'plain'])
  checkChoice('illegal', illegal, ['repair', 'refuse'])
  const tokens: string[][] = []
  const tags: string[][] = []
  const places: Place[] = []
  const documents: number[] = []
  let document = -1
  let before = ''
  for await (const sentence of readSentences(sources, reading)) {
    const key = `${sentence.file}\0${sentence.document}`
    if (key !== before) document++
    before = key
    tokens.push(sentence.tokens)
    tags.push(sentence.tags)
    places.push({ file: sentence.file, row: sentence.row, line: sentence.line })
    documents.push(document)
  }
  const scheme = given === 'plain' ? null : (given ?? schemeOf(tags))
  let repaired = 0
  if (scheme) {
    const refuse = illegal === 'refuse'
    tags.forEach((own, i) => {
      repaired += checkTags(own, scheme, places[i], refuse)
      tags[i] = tagsOf(spansOf(own.map((tag) => parseTag('', tag))), own.length)
    })
  }
  const where = (i: number) => locateSentence(places[i])
  return { tokens, tags, scheme, repaired, documents, where }
}

/** How many tags break the scheme. */
function checkTags(
  tags: readonly string[],
  scheme: TagScheme,
  place: Place,
  refuse: boolean,
): number {
  const outside = parseTag('', 'O')
  let before = outside
  let broken = 0
  tags.forEach((text, i) => {
    const tag = parseTag(`${locateSentence(place)}, word ${i + 1}`, text)
    const last = i === tags.length - 1
    const open = last && !mayFollow[scheme](tag, outside)
    const bad = !mayFollow[scheme](before, tag)
    if (bad || open) broken++
    if (refuse && (bad || open)) {
      const what = bad
        ? `'${text}' ${i === 0 ? 'at the beginning' : `after '${tags[i - 1]}'`}`
        : `'${text}' at the end`
      throw badSentence(
        place,
        `word ${i + 1}: ${what} breaks the scheme ${scheme}`,
        "Correct the tag, or let illegal: 'repair' (--illegal repair) read it as conlleval does",
      )
    }
    before = tag
  })
  return broken
}

function checkChoice(option: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return
  throw new RefrainError(
    'UNKNOWN_OPTION',
    `readTagged '${option}': unknown ${option} ${show(value)}`,
    suggest(String(value), known),
  )
}

const formats: Record<string, TaggedFormat> = {
  conll: 'conll',
  iob: 'conll',
  iob2: 'conll',
  bio: 'conll',
  bioes: 'conll',
  txt: 'conll',
  tsv: 'conll',
  conllu: 'conllu',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
}

function formatOf(name: string): TaggedFormat {
  const ending = /\.(\w+?)(\.gz)?$/.exec(name)?.[1].toLowerCase() ?? ''
  if (Object.hasOwn(formats, ending)) return formats[ending]
  const endings = Object.keys(formats).map((one) => `.${one}`)
  throw new RefrainError(
    'BAD_FILE',
    `${name}: the name does not tell the format of tagged sentences`,
    `Expected ${endings.join(', ')}, each also with .gz; or say --format conll (format)`,
  )
}
