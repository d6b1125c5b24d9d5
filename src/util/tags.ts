/** Tags of words in a span, such as 'B-PER': where in the span the word stands, and the span's type. */
import { RefrainError, show } from '../errors.ts'

/**
 * How tags mark spans. IOB1: I inside, B only where a span follows one of its own type. BIO (IOB2): B
 * at every span's begin. BIOES: also E at its end, S for a span of one word; L and U (BILOU) or M
 * (BMES) may stand for E, S and I.
 */
export type TagScheme = 'IOB1' | 'BIO' | 'BIOES'

export const tagSchemes: readonly TagScheme[] = ['IOB1', 'BIO', 'BIOES']

/** A tag, read. */
export interface Tag {
  /** L and U read as E and S, M as I. */
  readonly place: 'B' | 'I' | 'O' | 'E' | 'S'
  /** '' for O, and for tags that are a letter alone. */
  readonly type: string
}

const places: Record<string, Tag['place']> = {
  B: 'B',
  I: 'I',
  M: 'I',
  O: 'O',
  E: 'E',
  L: 'E',
  S: 'S',
  U: 'S',
}

/** Reads a tag. Throws `BAD_DATA` unless it is O or a letter of a scheme with '-' and a type. */
export function parseTag(where: string, tag: string): Tag {
  const [, letter, type = ''] = /^([BIMOELSU])(?:-(.*))?$/.exec(String(tag)) ?? []
  if (!letter) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected tags such as 'O', 'B-PER' or 'I-PER', got ${show(tag)}`,
    )
  }
  return { place: places[letter], type: letter === 'O' ? '' : type }
}

/** A span of words of one type: from word `start` to word `end` - 1. */
export interface Span {
  readonly type: string
  readonly start: number
  readonly end: number
}

/**
 * The spans that tags mark, by conlleval's rules, which make the best of tags that break their scheme:
 * a word goes on with the span before it if that has not ended (B or I before, I or E here, of one
 * type); any other word that is not O begins a span. So IOB1, BIO and BIOES need not be told apart.
 */
export function spansOf(tags: readonly Tag[]): Span[] {
  const spans: Span[] = []
  let start = 0
  tags.forEach((tag, i) => {
    const before = tags[i - 1] ?? outside
    if (!goesOn(before, tag)) start = i
    if (tag.place !== 'O' && !goesOn(tag, tags[i + 1] ?? outside)) {
      spans.push({ type: tag.type, start, end: i + 1 })
    }
  })
  return spans
}

const outside: Tag = { place: 'O', type: '' }

const goesOn = (before: Tag, tag: Tag) =>
  (before.place === 'B' || before.place === 'I') &&
  (tag.place === 'I' || tag.place === 'E') &&
  before.type === tag.type
