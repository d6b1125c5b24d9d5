/** Rows of JSON and JSON lines text, one at a time. */
import { RefrainError } from '../errors.ts'
import { checkRow, locate, type TableRow } from './row.ts'
import { lines } from './source.ts'

type Rows = AsyncGenerator<Omit<TableRow, 'file'>>

/** One object a line; blank lines are skipped. */
export async function* readJsonLines(text: AsyncIterable<string>, name: string): Rows {
  let row = 0
  let line = 0
  for await (const content of lines(text)) {
    line++
    if (content.trim() === '') continue
    row++
    yield { row, line, values: parseRow(content, locate({ file: name, row, line })) }
  }
  if (row === 0) throw new RefrainError('BAD_DATA', `${name}: the file is empty`)
}

/** The columns of a row in JSON; `where` is for the error. */
export function parseRow(content: string, where: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: not valid JSON`,
      'Look for a quote, comma or bracket that is missing or too many',
      { cause },
    )
  }
  return checkRow(value, where)
}

/**
 * An array of objects. A file that begins with '{' is read as JSON lines, since many are named
 * `.json`.
 *
 * The array is cut at its own commas and each piece is parsed by itself: this reads files of any
 * size, and an error names the row.
 */
export async function* readJson(text: AsyncIterable<string>, name: string): Rows {
  const whole = (what: string) =>
    new RefrainError(
      'BAD_DATA',
      `${name}: ${what}`,
      'Expected an array of objects: [{"text": "…", "label": "…"}, …]',
    )
  /** Nested brackets that are open; 0 before and after the array, 1 between its elements. */
  let depth = 0
  let state: 'before' | 'inside' | 'after' = 'before'
  let inString = false
  let escaped = false
  let element = ''
  let row = 0
  let line = 1
  let elementLine = 1

  function finish(): Omit<TableRow, 'file'> {
    row++
    const where = locate({ file: name, row, line: elementLine })
    const values = parseRow(element, where)
    element = ''
    return { row, line: elementLine, values }
  }

  for await (const piece of text) {
    let start = 0
    for (let at = 0; at < piece.length; at++) {
      const char = piece[at]
      if (char === '\n') line++
      if (inString) {
        if (escaped) escaped = false
        else if (char === '\\') escaped = true
        else if (char === '"') inString = false
        continue
      }
      if (state !== 'inside') {
        if (/\s/.test(char)) continue
        if (state === 'after') throw whole(`there is more after the end of the array, line ${line}`)
        if (char === '{') {
          yield* readJsonLines(resume(piece.slice(at), line - 1, text), name)
          return
        }
        if (char !== '[') throw whole('it does not begin with an array')
        state = 'inside'
        depth = 1
        start = at + 1
        continue
      }
      if (element === '' && start === at && /\s/.test(char)) {
        start = at + 1
        continue
      }
      if (element === '' && start === at) elementLine = line
      if (char === '"') inString = true
      else if (char === '[' || char === '{') depth++
      else if ((char === ']' || char === '}') && depth > 1) depth--
      else if (depth === 1 && (char === ',' || char === ']')) {
        element += piece.slice(start, at)
        start = at + 1
        if (char === ',' || row > 0 || element !== '') yield finish()
        if (char === ']') {
          state = 'after'
          depth = 0
        }
      }
    }
    if (state === 'inside') element += piece.slice(start)
  }
  if (state === 'before') throw new RefrainError('BAD_DATA', `${name}: the file is empty`)
  if (state === 'inside') {
    throw whole(`the array does not end; row ${row + 1} begins on line ${elementLine}`)
  }
}

/** The rest of the text, with blank lines for those already read, so that line numbers hold. */
async function* resume(piece: string, blankLines: number, text: AsyncIterable<string>) {
  yield '\n'.repeat(blankLines) + piece
  yield* text
}
