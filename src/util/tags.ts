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

const isSpan = ({ place }: Tag) => place !== 'O'
const begins = ({ place }: Tag) => place === 'B' || place === 'S' || place === 'O'
const isOpen = ({ place }: Tag) => place === 'B' || place === 'I'

/** Whether a tag may follow another in a scheme; a sentence's ends count as O. */
export const mayFollow: Record<TagScheme, (from: Tag, to: Tag) => boolean> = {
  IOB1: (from, to) => to.place !== 'B' || (isSpan(from) && from.type === to.type),
  BIO: (from, to) => to.place !== 'I' || (isSpan(from) && from.type === to.type),
  BIOES: (from, to) => (isOpen(from) ? !begins(to) && from.type === to.type : begins(to)),
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
  isOpen(before) && (tag.place === 'I' || tag.place === 'E') && before.type === tag.type

/** The tags of a sentence of `length` words in which these spans lie. */
export function tagsOf(
  spans: readonly Span[],
  length: number,
  scheme: TagScheme = 'BIO',
): string[] {
  const tags = new Array<string>(length).fill('O')
  let before: Span | null = null
  for (const span of spans) {
    const { type, start, end } = span
    const tag = (letter: string) => (type === '' ? letter : `${letter}-${type}`)
    for (let i = start; i < end; i++) tags[i] = tag('I')
    const touches = before?.end === start && before.type === type
    if (scheme !== 'IOB1' || touches) tags[start] = tag('B')
    if (scheme === 'BIOES') {
      tags[end - 1] = tag('E')
      if (end - start === 1) tags[start] = tag('S')
    }
    before = span
  }
  return tags
}

const spanTag = /^(?:O|([BIMELSU])(?:-.+)?)$/

/**
 * The scheme of sentences' tags; null if they are no tags of spans, such as parts of speech. Of tags
 * that break both IOB1 and BIO, the one that they break less often; of tags that break neither, BIO.
 */
export function schemeOf(sentences: Iterable<readonly string[]>): TagScheme | null {
  const letters = new Set<string>()
  const broken = { IOB1: 0, BIO: 0 }
  for (const tags of sentences) {
    let before = outside
    for (const text of tags) {
      const [found, letter] = spanTag.exec(text) ?? []
      if (found === undefined) return null
      if (letter) letters.add(letter)
      const tag = parseTag('schemeOf', text)
      for (const scheme of ['IOB1', 'BIO'] as const) {
        if (!mayFollow[scheme](before, tag)) broken[scheme]++
      }
      before = tag
    }
  }
  if (letters.size === 0) return null
  if ([...letters].some((letter) => letter !== 'B' && letter !== 'I')) return 'BIOES'
  return broken.IOB1 < broken.BIO ? 'IOB1' : 'BIO'
}
