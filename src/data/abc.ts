/**
 * Reads tunebooks in ABC notation, the text format of folk music (https://abcnotation.com/wiki/abc:standard:v2.1):
 * tunes of header fields, from `X:` (number) to `K:` (key), and music, with blank lines between tunes. Node only.
 */
import { RefrainError, show } from '../errors.ts'
import { checkOptions } from '../util/check.ts'
import { locate, type Place } from './row.ts'
import { lines, openText, type Source } from './source.ts'

/** One tune of a tunebook; `row` counts tunes. */
export interface Tune extends Place {
  /** Header fields by their letters, such as T (title), M (meter), L (unit of length), K (key). */
  fields: Record<string, string[]>
  /** The lines after the header. */
  music: string
}

/** Options of {@link tuneText}. */
export interface TuneTextOptions {
  /** Letters of the header fields that stay, beside X and K. Default 'TRMLQ'. */
  fields?: string
}

/**
 * The tunes of ABC files (`.abc`, also with `.gz`) and streams, one at a time. Comments, what stands
 * outside of tunes, and the `!` with which old programs ended lines are left out.
 *
 * Throws `BAD_DATA`, with the file and the tune's number, for a line of a header that is no field, a tune
 * without a key or without music, and for a file without tunes.
 */
export async function* readAbc(sources: Source | readonly Source[]): AsyncGenerator<Tune> {
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    yield* ofFile(source)
  }
}

async function* ofFile(source: Source): AsyncGenerator<Tune> {
  const file = typeof source === 'string' ? source : source.name
  let line = 0
  let row = 0
  let tune: (Tune & { body: string[] }) | null = null
  const finish = (): Tune => {
    const { body, ...rest } = tune!
    if (!rest.fields.K) throw bad(rest, 'the tune has no key', "end its header with a line 'K:'")
    if (body.length === 0) throw bad(rest, 'the tune has no music', "write it below the line 'K:'")
    tune = null
    return { ...rest, music: body.join('\n') }
  }
  for await (const content of lines(openText(source))) {
    line++
    const text = withoutComment(content)
    const field = /^([A-Za-z+]):(.*)$/.exec(text)
    if (field?.[1] === 'X') {
      // Some tunebooks have no blank line between tunes.
      if (tune) yield finish()
      tune = { file, row: ++row, line, fields: { X: [field[2].trim()] }, music: '', body: [] }
    } else if (content.trim() === '') {
      // Not one between the header and the music, which some tunes have.
      if (tune && (tune.body.length > 0 || !tune.fields.K)) yield finish()
    } else if (tune && text !== '') {
      if (tune.fields.K) {
        tune.body.push(text)
      } else if (field) {
        tune.fields[field[1]] ??= []
        tune.fields[field[1]].push(field[2].trim())
      } else {
        throw bad(
          tune,
          `line ${line}: expected a header field, got ${show(text)}`,
          "Write the header as 'X:1', 'T:title', 'M:4/4', 'L:1/8', 'K:D', then the music",
        )
      }
    }
  }
  if (tune) yield finish()
  if (row === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${file}: there are no tunes in it`,
      "Each begins with a line 'X:' and a number",
    )
  }
}

const bad = (place: Place, what: string, hint: string) =>
  new RefrainError('BAD_DATA', `${locate(place)}: ${what}`, hint)

/** A line without its comment, spaces at its end, and the line break of abc2win. */
function withoutComment(content: string): string {
  const text = content.replace(/(^|[^\\])%.*$/, '$1').trimEnd()
  // An even number of them encloses decorations, as in !trill!.
  return text.split('!').length % 2 === 0 && text.endsWith('!') ? text.slice(0, -1).trimEnd() : text
}

/**
 * The tune as ABC again: `X:1`, the fields that stay in the order in which the header has them, the key,
 * and the music. This is what a model of tunes reads and writes.
 */
export function tuneText(
  { fields, music }: Pick<Tune, 'fields' | 'music'>,
  options: TuneTextOptions = {},
): string {
  checkOptions('tuneText', options, ['fields'])
  const { fields: kept = 'TRMLQ' } = options
  const header = Object.entries(fields).flatMap(([letter, values]) =>
    letter !== 'X' && letter !== 'K' && kept.includes(letter)
      ? values.map((value) => `${letter}:${value}`)
      : [],
  )
  return ['X:1', ...header, `K:${fields.K.at(-1)}`, music].join('\n')
}
