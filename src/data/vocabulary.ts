/** Maps tokens to ids and back. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkOptions } from '../util/check.ts'

/** Options of {@link Vocabulary.build}. */
export interface VocabularyOptions {
  /** Most ids, with the two reserved ones. Default: 20,000. */
  maxSize?: number
  /** How often a token must occur to get an id of its own. Default: 1. */
  minCount?: number
}

/** What a vocabulary is saved as. */
export interface VocabularyJson {
  /** Tokens by id, from id 2. */
  tokens: string[]
}

/** Ids of tokens. 0 is padding and 1 is any unknown token; tokens count from 2, frequent ones first. */
export class Vocabulary {
  /** The id that fills up short sequences; embeddings mask it. */
  static readonly padding = 0
  /** The id of every token that the vocabulary does not have. */
  static readonly unknown = 1

  readonly #tokens: readonly string[]
  readonly #ids = new Map<string, number>()

  private constructor(tokens: readonly string[]) {
    this.#tokens = tokens
    for (let i = 0; i < tokens.length; i++) this.#ids.set(tokens[i], i + 2)
  }

  /** The most frequent tokens of these texts; of equally frequent ones the first in code order. */
  static build(texts: Iterable<Iterable<string>>, options: VocabularyOptions = {}): Vocabulary {
    const counter = new Counter(options)
    for (const tokens of texts) {
      for (const token of tokens) counter.add(token)
    }
    return new Vocabulary(counter.kept().map(([token]) => token))
  }

  /**
   * As {@link build}, with the ids of these texts: the same as `encode` gives, but each token is
   * looked up once for both and may be forgotten at once; the rows share one array.
   */
  static buildWithIds(
    texts: Iterable<readonly string[]>,
    options: VocabularyOptions = {},
  ): { vocabulary: Vocabulary; ids: Int32Array[] } {
    const counter = new Counter(options)
    let numbers = new Int32Array(1024)
    const ends = [0]
    for (const tokens of texts) {
      let at = ends[ends.length - 1]
      ends.push(at + tokens.length)
      if (at + tokens.length > numbers.length) {
        const larger = new Int32Array(2 * (at + tokens.length))
        larger.set(numbers)
        numbers = larger
      }
      for (const token of tokens) numbers[at++] = counter.add(token)
    }
    const kept = counter.kept()
    const idOf = new Int32Array(counter.size).fill(Vocabulary.unknown)
    kept.forEach(([, number], i) => {
      idOf[number] = i + 2
    })
    const flat = numbers.slice(0, ends[ends.length - 1])
    for (let i = 0; i < flat.length; i++) flat[i] = idOf[flat[i]]
    return {
      vocabulary: new Vocabulary(kept.map(([token]) => token)),
      ids: ends.slice(1).map((end, i) => flat.subarray(ends[i], end)),
    }
  }

  /** The vocabulary that {@link toJSON} described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): Vocabulary {
    const tokens = (json as Partial<VocabularyJson> | null)?.tokens
    if (!Array.isArray(tokens) || !tokens.every((token) => typeof token === 'string')) {
      throw new RefrainError(
        'BAD_FILE',
        `vocabulary: expected { tokens: [string…] }, got ${show(json)}`,
      )
    }
    const vocabulary = new Vocabulary(tokens)
    if (vocabulary.#ids.size !== tokens.length) {
      throw new RefrainError('BAD_FILE', 'vocabulary: a token occurs twice')
    }
    return vocabulary
  }

  /** Number of ids, with the reserved two: what an embedding takes as `inputDim`. */
  get size(): number {
    return this.#tokens.length + 2
  }

  /** The ids of these tokens. */
  encode(tokens: readonly string[]): number[] {
    return tokens.map((token) => this.#ids.get(token) ?? Vocabulary.unknown)
  }

  /** The tokens of these ids: '' for padding, '[UNK]' for an unknown one. */
  decode(ids: ArrayLike<number>): string[] {
    return Array.from(ids, (id) => {
      if (id === Vocabulary.padding) return ''
      if (id === Vocabulary.unknown) return '[UNK]'
      const token = this.#tokens[id - 2]
      if (token === undefined) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `Vocabulary.decode: expected ids from 0 to ${this.size - 1}, got ${show(id)}`,
        )
      }
      return token
    })
  }

  /** Whether the token has an id of its own. */
  has(token: string): boolean {
    return this.#ids.has(token)
  }

  toJSON(): VocabularyJson {
    return { tokens: [...this.#tokens] }
  }
}

/** Numbers tokens in the order in which they first come, and counts them. */
class Counter {
  readonly #maxSize: number
  readonly #minCount: number
  readonly #numbers = new Map<string, number>()
  readonly #counts: number[] = []

  constructor(options: VocabularyOptions) {
    checkOptions('Vocabulary.build', options, ['maxSize', 'minCount'])
    this.#maxSize = checkInteger('Vocabulary.build: maxSize', options.maxSize ?? 20_000, 3)
    this.#minCount = checkInteger('Vocabulary.build: minCount', options.minCount ?? 1)
  }

  /** Number of different tokens. */
  get size(): number {
    return this.#counts.length
  }

  /** Counts a token; its number. */
  add(token: string): number {
    let number = this.#numbers.get(token)
    if (number === undefined) {
      number = this.#counts.length
      this.#numbers.set(token, number)
      this.#counts.push(0)
    }
    this.#counts[number]++
    return number
  }

  /** The tokens that get ids, in the ids' order, with their numbers. */
  kept(): [string, number][] {
    const counts = this.#counts
    return [...this.#numbers]
      .filter(([, number]) => counts[number] >= this.#minCount)
      .sort(([a, m], [b, n]) => counts[n] - counts[m] || (a < b ? -1 : 1))
      .slice(0, this.#maxSize - 2)
  }
}
