/** Spans found in sequences of tags, counted as conlleval counts them. */
import { RefrainError } from '../errors.ts'
import { parseTag, spansOf, type Tag } from '../util/tags.ts'

/** What was found of the spans of one type, or of all. */
export interface EntityScore {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Spans that there are. */
  readonly support: number
  /** Spans predicted. */
  readonly found: number
  /** Spans predicted with the right first word, last word and type. */
  readonly correct: number
}

/** Over all sentences so far. */
export interface EntityReport extends EntityScore {
  /** The share of words with the right tag. */
  readonly accuracy: number
  /** In alphabetical order. */
  readonly types: Readonly<Record<string, EntityScore>>
}

/** Plain JSON. */
export interface EntityState {
  /** Support, found and correct of each type. */
  readonly types: Record<string, [support: number, found: number, correct: number]>
  readonly words: number
  readonly rightTags: number
}

const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b)

function scoreOf([support, found, correct]: readonly number[]): EntityScore {
  const precision = ratio(correct, found)
  const recall = ratio(correct, support)
  const f1 = ratio(2 * precision * recall, precision + recall)
  return { precision, recall, f1, support, found, correct }
}

/** Counts spans over batches; see {@link entityScores}. */
export class EntityScores {
  #types = new Map<string, [support: number, found: number, correct: number]>()
  #words = 0
  #rightTags = 0

  /**
   * Adds sentences: tags of words as they are, and as they were predicted. Throws `BAD_SHAPE` if
   * they differ in number and `BAD_DATA` for what is no tag.
   */
  update(yTrue: readonly (readonly string[])[], yPred: readonly (readonly string[])[]): void {
    checkCount('sentences', yTrue, yPred)
    yTrue.forEach((sentence, i) => {
      checkCount(`tags in sentence ${i}`, sentence, yPred[i])
      const [wanted, given] = [sentence, yPred[i]].map((tags) =>
        tags.map((tag) => parseTag('entityScores', tag)),
      )
      this.add(wanted, given)
    })
  }

  /** Adds one sentence. */
  add(wanted: readonly Tag[], given: readonly Tag[]): void {
    const ends = new Map<number, string>()
    for (const { type, start, end } of spansOf(wanted)) {
      this.#of(type)[0]++
      ends.set(start, `${end} ${type}`)
    }
    for (const { type, start, end } of spansOf(given)) {
      this.#of(type)[1]++
      if (ends.get(start) === `${end} ${type}`) this.#of(type)[2]++
    }
    wanted.forEach(({ place, type }, i) => {
      this.#words++
      if (given[i].place === place && given[i].type === type) this.#rightTags++
    })
  }

  #of(type: string): [number, number, number] {
    let counts = this.#types.get(type)
    if (!counts) {
      counts = [0, 0, 0]
      this.#types.set(type, counts)
    }
    return counts
  }

  /** F1 of all spans (micro average); 0 if none is right. */
  get result(): number {
    return this.report.f1
  }

  get report(): EntityReport {
    const sums = [0, 0, 0]
    const types: Record<string, EntityScore> = {}
    for (const [type, counts] of [...this.#types].sort(([a], [b]) => (a < b ? -1 : 1))) {
      types[type] = scoreOf(counts)
      counts.forEach((count, i) => {
        sums[i] += count
      })
    }
    return { ...scoreOf(sums), accuracy: ratio(this.#rightTags, this.#words), types }
  }

  /** Forgets what was added. */
  reset(): void {
    this.#types.clear()
    this.#words = 0
    this.#rightTags = 0
  }

  get state(): EntityState {
    const types = structuredClone(Object.fromEntries(this.#types))
    return { types, words: this.#words, rightTags: this.#rightTags }
  }

  set state({ types, words, rightTags }: EntityState) {
    this.#types = new Map(Object.entries(structuredClone(types)))
    this.#words = words
    this.#rightTags = rightTags
  }
}

function checkCount(what: string, yTrue: readonly unknown[], yPred: readonly unknown[]): void {
  if (yTrue.length === yPred.length) return
  throw new RefrainError(
    'BAD_SHAPE',
    `entityScores: expected ${yTrue.length} ${what}, got ${yPred.length}`,
  )
}

/**
 * Precision, recall and F1 of named entities and other spans, by the rules of conlleval, the program
 * of the CoNLL shared tasks (Tjong Kim Sang 2000): a span counts if its first word, last word and
 * type are right. Tags may be IOB1, BIO or BIOES.
 *
 *     const scores = entityScores()
 *     scores.update([['B-PER', 'I-PER', 'O']], [['B-PER', 'I-PER', 'O']])
 *     scores.result          // 1, the F1 of all spans
 *     scores.report.types    // { PER: { precision, recall, f1, … } }
 */
export const entityScores = (): EntityScores => new EntityScores()
