/** Tagged sentences as text: CoNLL columns, JSON, and colours for a terminal. */
import type { Tagged } from './tagger.ts'

/** CoNLL columns: a word and its tag on each line, a blank line behind the sentence. */
export const formatConll = ({ tokens, tags }: Pick<Tagged, 'tokens' | 'tags'>): string =>
  `${tokens.map((token, i) => `${token}\t${tags[i]}\n`).join('')}\n`

const rounded = (score: number) => Math.round(score * 1e4) / 1e4

/** One line of JSON: the text with its spans; of tags that mark no spans, the words with their tags. */
export function formatJson({ text, tokens, tags, scores, spans }: Tagged, marksSpans: boolean) {
  const what = marksSpans
    ? { text, spans: spans.map((span) => ({ ...span, score: rounded(span.score) })) }
    : { tokens, tags, scores: scores.map(rounded) }
  return JSON.stringify(what)
}

/** Foreground colours of the first labels, that every terminal has: green, yellow, blue, …. */
const colours = [32, 33, 34, 35, 36, 31]

/**
 * A line for a terminal: spans in brackets with their labels, `[Ada Lovelace PER] met …`, or words with
 * their tags, `The/DET end/NOUN`.
 *
 * @param labels those that get colours of their own, in this order; without them no colour is used
 */
export function formatTerminal(
  { text, tokens, offsets, tags, spans }: Tagged,
  labels: readonly string[] | null = null,
): string {
  const paint = (label: string, content: string) => {
    if (!labels) return content
    const colour = colours[Math.max(0, labels.indexOf(label)) % colours.length]
    return `\u001b[${colour}m${content}\u001b[0m`
  }
  if (spans.length === 0 && tags.some((tag) => tag !== 'O')) {
    return tokens.map((token, i) => `${token}${paint(tags[i], `/${tags[i]}`)}`).join(' ')
  }
  let out = ''
  let at = 0
  for (const { start, end, label } of spans) {
    const [from, to] = [offsets[start][0], offsets[end - 1][1]]
    out += `${text.slice(at, from)}${paint(label, `[${text.slice(from, to)} ${label}]`)}`
    at = to
  }
  return out + text.slice(at)
}
