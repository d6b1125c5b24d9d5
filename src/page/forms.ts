/** What a page asks for and shows, by the task of its model. */

import { byNumber, decodeFrames } from '../data/png.ts'
import { decodeWav } from '../data/wav.ts'
import { RefrainError } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import type * as classify from '../tasks/classify/index.ts'
import type * as regress from '../tasks/regress.ts'
import type * as tag from '../tasks/tag/index.ts'
import type * as translate from '../tasks/translate/index.ts'
import { digits, element, field, tableOf } from './dom.ts'
import { forecastForm } from './forecast-form.ts'
import { generateForm } from './generate-form.ts'
import { readJson, readRows } from './numbers.ts'
import { type Opened, predict } from './predictor.ts'

/** A form without its button. */
export interface Form {
  readonly fields: readonly HTMLElement[]
  /** What the button says. */
  readonly action: string
  /** Answers; `show` puts elements in place of what was shown. Its errors are shown. */
  answer(show: (...shown: Node[]) => void): Promise<void>
}

/** The form of a model. */
export function formOf(opened: Opened): Form {
  const { task, trained } = opened
  switch (task) {
    case 'classify':
      return textForm('Text', 'Classify', (text) => classifyText(trained, text))
    case 'tag':
      return textForm('Sentence', 'Tag', (text) => tagText(trained, text))
    case 'translate':
      return textForm('Text', 'Translate', (text) => translateText(trained, text))
    case 'generate':
      return generateForm(trained, opened.abc)
    case 'forecast':
      return forecastForm(trained)
    case 'regress':
      return regressForm(trained)
    case 'classify-series':
      return areaForm('Series: a line of numbers for each step', 'Classify', '', async (text) =>
        bars(await trained.predict([readRows(text, null, ['t', 'time'])])),
      )
    case 'classify-audio':
      return filesForm('Sound, a WAV file', '.wav,audio/wav', false, async ([file]) =>
        bars(await trained.predict([decodeWav(await bytesOf(file), file.name)])),
      )
    case 'classify-video':
      return filesForm('Clip, a PNG image for each frame', 'image/png', true, async (files) => {
        const sorted = files.toSorted((a, b) => byNumber.compare(a.name, b.name))
        const frames = sorted.map((one) => ({ name: one.name, bytes: () => bytesOf(one) }))
        return bars(await trained.predict([await decodeFrames(frames)]))
      })
    case null:
      return jsonForm(opened, trained)
  }
}

function areaForm(
  label: string,
  action: string,
  value: string,
  answer: (text: string) => Promise<Node[]>,
): Form {
  const area = element('textarea', { rows: 5, value, spellcheck: false })
  return {
    fields: [field(label, area)],
    action,
    answer: async (show) => show(...(await answer(area.value))),
  }
}

function textForm(label: string, action: string, answer: (text: string) => Promise<Node[]>): Form {
  return areaForm(label, action, '', (text) => {
    if (text.trim() === '') throw new RefrainError('BAD_DATA', 'there is no text yet')
    return answer(text)
  })
}

/** Labels that are shown, the likeliest. */
const mostBars = 10

function bars([{ probabilities }]: readonly classify.Prediction[]): Node[] {
  const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a)
  const list = sorted.slice(0, mostBars).map(([label, probability]) => {
    const percent = `${(100 * probability).toFixed(1)} %`
    const bar = element('i')
    bar.style.width = percent.replace(' ', '')
    return element('li', {}, element('span', {}, label), element('b', {}, percent), bar)
  })
  const left = sorted.length - list.length
  return [
    element('ol', { className: 'bars' }, ...list),
    ...(left > 0 ? [element('p', { className: 'note' }, `and ${left} less likely`)] : []),
  ]
}

