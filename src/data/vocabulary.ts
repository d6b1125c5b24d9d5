/** Maps tokens to ids and back. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkOptions, checkTexts } from '../util/check.ts'
import { Scanner } from './scan.ts'
import { grown, TokenTable } from './token-table.ts'

/** Options of {@link Vocabulary.build}. */
export interface VocabularyOptions {
  /** Most ids, with the two reserved ones. Default: 20,000. */
  maxSize?: number
  /** How often a token must occur to get an id of its own. Default: 1. */
  minCount?: number
}

/** Options of {@link Vocabulary.fromTexts} and {@link Vocabulary.encodeTexts}. */
export interface EncodeOptions {
  /** Most tokens of a text that are read, from its start. Default: all. */
  maxLength?: number
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
  /** The same tokens for texts, once some are encoded. */
  #table: TokenTable | null = null

  private constructor(tokens: readonly string[]) {
    this.#tokens = tokens
    for (let i = 0; i < tokens.length; i++) this.#ids.set(tokens[i], i + 2)
  }

  /** The most frequent tokens of these texts; of equally frequent ones the first in code order. */
  static build(texts: Iterable<Iterable<string>>, options: VocabularyOptions = {}): Vocabulary {
    checkOptions('Vocabulary.build', options, ['maxSize', 'minCount'])
    const limits = checkLimits('Vocabulary.build', options)
    const counts = new Map<string, number>()
    for (const tokens of texts) {
      for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
    }
    return new Vocabulary(mostFrequent([...counts.keys()], [...counts.values()], limits))
  }

  /**
   * The vocabulary of the tokens of these texts, as `build` would make it, and the texts' ids, as
   * `encodeTexts` gives them; each text is looked at once for both. Words are those of `tokenize` with its
   * defaults, in lower case. Throws `BAD_ARGUMENT` or `BAD_DATA` if these are no texts.
   */
  static fromTexts(
    texts: readonly string[],
    options: VocabularyOptions & EncodeOptions = {},
  ): { vocabulary: Vocabulary; ids: Int32Array[] } {
    checkOptions('Vocabulary.fromTexts', options, ['maxSize', 'minCount', 'maxLength'])
    const limits = checkLimits('Vocabulary.fromTexts', options)
    const table = new TokenTable()
    const rows = numberTexts('Vocabulary.fromTexts', texts, options.maxLength, table, true)
    const { flat } = rows
    const counts = new Int32Array(table.size)
    for (let i = 0; i < flat.length; i++) counts[flat[i]]++
    const tokens = table.tokens()
    const vocabulary = new Vocabulary(mostFrequent(tokens, counts, limits))
    const idOf = Int32Array.from(vocabulary.encode(tokens))
    for (let i = 0; i < flat.length; i++) flat[i] = idOf[flat[i]]
    return { vocabulary, ids: rowsOf(rows) }
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

  /**
   * The ids of the tokens of each text, the first `maxLength` of them; the rows share one array. Words
   * are those of `tokenize` with its defaults, in lower case. Throws `BAD_ARGUMENT` or `BAD_DATA` if
   * these are no texts.
   */
  encodeTexts(texts: readonly string[], options: EncodeOptions = {}): Int32Array[] {
    checkOptions('Vocabulary.encodeTexts', options, ['maxLength'])
    this.#table ??= tableOf(this.#tokens)
    const rows = numberTexts('Vocabulary.encodeTexts', texts, options.maxLength, this.#table, false)
    // Numbers are ids without the two reserved ones, and -1 for unknown tokens.
    const { flat } = rows
    for (let i = 0; i < flat.length; i++) flat[i] = flat[i] < 0 ? Vocabulary.unknown : flat[i] + 2
    return rowsOf(rows)
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

  /** Tokens and options, for a file. */
  toJSON(): VocabularyJson {
    return { tokens: [...this.#tokens] }
  }
}

function checkLimits(where: string, { maxSize = 20_000, minCount = 1 }: VocabularyOptions) {
  return {
    maxSize: checkInteger(`${where}: maxSize`, maxSize, 3),
    minCount: checkInteger(`${where}: minCount`, minCount),
  }
}

/** The tokens that get ids, in the ids' order. */
function mostFrequent(
  tokens: readonly string[],
  counts: ArrayLike<number>,
  { maxSize, minCount }: Required<VocabularyOptions>,
): string[] {
  // Of 100,000 words half may occur once: those with equal counts are sorted only where needed.
  const byCount = new Map<number, string[]>()
  tokens.forEach((token, i) => {
    const others = byCount.get(counts[i])
    if (others) others.push(token)
    else byCount.set(counts[i], [token])
  })
  const kept: string[] = []
  for (const count of [...byCount.keys()].sort((a, b) => b - a)) {
    if (count < minCount || kept.length >= maxSize - 2) break
    for (const token of byCount.get(count)!.sort()) kept.push(token)
  }
  return kept.slice(0, maxSize - 2)
}

/** Rows of numbers end to end, and where each row ends. */
interface Rows {
  flat: Int32Array
  ends: Int32Array
}

/** The tokens' numbers in the table; those of tokens that are not there are added, or are -1. */
function numberTexts(
  where: string,
  texts: readonly string[],
  maxLength: number | undefined,
  table: TokenTable,
  add: boolean,
): Rows {
  const limit =
    maxLength === undefined
      ? Number.POSITIVE_INFINITY
      : checkInteger(`${where}: maxLength`, maxLength)
  checkTexts(where, texts)
  const scanner = new Scanner()
  const ends = new Int32Array(texts.length)
  // English has four to five characters for each token.
  const guess = texts.reduce((sum, text) => sum + Math.min(limit, text.length / 4), 1024)
  let flat = new Int32Array(guess)
  let at = 0
  for (let row = 0; row < texts.length; row++) {
    const count = scanner.scan(texts[row], limit)
    const { units, ranges } = scanner
    if (at + count > flat.length) flat = grown(flat, 2 * (at + count))
    for (let i = 0; i < count; i++) {
      flat[at++] = table.find(units, ranges[2 * i], ranges[2 * i + 1], add)
    }
    ends[row] = at
  }
  return { flat: flat.subarray(0, at), ends }
}

const rowsOf = ({ flat, ends }: Rows) =>
  Array.from(ends, (end, row) => flat.subarray(row === 0 ? 0 : ends[row - 1], end))

function tableOf(tokens: readonly string[]): TokenTable {
  const table = new TokenTable()
  let units = new Uint16Array(64)
  for (const token of tokens) {
    if (token.length > units.length) units = new Uint16Array(2 * token.length)
    for (let i = 0; i < token.length; i++) units[i] = token.charCodeAt(i)
    table.find(units, 0, token.length, true)
  }
  return table
}
