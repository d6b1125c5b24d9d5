/** What a tagger has to beat: each word's most frequent tag, and a CRF with features made by hand. */
import { LabelEncoder } from '../../data/labels.ts'
import { RefrainError } from '../../errors.ts'
import { crf } from '../../layers/crf.ts'
import { bioConstraints } from '../../layers/crf-constraints.ts'
import { embedding } from '../../layers/embedding.ts'
import { globalAveragePooling1d } from '../../layers/pooling.ts'
import { timeDistributed } from '../../layers/time-distributed.ts'
import { sequential } from '../../model/sequential.ts'
import { hash32 } from '../../tensor/random.ts'
import { adam } from '../../train/optimizers.ts'
import { checkInteger, checkNumber, checkOptions } from '../../util/check.ts'
import { checkSentences, type TaggedSentences } from './data.ts'

/** A trained baseline. */
export interface TagBaseline {
  /** The tags of each sentence. */
  predict(sentences: readonly (readonly string[])[]): Promise<string[][]>
}

/** The name counted most; of equal ones the first in code order. */
function mostOf(counts: ReadonlyMap<string, number>): string {
  const [[best]] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
  return best
}

/** Each word's most frequent tag; of words that were not seen, the most frequent tag of all. */
export function mostFrequentTags(data: TaggedSentences): TagBaseline {
  checkSentences('mostFrequentTags', data)
  const all = new Map<string, number>()
  const byWord = new Map<string, Map<string, number>>()
  data.tokens.forEach((tokens, i) => {
    tokens.forEach((token, t) => {
      const tag = data.tags[i][t]
      const own = byWord.get(token) ?? new Map<string, number>()
      byWord.set(token, own)
      for (const counts of [all, own]) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    })
  })
  const fallback = mostOf(all)
  const best = new Map([...byWord].map(([word, counts]) => [word, mostOf(counts)]))
  return {
    predict: async (sentences) =>
      sentences.map((tokens) => tokens.map((token) => best.get(token) ?? fallback)),
  }
}

/** Options of {@link featureCrf}. */
export interface FeatureCrfOptions {
  /** Default 20. */
  epochs?: number
  /** Adam's. Default 0.5: weights move far, as features are rare and the mean of 22 counts. */
  learningRate?: number
  /** Of weights that features share, as their hashes fall. Default 2^17. */
  buckets?: number
  /** Default 0. */
  seed?: number
}

/**
 * A linear-chain CRF with features made by hand, as taggers were before neural networks: the word, its
 * beginnings and endings, its shape, and its neighbours'. Features are hashed.
 *
 * @param data tags of spans in one scheme
 */
export async function featureCrf(
  data: TaggedSentences,
  options: FeatureCrfOptions = {},
): Promise<TagBaseline> {
  checkOptions('featureCrf', options, ['epochs', 'learningRate', 'buckets', 'seed'])
  const { learningRate = 0.5, buckets = 2 ** 17, seed = 0 } = options
  const epochs = checkInteger("featureCrf 'epochs'", options.epochs ?? 20)
  checkNumber("featureCrf 'learningRate'", learningRate, 0)
  checkInteger("featureCrf 'buckets'", buckets)
  checkSentences('featureCrf', data)
  const labels = LabelEncoder.build(data.tags.flat())
  if (labels.size < 2) throw new RefrainError('BAD_DATA', 'featureCrf: expected two tags or more')
  const encode = (sentences: readonly (readonly string[])[]) =>
    sentences.map((tokens) => featuresOf(tokens, buckets))
  const model = sequential(
    [
      embedding({ inputDim: buckets, outputDim: labels.size, embeddingsInitializer: 'zeros' }),
      // The mean, not the sum: there are as many features at every word.
      timeDistributed(globalAveragePooling1d()),
      crf({ constraints: bioConstraints(labels.labels) }),
    ],
    { seed },
  )
  model.compile({ optimizer: adam({ learningRate }), loss: 'crf' })
  const targets = data.tags.map((tags) => labels.encode(tags))
  await model.fit(encode(data.tokens), targets, { epochs, batchSize: 16, seed })
  return {
    async predict(sentences) {
      const found = await (await model.predict(encode(sentences))).array()
      return (found as number[][]).map((row, i) => labels.decode(row.slice(0, sentences[i].length)))
    },
  }
}

/** "McDonald" → "AaAaaaaa", with at most two of a kind in a row: "AaAaa". */
const shapeOf = (word: string) =>
  word
    .replace(/\p{Lu}/gu, 'A')
    .replace(/\p{Ll}/gu, 'a')
    .replace(/\p{Nd}/gu, '0')
    .replace(/(.)\1{2,}/g, '$1$1')

/** Numbers of each word's features. */
function featuresOf(tokens: readonly string[], buckets: number): Int32Array[] {
  const lower = tokens.map((token) => token.toLowerCase())
  const shapes = tokens.map(shapeOf)
  const at = (list: readonly string[], i: number) => list[i] ?? (i < 0 ? '<s>' : '</s>')
  return tokens.map((token, i) => {
    const word = lower[i]
    const features = [
      `w ${word}`,
      `W ${token}`,
      `s ${shapes[i]}`,
      ...[1, 2, 3, 4].flatMap((n) => [`p${n} ${word.slice(0, n)}`, `e${n} ${word.slice(-n)}`]),
      ...[-2, -1, 1, 2].flatMap((d) => [`w${d} ${at(lower, i + d)}`, `s${d} ${at(shapes, i + d)}`]),
      `w-1w ${at(lower, i - 1)} ${word}`,
      `ww1 ${word} ${at(lower, i + 1)}`,
      `sss ${at(shapes, i - 1)} ${shapes[i]} ${at(shapes, i + 1)}`,
    ]
    return Int32Array.from(features, (feature) => hash32(feature) % buckets)
  })
}