/** The labels' probabilities, and the words in colours: for the label, against it. */
async function classifyText(trained: classify.Classifier<'text'>, text: string): Promise<Node[]> {
  const shown = bars(await trained.predict([text]))
  const { label, tokens } = await trained.explain(text)
  const most = Math.max(...tokens.map(({ contribution }) => Math.abs(contribution)))
  if (!(most > 0)) return shown
  const words = tokens.flatMap(({ token, contribution }) => {
    const word = element('span', { title: `${contribution > 0 ? '+' : ''}${digits(contribution)}` })
    const hue = contribution > 0 ? 'var(--for)' : 'var(--against)'
    const share = Math.round((70 * Math.abs(contribution)) / most)
    word.style.background = `color-mix(in srgb, ${hue} ${share}%, transparent)`
    word.append(token)
    return [word, ' ']
  })
  const note = `Words in green speak for “${label}”, in red against it`
  return [
    ...shown,
    element('p', { className: 'words' }, ...words),
    element('p', { className: 'note' }, note),
  ]
}

/** The text with its spans, or each word with its tag. */
async function tagText(trained: tag.Tagger, text: string): Promise<Node[]> {
  const [{ text: read, tokens, tags, offsets, spans }] = await trained.predict([text])
  const marks = trained.spans
    ? spans.map(({ start, end, label }) => [offsets[start][0], offsets[end - 1][1], label] as const)
    : tokens.map((_, i) => [...offsets[i], tags[i]] as const)
  const shown = element('p', { className: 'tags' })
  let at = 0
  for (const [start, end, label] of marks) {
    shown.append(read.slice(at, start))
    shown.append(element('mark', {}, read.slice(start, end), element('small', {}, label)))
    at = end
  }
  shown.append(read.slice(at))
  const none = marks.length === 0 ? [element('p', { className: 'note' }, 'Nothing is marked')] : []
  return [shown, ...none]
}

async function translateText(trained: translate.Translator, text: string): Promise<Node[]> {
  const [{ text: best, nBest }] = await trained.predict([text], { nBest: 3 })
  // Some differ in kinds of blanks alone.
  const different = new Map(nBest!.map((one) => [one.text.replace(/\s/g, ' '), one.text]))
  different.delete(best.replace(/\s/g, ' '))
  const others = [...different.values()].map((one) => element('li', {}, one))
  return [
    element('p', { className: 'answer' }, best),
    ...(others.length > 0
      ? [element('p', { className: 'note' }, 'Or'), element('ul', {}, ...others)]
      : []),
  ]
}

const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer())

function filesForm(
  label: string,
  accept: string,
  multiple: boolean,
  answer: (files: readonly File[]) => Promise<Node[]>,
): Form {
  const input = element('input', { type: 'file', accept, multiple, required: true })
  return {
    fields: [field(label, input)],
    action: 'Classify',
    answer: async (show) => show(...(await answer([...input.files!]))),
  }
}

function regressForm(trained: regress.Regressor): Form {
  const { inputs, targets } = trained.columns
  return areaForm(
    `A line of numbers for each row: ${inputs.join(', ')}`,
    'Predict',
    '',
    async (text) => {
      const rows = await trained.predict(readRows(text, inputs))
      return [
        tableOf(
          targets,
          rows.map((row) => row.map(digits)),
        ),
      ]
    },
  )
}

/** A model of no task: what its inputs are, and its outputs as they are. */
function jsonForm(opened: Opened, model: AnyModel): Form {
  const { inputs, outputs } = model.graph!
  const shape = (sizes: readonly (number | null)[]) =>
    `[${['rows', ...sizes.slice(1).map((size) => size ?? 'steps')].join(', ')}]`
  const zeros = (sizes: readonly (number | null)[]): unknown =>
    sizes.length === 0
      ? 0
      : Array.from({ length: Math.min(sizes[0] ?? 3, 8) }, () => zeros(sizes.slice(1)))
  const examples = inputs.map((one) => zeros([1, ...one.shape.slice(1)]))
  const fits = inputs.every((one) => one.shape.slice(1).every((size) => size === null || size <= 8))
  const example = fits ? JSON.stringify(inputs.length > 1 ? examples : examples[0]) : ''
  const label = `Input, JSON numbers ${inputs.map((one) => shape(one.shape)).join(' and ')}`
  return areaForm(label, 'Predict', example, async (text) => {
    const found = await predict(opened, readJson(text))
    const note = `Output ${outputs.map((one) => shape(one.shape)).join(' and ')}`
    return [
      element('p', { className: 'note' }, note),
      element(
        'pre',
        {},
        JSON.stringify(found, (_, v) => (typeof v === 'number' ? Number(digits(v)) : v)),
      ),
    ]
  })
}
