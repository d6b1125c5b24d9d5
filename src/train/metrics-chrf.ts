/**
 * chrF (Popović 2015) as sacreBLEU counts it (Post 2018): n-grams of characters, over the whole corpus.
 * It forgives endings, which BLEU does not.
 */
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'
import { countGrams, forEachSentence } from './references.ts'

/** Options of {@link chrf}; sacreBLEU's defaults. */
export interface ChrfOptions {
  /** The longest n-grams of characters that count. Default 6. */
  characterOrder?: number
  /** The longest n-grams of words that count, too. Default 0; 2 is chrF++ (Popović 2017). */
  wordOrder?: number
  /** How many times as much recall counts as precision. Default 2. */
  beta?: number
  /** Default false. */
  lowercase?: boolean
  /** Whether n-grams of characters have the white space in them. Default false. */
  whitespace?: boolean
}

const white = /[^\S\uFEFF]+/u
const words = (text: string) => text.split(white).filter(Boolean)
const punctuation = /^[!-/:-@[-`{-~]$/

/** Words, with a sign at their end, or else at their beginning, apart. */
function wordsAndSigns(text: string): string[] {
  return words(text).flatMap((word) => {
    const letters = [...word]
    const [first, last] = [letters[0], letters.at(-1)!]
    if (letters.length === 1) return [word]
    if (punctuation.test(last)) return [word.slice(0, -1), last]
    return punctuation.test(first) ? [first, word.slice(1)] : [word]
  })
}

type Counts = Map<string, number>

const total = (counts: Counts) => [...counts.values()].reduce((sum, count) => sum + count, 0)

/** Counts matches over batches; see {@link chrf}. */
export class Chrf {
  readonly #options: Required<ChrfOptions>
  /** For each order the n-grams given, those of the reference, and the matches. */
  #sums: number[]

  constructor(options: ChrfOptions) {
    const names = ['characterOrder', 'wordOrder', 'beta', 'lowercase', 'whitespace']
    checkOptions('chrf', options, names)
    const { characterOrder = 6, wordOrder = 0, beta = 2 } = options
    this.#options = {
      characterOrder: checkInteger("chrf 'characterOrder'", characterOrder),
      wordOrder: checkInteger("chrf 'wordOrder'", wordOrder, 0),
      beta: checkNumber("chrf 'beta'", beta, 0),
      lowercase: options.lowercase ?? false,
      whitespace: options.whitespace ?? false,
    }
    this.#sums = this.#zeros
  }

  get #zeros(): number[] {
    return new Array(3 * (this.#options.characterOrder + this.#options.wordOrder)).fill(0)
  }

  /**
   * Adds sentences: each one's reference, or several of them, of which the most alike counts, and what
   * was given. Throws `BAD_SHAPE` if they differ in number.
   */
  update(yTrue: readonly (string | readonly string[])[], yPred: readonly string[]): void {
    forEachSentence('chrf', yTrue, yPred, (text, references) => {
      const given = this.#grams(text)
      let best: { score: number; sums: number[] } = { score: -1, sums: [] }
      for (const reference of references) {
        const sums = matches(given, this.#grams(reference))
        const score = this.#score(sums)
        if (score > best.score) best = { score, sums }
      }
      best.sums.forEach((count, k) => {
        this.#sums[k] += count
      })
    })
  }

  /** The n-grams of each order, of characters, then of words. */
  #grams(given: string): Counts[] {
    const { characterOrder, wordOrder, lowercase, whitespace } = this.#options
    const text = lowercase ? given.toLowerCase() : given
    const characters = [...(whitespace ? text : words(text).join(''))]
    const parts = wordOrder > 0 ? wordsAndSigns(text) : []
    return [
      ...Array.from({ length: characterOrder }, (_, n) => countGrams(characters, n + 1, '')),
      ...Array.from({ length: wordOrder }, (_, n) => countGrams(parts, n + 1, ' ')),
    ]
  }

  /** F of the means of precision and recall over the orders that both sides have. */
  #score(sums: readonly number[]): number {
    const weight = this.#options.beta ** 2
    let [precision, recall, orders] = [0, 0, 0]
    for (let k = 0; k < sums.length; k += 3) {
      const [given, wanted, right] = sums.slice(k, k + 3)
      if (given === 0 || wanted === 0) continue
      precision += right / given
      recall += right / wanted
      orders++
    }
    if (precision + recall === 0) return 0
    const [p, r] = [precision / orders, recall / orders]
    return (100 * (1 + weight) * p * r) / (weight * p + r)
  }

  /** The score, 0 to 100. */
  get result(): number {
    return this.#score(this.#sums)
  }

  /** Forgets what was added. */
  reset(): void {
    this.#sums = this.#zeros
  }

  /** The sums so far. */
  get state(): number[] {
    return [...this.#sums]
  }

  set state(sums: readonly number[]) {
    this.#sums = [...sums]
  }
}

/** For each order the n-grams given, if the reference has any, those of the reference, the matches. */
function matches(given: readonly Counts[], reference: readonly Counts[]): number[] {
  return given.flatMap((own, n) => {
    let right = 0
    for (const [gram, count] of own) right += Math.min(count, reference[n].get(gram) ?? 0)
    return [reference[n].size > 0 ? total(own) : 0, total(reference[n]), right]
  })
}

/**
 * chrF over a corpus, 0 to 100, as sacreBLEU 2 counts it by default (signature
 * `case:mixed|eff:yes|nc:6|nw:0|space:no`); with `wordOrder: 2` chrF++.
 *
 *     const score = chrf()
 *     score.update(['The dog bit the man.'], ['The dog had bit the man.'])
 *     score.result
 */
export const chrf = (options: ChrfOptions = {}): Chrf => new Chrf(options)
