/** Sentences of CoNLL-U files, the format of Universal Dependencies. */
import { show } from '../errors.ts'
import { badSentence, type Sentences } from './sentence.ts'
import { lines } from './source.ts'

/** Columns of CoNLL-U that can be the tag, and their numbers from 0. */
const fields = { upos: 3, xpos: 4, feats: 5 }

/** Which column of a CoNLL-U file is the tag. */
export type ConlluField = keyof typeof fields

export const conlluFields = Object.keys(fields) as ConlluField[]

/**
 * Sentences of CoNLL-U text (https://universaldependencies.org/format.html): syntactic words, so
 * "don't" is "do" and "n't". Ranges of words that are one in the text (`3-4`) and words that are not in
 * the text (`5.1`) are passed over.
 */
export async function* readConllu(
  text: AsyncIterable<string>,
  name: string,
  field: ConlluField,
): Sentences {
  let tokens: string[] = []
  let tags: string[] = []
  let row = 1
  let first = 0
  let document = -1
  let line = 0
  for await (const content of lines(text)) {
    line++
    const place = { file: name, row, line }
    if (content.trim() === '') {
      if (tokens.length > 0) yield { row: row++, line: first, tokens, tags, document }
      tokens = []
      tags = []
      continue
    }
    if (content.startsWith('#') && tokens.length === 0) {
      if (/^#\s*newdoc\b/.test(content)) document++
      continue
    }
    const columns = content.split('\t')
    if (columns.length !== 10) {
      throw badSentence(
        place,
        `expected the 10 columns of CoNLL-U, got ${columns.length}`,
        'Tabs separate them; a file of other columns is read as --format conll',
      )
    }
    const [id, token] = columns
    if (/^\d+[-.]\d+$/.test(id)) continue
    if (id !== String(tokens.length + 1)) {
      throw badSentence(
        place,
        `expected word number ${tokens.length + 1}, got ${show(id)}`,
        'Is a blank line missing between two sentences?',
      )
    }
    const tag = columns[fields[field]]
    // No features is a value; no part of speech is none.
    if (tag === '' || (tag === '_' && field !== 'feats')) {
      throw badSentence(
        place,
        `the word ${show(token)} has no ${field.toUpperCase()}`,
        'Choose another column: --field',
      )
    }
    if (token === '') throw badSentence(place, 'the word is empty')
    if (tokens.length === 0) first = line
    tokens.push(token)
    tags.push(tag)
  }
  if (tokens.length > 0) yield { row, line: first, tokens, tags, document }
}
