/** Tagged sentences that stand on a line each: JSON lines, and words with their tags behind a slash. */
import { show } from '../errors.ts'
import { nearest } from '../util/check.ts'
import { parseRow } from './json.ts'
import { badSentence, locateSentence, type Sentences } from './sentence.ts'
import { lines } from './source.ts'

/** Sentences of JSON lines: `{"tokens": ["Ada", …], "tags": ["B-PER", …]}`. */
export async function* readTaggedJson(
  text: AsyncIterable<string>,
  name: string,
  names: { tokens: string; tags: string },
): Sentences {
  let row = 0
  let line = 0
  for await (const content of lines(text)) {
    line++
    if (content.trim() === '') continue
    const place = { file: name, row: ++row, line }
    const values = parseRow(content, locateSentence(place))
    const listOf = (what: string) => {
      const list = values[what]
      if (Array.isArray(list) && list.every((one) => typeof one === 'string' && one !== '')) {
        return list as string[]
      }
      const close = nearest(what, Object.keys(values))
      throw badSentence(
        place,
        `expected an array of strings in '${what}', got ${show(list)}`,
        list === undefined && close ? `did you mean '${close}'?` : '',
      )
    }
    const [tokens, tags] = [listOf(names.tokens), listOf(names.tags)]
    if (tokens.length !== tags.length) {
      throw badSentence(place, `${tokens.length} tokens, but ${tags.length} tags`)
    }
    if (tokens.length === 0) throw badSentence(place, 'there are no tokens')
    yield { row, line, tokens, tags, document: -1 }
  }
}

/** Sentences of lines of words with their tags: `The/at jury/nn said/vbd`, as the Brown corpus has them. */
export async function* readSlashes(text: AsyncIterable<string>, name: string): Sentences {
  let row = 0
  let line = 0
  for await (const content of lines(text)) {
    line++
    const pairs = content.trim().split(/\s+/)
    if (pairs[0] === '') continue
    const place = { file: name, row: ++row, line }
    const tokens: string[] = []
    const tags: string[] = []
    for (const pair of pairs) {
      // The last slash: "1/2/cd" is the word 1/2.
      const slash = pair.lastIndexOf('/')
      if (slash < 1 || slash === pair.length - 1) {
        throw badSentence(place, `expected word/tag, got ${show(pair)}`)
      }
      tokens.push(pair.slice(0, slash))
      tags.push(pair.slice(slash + 1))
    }
    yield { row, line, tokens, tags, document: -1 }
  }
}
