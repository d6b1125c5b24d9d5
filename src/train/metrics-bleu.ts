/**
 * BLEU (Papineni et al. 2002) as sacreBLEU counts it (Post 2018), so that scores can be compared with
 * published ones: over the whole corpus, 13a tokens, zero counts smoothed.
 */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber, checkOptions, suggest } from '../util/check.ts'
import { countGrams, forEachSentence } from './references.ts'

/** Options of {@link bleu}; sacreBLEU's defaults. */
export interface BleuOptions {
  /** '13a', the tokens of mteval-v13a (default); 'char'; 'none': what stands between white space. */
  tokenize?: '13a' | 'char' | 'none'
  /** For orders without a match: 'exp' (default) counts 1/2, 1/4, …; 'floor', 'addK', 'none'. */
  smooth?: 'exp' | 'floor' | 'addK' | 'none'
  /** Of 'floor', default 0.1, and of 'addK', default 1. */
  smoothValue?: number
  /** Default false. */
  lowercase?: boolean
  /** The longest n-grams that count. Default 4. */
  maxOrder?: number
  /** Leave out orders for which the texts are too short, for single sentences. Default false. */
  effectiveOrder?: boolean
}

/** What the score is made of. */
export interface BleuReport {
  /** 0 to 100. */
  readonly score: number
  /** Of n-grams of order 1, 2, …, in percent. */
  readonly precisions: readonly number[]
  readonly brevityPenalty: number
  /** Tokens given. */
  readonly length: number
  /** Tokens of the references, of each sentence's the one of nearest length. */
  readonly referenceLength: number
}

const white = /[^\S\uFEFF]+/u
const words = (text: string) => text.split(white).filter(Boolean)

const tokenizers: Record<NonNullable<BleuOptions['tokenize']>, (text: string) => string[]> = {
  none: words,
  char: (text) => words(text).flatMap((word) => [...word]),
  '13a': (text) =>
    words(
      ` ${text} `
        .replaceAll('<skipped>', '')
        .replaceAll('-\n', '')
        .replaceAll('\n', ' ')
        .replaceAll('&quot;', '"')
        .replaceAll('&amp;', '&')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        // Symbols stand alone; so do full stops, commas and dashes, but not within numbers.
        .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
        .replace(/([^0-9])([.,])/g, '$1 $2 ')
        .replace(/([.,])([^0-9])/g, ' $1 $2')
        .replace(/([0-9])(-)/g, '$1 $2 '),
    ),
}

/** Counts matches over batches; see {@link bleu}. */
export class Bleu {
  readonly #options: Required<Omit<BleuOptions, 'smoothValue'>> & { smoothValue: number }
  /** Length, reference length, then for each order the matches, then the n-grams given. */
  #sums: number[]

  constructor(options: BleuOptions) {
    const names = ['tokenize', 'smooth', 'smoothValue', 'lowercase', 'maxOrder', 'effectiveOrder']
    checkOptions('bleu', options, names)
    const { tokenize = '13a', smooth = 'exp', lowercase = false, effectiveOrder = false } = options
    checkName('tokenize', tokenize, Object.keys(tokenizers))
    checkName('smooth', smooth, ['exp', 'floor', 'addK', 'none'])
    const usual = smooth === 'floor' ? 0.1 : 1
    this.#options = {
      tokenize,
      smooth,
      smoothValue: checkNumber("bleu 'smoothValue'", options.smoothValue ?? usual, 0),
      lowercase,
      maxOrder: checkInteger("bleu 'maxOrder'", options.maxOrder ?? 4),
      effectiveOrder,
    }
    this.#sums = this.#zeros
  }

  get #zeros(): number[] {
    return new Array(2 + 2 * this.#options.maxOrder).fill(0)
  }

  /**
   * Adds sentences: each one's reference, or several of them, and what was given. Throws `BAD_SHAPE`
   * if they differ in number.
   */
  update(yTrue: readonly (string | readonly string[])[], yPred: readonly string[]): void {
    forEachSentence('bleu', yTrue, yPred, (text, references) => {
      const tokens = references.map((reference) => this.#tokens(reference))
      this.#add(tokens, this.#tokens(text))
    })
  }

  #tokens(text: string): string[] {
    const { lowercase, tokenize } = this.#options
    return tokenizers[tokenize]((lowercase ? text.toLowerCase() : text).trimEnd())
  }

  #add(references: readonly string[][], given: readonly string[]): void {
    const sums = this.#sums
    const { maxOrder } = this.#options
    const far = ({ length }: readonly string[]) => Math.abs(length - given.length)
    const nearest = references.reduce((best, one) => {
      if (far(one) !== far(best)) return far(one) < far(best) ? one : best
      return one.length < best.length ? one : best
    })
    sums[0] += given.length
    sums[1] += nearest.length
    for (let order = 1; order <= maxOrder; order++) {
      const limits = references.map((tokens) => countGrams(tokens, order, ' '))
      for (const [gram, count] of countGrams(given, order, ' ')) {
        const most = Math.max(...limits.map((limit) => limit.get(gram) ?? 0))
        sums[1 + order] += Math.min(count, most)
        sums[1 + maxOrder + order] += count
      }
    }
  }

  /** The score, 0 to 100. */
  get result(): number {
    return this.report.score
  }

  get report(): BleuReport {
    const { smooth, smoothValue, maxOrder, effectiveOrder } = this.#options
    const [length, referenceLength, ...counts] = this.#sums
    const precisions = new Array<number>(maxOrder).fill(0)
    let halves = 1
    let orders = maxOrder
    const any = counts.slice(0, maxOrder).some((count) => count > 0)
    for (let n = 0; any && n < maxOrder; n++) {
      const added = smooth === 'addK' && n > 0 ? smoothValue : 0
      const right = counts[n] + added
      const total = counts[maxOrder + n] + added
      if (total === 0) break
      if (effectiveOrder) orders = n + 1
      if (right > 0) precisions[n] = (100 * right) / total
      else if (smooth === 'exp') {
        halves *= 2
        precisions[n] = 100 / (halves * total)
      } else if (smooth === 'floor') precisions[n] = (100 * smoothValue) / total
    }
    const brevityPenalty =
      length >= referenceLength ? 1 : length === 0 ? 0 : Math.exp(1 - referenceLength / length)
    const mean = precisions.slice(0, orders).reduce((sum, p) => sum + Math.log(p), 0) / orders
    const score = any ? brevityPenalty * Math.exp(mean) : 0
    return { score, precisions, brevityPenalty, length, referenceLength }
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

function checkName(option: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return
  throw new RefrainError(
    'UNKNOWN_OPTION',
    `bleu '${option}': unknown ${show(value)}`,
    suggest(String(value), known),
  )
}

/**
 * BLEU over a corpus, 0 to 100, as sacreBLEU 2 counts it by default (signature
 * `case:mixed|eff:no|tok:13a|smooth:exp`).
 *
 *     const score = bleu()
 *     score.update(['The dog bit the man.'], ['The dog had bit the man.'])
 *     score.result
 */
export const bleu = (options: BleuOptions = {}): Bleu => new Bleu(options)
