/**
 * What a classifier has to beat: the most frequent label, and logistic regression on a bag of words,
 * the equal of scikit-learn's `CountVectorizer` and `LogisticRegression` with their defaults.
 */
import { Vocabulary } from '../data/vocabulary.ts'
import { RefrainError } from '../errors.ts'
import { checkNumber, checkOptions } from '../util/check.ts'
import { fitLogistic, type SparseRow } from './logistic.ts'

/** The number that occurs most often; of equally frequent ones the lowest. */
export function majorityClass(classes: ArrayLike<number>): number {
  const counts = new Map<number, number>()
  for (const id of Array.from(classes)) counts.set(id, (counts.get(id) ?? 0) + 1)
  const [[best]] = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b)
  return best
}

/** Share of predictions that are right, from 0 to 1. */
export function accuracyOf(predicted: ArrayLike<number>, truth: ArrayLike<number>): number {
  let right = 0
  for (let i = 0; i < truth.length; i++) if (predicted[i] === truth[i]) right++
  return right / truth.length
}

/** Options of {@link bagOfWords}. */
export interface BagOfWordsOptions {
  /** Inverse strength of the L2 penalty, as scikit-learn's `C`. Default: 1. */
  C?: number
}

/** A trained bag-of-words classifier. */
export interface BagOfWords {
  /** The class number of each text. */
  predict(texts: readonly string[]): Int32Array
}

/**
 * Trains logistic regression on how often each word and mark of `tokenize` occurs.
 *
 * @param classes the class number of each text, from 0, as `LabelEncoder` gives them
 */
export function bagOfWords(
  texts: readonly string[],
  classes: ArrayLike<number>,
  options: BagOfWordsOptions = {},
): BagOfWords {
  checkOptions('bagOfWords', options, ['C'])
  const C = checkNumber('bagOfWords: C', options.C ?? 1, Number.MIN_VALUE)
  if (texts.length === 0 || texts.length !== classes.length) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `bagOfWords: expected a class for each text, got ${texts.length} texts and ` +
        `${classes.length} classes`,
    )
  }
  const { vocabulary, ids } = Vocabulary.fromTexts(texts, { maxSize: 1_000_000 })
  const rows = ids.map(countIds)
  const model = fitLogistic(rows, classes, vocabulary.size, C)
  return {
    predict: (list) =>
      Int32Array.from(vocabulary.encodeTexts(list), (row) => model.predict(countIds(row))),
  }
}

/** How often each id occurs. No weight belongs to the unknown word, so it may stay. */
function countIds(ids: Iterable<number>): SparseRow {
  const counts = new Map<number, number>()
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
  return { ids: [...counts.keys()], values: [...counts.values()] }
}
