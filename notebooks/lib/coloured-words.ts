/** Sentences with coloured words, legible on light and on dark pages: backgrounds are translucent. */
import type { classify, tag } from 'refrain/tasks'
import { inHtml } from './html.ts'

type Explained = Awaited<ReturnType<Awaited<ReturnType<typeof classify.train>>['explain']>>
type TextExplanation = Extract<Explained, { tokens: unknown }>
type Tagged = Awaited<ReturnType<tag.Tagger['predict']>>[number]

const blue = '59, 130, 196'
const orange = '217, 130, 43'
const palette: Readonly<Record<string, string>> = {
  PER: blue,
  LOC: '63, 157, 92',
  ORG: orange,
  MISC: '138, 111, 192',
}

/**
 * The words of a text, each on a ground that is the stronger the more it adds to the label's score: blue speaks
 * for the label, orange against it. Contributions, in nats, stand in the words' tool tips.
 *
 * @param most the contribution with the strongest ground
 */
export function contributionsHtml(
  { label, probability, tokens }: TextExplanation,
  most = 2,
): string {
  const words = tokens.map(({ token, contribution }) => {
    const strength = Math.min(1, Math.abs(contribution) / most)
    const ground = `rgba(${contribution < 0 ? orange : blue}, ${(0.75 * strength).toFixed(2)})`
    return (
      `<span title="${contribution.toFixed(2)}" style="background:${ground};border-radius:3px;` +
      `padding:1px 4px">${inHtml(token)}</span>`
    )
  })
  const head = `<b>${inHtml(label)}</b> ${probability.toFixed(2)}`
  return `<p style="line-height:1.9">${head} &nbsp; ${words.join(' ')}</p>`
}

/** A text with its spans in frames, each with its label behind it. */
export function spansHtml({ text, offsets, spans }: Tagged): string {
  let html = ''
  let at = 0
  for (const { start, end, label } of spans) {
    const [from, to] = [offsets[start][0], offsets[end - 1][1]]
    const colour = palette[label] ?? '128, 128, 128'
    const style =
      `background:rgba(${colour}, 0.25);border:1px solid rgb(${colour});` +
      'border-radius:4px;padding:1px 4px'
    const small = `<small style="font-weight:600">${inHtml(label)}</small>`
    html += inHtml(text.slice(at, from))
    html += `<span style="${style}">${inHtml(text.slice(from, to))} ${small}</span>`
    at = to
  }
  return `<p style="line-height:2">${html}${inHtml(text.slice(at))}</p>`
}
