/** Sentences of CoNLL column files: a word a line, its tag in a column, a blank line between sentences. */
import { show } from '../errors.ts'
import { badSentence, type Sentences } from './sentence.ts'
import { lines } from './source.ts'

/** Which columns hold words and tags, counted from 1; from the end if negative. */
export interface ConllColumns {
  tokenColumn: number
  tagColumn: number
}

const documentMark = '-DOCSTART-'

/**
 * Sentences of a file of columns. Tabs separate them if the first word's line has one, else spaces.
 * `-DOCSTART-` begins a document. Before a sentence's first word, a line that begins with '#' is a
 * comment, unless it has as many columns as the file's other lines: then '#' is the word. Before the
 * file's first word, one that begins with '# ' is.
 */
export async function* readConll(
  text: AsyncIterable<string>,
  name: string,
  { tokenColumn, tagColumn }: ConllColumns,
): Sentences {
  let tokens: string[] = []
  let tags: string[] = []
  let row = 1
  let first = 0
  let document = -1
  let line = 0
  let width = 0
  let separator = /[ \t]+/
  for await (const content of lines(text)) {
    line++
    const place = { file: name, row, line }
    if (content.trim() === '') {
      if (tokens.length > 0) yield { row: row++, line: first, tokens, tags, document }
      tokens = []
      tags = []
      continue
    }
    if (content.startsWith(documentMark)) {
      if (tokens.length > 0) {
        throw badSentence(place, `${documentMark} within a sentence`, 'Put a blank line before it')
      }
      document++
      continue
    }
    const mayBeComment = content.startsWith('#') && tokens.length === 0
    if (width === 0 && /^# /.test(content)) continue
    if (width === 0 && content.includes('\t')) separator = /\t/
    const columns = content.trimEnd().split(separator)
    if (mayBeComment && width > 0 && columns.length !== width) continue
    if (width === 0) {
      width = columns.length
      checkColumns(name, line, width, { tokenColumn, tagColumn })
    }
    if (columns.length !== width) {
      throw badSentence(
        place,
        `expected ${width} columns, as in the file's first lines, got ${columns.length}`,
        separator.source === '\\t'
          ? 'Tabs separate the columns of this file'
          : 'Is a blank in a word? Separate the columns by tabs then',
      )
    }
    const [token, tag] = [tokenColumn, tagColumn].map((column) => columns.at(indexOf(column))!)
    if (token === '' || tag === '') {
      throw badSentence(place, `the ${token === '' ? 'word' : 'tag'} is empty`)
    }
    if (tokens.length === 0) first = line
    tokens.push(token)
    tags.push(tag)
  }
  if (tokens.length > 0) yield { row, line: first, tokens, tags, document }
}

const indexOf = (column: number) => (column > 0 ? column - 1 : column)

function checkColumns(file: string, line: number, width: number, given: ConllColumns): void {
  const place = { file, row: 1, line }
  if (width < 2) {
    throw badSentence(
      place,
      'expected columns with a word and its tag, got one column',
      'Write each word as: word tag',
    )
  }
  for (const [name, column] of Object.entries(given)) {
    if (column !== 0 && Math.abs(column) <= width) continue
    throw badSentence(place, `there is no column ${column} (${name}), only ${width} columns`)
  }
  const [token, tag] = [given.tokenColumn, given.tagColumn].map((n) => (n > 0 ? n : width + n + 1))
  if (token === tag) {
    throw badSentence(place, `tokenColumn and tagColumn are the same column, ${show(token)}`)
  }
}
