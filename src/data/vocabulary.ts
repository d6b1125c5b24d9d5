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
    for (const [i, token] of tokens.entries()) this.#ids.set(token, i + 2)
  }

  /** The most frequent tokens of these texts; of equally frequent ones the first in code order. */
  static build(texts: Iterable<Iterable<string>>, options: VocabularyOptions = {}): Vocabulary {
    checkOptions('Vocabulary.build', options, ['maxSize', 'minCount'])
    const { maxSize = 20_000, minCount = 1 } = options
    checkInteger('Vocabulary.build: maxSize', maxSize, 3)
    checkInteger('Vocabulary.build: minCount', minCount)
    const counts = new Map<string, number>()
    for (const tokens of texts) {
      for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
    }
    const kept = [...counts]
      .filter(([, count]) => count >= minCount)
      .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
      .slice(0, maxSize - 2)
    return new Vocabulary(kept.map(([token]) => token))
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
