/** Tagged sentences: what they must be, and their tags as the model has them. */
import { RefrainError, show } from '../../errors.ts'
import { parseTag, spansOf, type TagScheme, tagsOf } from '../../util/tags.ts'

/** Sentences' words, each with a tag. `readTagged` makes them of files. */
export interface TaggedSentences {
  readonly tokens: readonly (readonly string[])[]
  readonly tags: readonly (readonly string[])[]
  /** Where sentence i comes from, for errors. */
  where?(i: number): string
}

const place = (data: TaggedSentences, i: number) => data.where?.(i) ?? `sentence ${i + 1}`

/** Throws `BAD_DATA` or `BAD_SHAPE` unless these are sentences with a tag for each word. */
export function checkSentences(where: string, data: TaggedSentences): void {
  const { tokens, tags } = Object(data) as TaggedSentences
  if (!Array.isArray(tokens) || !Array.isArray(tags)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected { tokens: [[…], …], tags: [[…], …] }, got ${show(data)}`,
    )
  }
  if (tokens.length === 0) {
    throw new RefrainError('BAD_DATA', `${where}: expected at least one sentence, got none`)
  }
  if (tokens.length !== tags.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected tags for each sentence, got ${tokens.length} sentences and tags of ` +
        `${tags.length}`,
    )
  }
  tokens.forEach((own, i) => {
    checkTokens(place(data, i), own)
    if (!Array.isArray(tags[i]) || !tags[i].every((tag: unknown) => typeof tag === 'string')) {
      throw new RefrainError(
        'BAD_DATA',
        `${place(data, i)}: expected an array of tags, got ${show(tags[i])}`,
      )
    }
    if (own.length !== tags[i].length) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${place(data, i)}: ${own.length} words, but ${tags[i].length} tags`,
      )
    }
  })
}

/** Throws `BAD_DATA` unless these are words. */
export function checkTokens(where: string, tokens: unknown): void {
  if (Array.isArray(tokens)) {
    if (tokens.length === 0) throw new RefrainError('BAD_DATA', `${where}: there are no words`)
    if (tokens.every((token) => typeof token === 'string' && token !== '')) return
  }
  throw new RefrainError('BAD_DATA', `${where}: expected an array of words, got ${show(tokens)}`)
}

/** The same spans in another scheme, read by conlleval's rules. */
export function convertTags(tags: readonly string[], scheme: TagScheme, where = 'tag'): string[] {
  return tagsOf(spansOf(tags.map((tag) => parseTag(where, tag))), tags.length, scheme)
}

/** Cuts sentences that are longer than `length` words into pieces, so that nothing is lost. */
export function cutLong(
  { tokens, tags }: TaggedSentences,
  length: number,
): { tokens: (readonly string[])[]; tags: (readonly string[])[] } {
  const pieces = { tokens: [] as (readonly string[])[], tags: [] as (readonly string[])[] }
  tokens.forEach((own, i) => {
    for (let start = 0; start < own.length; start += length) {
      pieces.tokens.push(own.slice(start, start + length))
      pieces.tags.push(tags[i].slice(start, start + length))
    }
  })
  return pieces
}
