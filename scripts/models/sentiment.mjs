/** Positive or negative: 3,000 sentences of reviews. */
import { readFileSync } from 'node:fs'
import { pick } from '../../dist/data/index.js'
import { accuracyOf, bagOfWords, classify } from '../../dist/tasks/index.js'
import { spread } from './card.mjs'
import { packaged } from './data.mjs'

export const { load } = classify
export const title = 'is a sentence positive or negative?'
export const most = 600_000
export const training = { data: 'npm sentiment@5.0.2: 3,000 sentences, those not of fold 0 of 10' }
export const example = ['predict', 'sentiment', 'The plot is thin, but what a cast!']

const folds = 10
const settings = { seed: 0, minCount: 2 }

export function read() {
  const sources = ['imdb', 'yelp', 'amazon']
  const records = sources
    .flatMap((name) =>
      JSON.parse(readFileSync(packaged(`sentiment/test/fixtures/${name}.json`), 'utf8')),
    )
    .filter((record) => record.class !== null) // the last of each file is empty
  // Every source and label in equal parts: they come in no order within a source.
  const seen = {}
  const fold = records.map((record, i) => {
    const kind = `${Math.floor(i / 1000)} ${record.class}`
    seen[kind] = (seen[kind] ?? -1) + 1
    return seen[kind] % folds
  })
  return {
    texts: records.map(({ text }) => text.trim()),
    labels: records.map((record) => (record.class === 1 ? 'positive' : 'negative')),
    fold,
  }
}

const part = ({ texts, labels, fold }, isIn) => {
  const indices = fold.flatMap((one, i) => (isIn(one) ? [i] : []))
  return { texts: pick(texts, indices), labels: pick(labels, indices) }
}

/** Without one fold; fold 0 is that of the shipped model. */
export const train = (data, options, without = 0) =>
  classify.train(
    part(data, (fold) => fold !== without),
    { ...settings, ...options },
  )

/** The shipped model on its fold, and all three ways on all folds. */
export async function measure(shipped, data) {
  const scores = { majority: [], words: [], lstm: [] }
  for (let fold = 0; fold < folds; fold++) {
    const rest = part(data, (one) => one !== fold)
    const held = part(data, (one) => one === fold)
    const classOf = (label) => Number(label === 'positive')
    const truth = held.labels.map(classOf)
    const words = bagOfWords(rest.texts, rest.labels.map(classOf))
    scores.words.push(accuracyOf(words.predict(held.texts), truth))
    // Of equally many examples the first label.
    scores.majority.push(accuracyOf(new Array(truth.length).fill(0), truth))
    const trained = fold === 0 ? shipped : await train(data, {}, fold)
    scores.lstm.push((await trained.evaluate(held)).accuracy)
  }
  const own = `${(100 * scores.lstm[0]).toFixed(1)} %`
  return {
    text: `Share of sentences with the right label; ten folds, trained on nine and measured on the tenth each
time: mean and standard deviation. The shipped model is that of the first, which it never saw.`,
    rows: [
      ['', 'ten folds', 'first fold (300 sentences)'],
      ['the most frequent label', spread(scores.majority), '50.0 %'],
      [
        'logistic regression on a bag of words',
        spread(scores.words),
        `${(100 * scores.words[0]).toFixed(1)} %`,
      ],
      ['**sentiment**', spread(scores.lstm), own],
    ],
  }
}

export const what = `
A bidirectional LSTM that reads the words of an English sentence, as people write about films,
restaurants and goods.`

export const data = `
3,000 sentences from reviews at IMDb, Yelp and Amazon, 1,000 of each, half of them positive: "From Group to
Individual Labels Using Deep Features" (Kotzias et al., KDD 2015), as npm's \`sentiment@5.0.2\` has them in
\`test/fixtures\`. Licence: CC BY 4.0. Words that occur once are left out of the vocabulary.`

export const limits = `
- A bag of words is as good: 2,700 sentences are few. More of them teach an LSTM what a bag of words cannot
  learn (\`refrain train classify\` on IMDb's reviews: [docs/tasks/classify.md](../docs/tasks/classify.md)).
- Negations are often misread, and so is irony.
- There is no neutral: every sentence is one or the other, with a probability near a half where it is open.`
