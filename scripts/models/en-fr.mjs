/** English into French: everyday sentences. */
import { readPairs } from '../../dist/data/index.js'
import { bleu } from '../../dist/index.js'
import { translate } from '../../dist/tasks/index.js'
import { shared } from './data.mjs'

export const { load } = translate
export const title = 'everyday sentences from English into French'
export const most = 5_200_000
export const training = { data: 'Tatoeba English → French of 2017-09-29, without 4,000 sentences' }
export const example = ['predict', 'en-fr', 'Where is the station?']

/** 2,000 English sentences with all their translations decide when to stop, 2,000 others are held out. */
export async function read() {
  const all = await readPairs(shared('tatoeba-en-fr/fra.tsv.gz'), { header: false })
  const sentences = [...new Set(all.sources)]
  // As bench/learning/tatoeba-en-fr.mjs draws them.
  const drawn = Array.from({ length: 4000 }, (_, i) => sentences[(i * 49999) % sentences.length])
  const [validation, held] = [new Set(drawn.slice(0, 2000)), new Set(drawn.slice(2000))]
  const part = (/** @type {(source: string) => boolean} */ isIn) => {
    const indices = all.sources.flatMap((source, i) => (isIn(source) ? [i] : []))
    const pick = (/** @type {readonly string[]} */ texts) => indices.map((i) => texts[i])
    return { sources: pick(all.sources), targets: pick(all.targets) }
  }
  return {
    train: part((source) => !validation.has(source) && !held.has(source)),
    validation: part((source) => validation.has(source)),
    held: part((source) => held.has(source)),
  }
}

export const train = ({ train, validation }, options) =>
  translate.train(train, {
    validationData: validation,
    batchSize: 128,
    units: 160,
    embedding: 160,
    learningRate: 0.004,
    dropout: 0.2,
    sourceVocabulary: 4000,
    targetVocabulary: 4000,
    epochs: 8,
    patience: 1,
    seed: 0,
    ...options,
  })

export async function measure(shipped, { train, held }) {
  const each = await shipped.evaluate(held)
  const grouped = await shipped.evaluate(held, { grouped: true })
  const sources = [...new Set(held.sources)]
  // What costs nothing: the translation of the sentence in the training data with most words in common.
  const memory = bleu()
  memory.update(
    held.targets.map((target) => [target]),
    mostSimilar(train, held.sources),
  )
  const shown = (/** @type {number} */ score) => score.toFixed(1)
  return {
    text: `BLEU as sacreBLEU counts it, on ${sources.length.toLocaleString('en')} English sentences that are not in the training data in any
translation (${held.sources.length.toLocaleString('en')} pairs): each pair by itself, and each sentence with all its translations.`,
    rows: [
      ['', 'pairs', 'sentences with all their translations'],
      [
        'the translation of the most similar sentence of the training data',
        shown(memory.report.score),
        '–',
      ],
      ['**en-fr**', shown(each.bleu.score), shown(grouped.bleu.score)],
    ],
  }
}

/** The training data's translations of the sentences that share most words with these, of their length. */
function mostSimilar(train, sources) {
  const wordsOf = (/** @type {string} */ text) => new Set(text.toLowerCase().match(/[\p{L}']+/gu))
  const having = new Map()
  const sizes = train.sources.map((source, i) => {
    const words = wordsOf(source)
    for (const word of words) {
      if (!having.has(word)) having.set(word, [])
      having.get(word).push(i)
    }
    return words.size
  })
  const known = new Map()
  return sources.map((source) => {
    if (known.has(source)) return known.get(source)
    const words = wordsOf(source)
    const common = new Map()
    for (const word of words) {
      const rows = having.get(word) ?? []
      // A word that is everywhere says nothing.
      const weight = Math.log(train.sources.length / (1 + rows.length))
      for (const i of rows) common.set(i, (common.get(i) ?? 0) + weight)
    }
    let best = 0
    let most = -1
    for (const [i, weight] of common) {
      const score = weight / Math.sqrt(words.size * sizes[i])
      if (score > most) [best, most] = [i, score]
    }
    known.set(source, train.targets[best])
    return train.targets[best]
  })
}

export const what = `
A bidirectional LSTM reads an English sentence in pieces of words, a second LSTM writes it in French, looking
back where it needs to (attention), by beam search.`

export const data = `
142,787 pairs of sentences of Tatoeba, English and French, in the selection of www.manythings.org/anki of
2017-09-29: "www.manythings.org/anki and tatoeba.org". Licence: CC BY 2.0. Sentences are short, nine of ten have ten words or fewer. All
translations of 4,000 English sentences were set apart: 2,000 decided when to stop training, 2,000 are for the
table below.`

export const limits = `
- Everyday sentences such as Tatoeba has, not news or manuals; it gets worse beyond some twenty words.
- Names, numbers and rare words often come out wrong.
- One translation of many: tu or vous, il or elle are guessed.`
