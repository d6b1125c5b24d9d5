/** Cuts text into pieces of words, learned from data, so that a small vocabulary has every word. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkOptions, checkTexts } from '../util/check.ts'
import { idLimit, learnMerges, pairKey, Symbols } from './merges.ts'
import { grown } from './token-table.ts'

/** Options of {@link Subwords.learn}. */
export interface SubwordsOptions {
  /** Most ids, with the reserved ones; fewer if the texts have too few pieces. Default: 8,000. */
  size?: number
  /** Most UTF-16 units of a piece: 1 for characters alone. Default: no limit. */
  pieceLength?: number
  /** How often a character must occur to get an id of its own. Default: 2. */
  minCount?: number
  /**
   * Whether other characters are written as the bytes of their UTF-8, which takes 256 ids; if not, they
   * are one unknown piece. Default: true.
   */
  bytes?: boolean
  /**
   * Whether a text begins with a space, which `decode` takes off again, so that its first word is the
   * piece that it is elsewhere. Default: true.
   */
  leadingSpace?: boolean
}

/** What subwords are saved as. */
export interface SubwordsJson {
  /** Characters with ids of their own, by id. */
  characters: string[]
  /** Pairs of ids that become one piece, the left and the right of each in turn, first ones first. */
  merges: number[]
  bytes: boolean
  leadingSpace: boolean
}

const reserved = ['', '', '', '']

/** Words with the space before them, numbers, runs of marks, spaces; together they are the text. */
const word =
  /\s?\p{L}[\p{L}\p{M}\p{N}_]{0,63}(?:['’]\p{L}[\p{L}\p{M}\p{N}_]{0,63})?|\s?\p{N}{1,64}|\s?[^\s\p{L}\p{N}]{1,64}|\s{1,64}(?!\S)/gu

/** Words whose pieces are remembered. */
const rememberedWords = 100_000

/** Stands for the unknown in decoded text. */
const replacement = '\ufffd'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Byte-pair encoding. 0 is padding, 1 an unknown piece, 2 the start and 3 the end of a text; then come
 * bytes, characters and pieces in the order in which they were learned. The same texts give the same
 * pieces.
 *
 * `decode(encode(text))` is the text, with characters that it has never seen, too, if `bytes` is on. (A
 * surrogate without its other half is no character and may come back as U+FFFD.)
 */
export class Subwords {
  /** The id that fills up short sequences; embeddings mask it. */
  static readonly padding = 0
  /** The id of a character that has none, if `bytes` is off. */
  static readonly unknown = 1
  /** The id before a text's first piece; `encode` does not add it. */
  static readonly start = 2
  /** The id after a text's last piece; `encode` does not add it. */
  static readonly end = 3

  readonly #json: SubwordsJson
  readonly #symbols: Symbols
  /** The merge of a pair: its number and the id that it makes. */
  readonly #merges = new Map<number, { rank: number; id: number }>()
  readonly #remembered = new Map<string, readonly number[]>()

  private constructor(json: SubwordsJson, symbols: Symbols) {
    this.#json = json
    this.#symbols = symbols
    const { strings } = symbols
    const { merges } = json
    for (let i = 0; i < merges.length; i += 2) {
      const [left, right] = [merges[i], merges[i + 1]]
      const id = symbols.idOf(strings[left] + strings[right])!
      this.#merges.set(pairKey(left, right), { rank: i, id })
    }
  }

  /**
   * The pieces of these texts: their characters, frequent ones first, then the pairs that are most
   * frequent when their turn comes. Pairs do not reach over the end of a word.
   */
  static learn(texts: Iterable<string>, options: SubwordsOptions = {}): Subwords {
    checkOptions('Subwords.learn', options, [
      'size',
      'pieceLength',
      'minCount',
      'bytes',
      'leadingSpace',
    ])
    const {
      pieceLength = Infinity,
      bytes = true,
      leadingSpace = true,
      minCount = 2,
      size = 8000,
    } = options
    const symbols = firstSymbols(bytes)
    const least = symbols.strings.length + 1
    if (checkInteger('Subwords.learn: size', size, least) > idLimit) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `Subwords.learn: size: expected at most ${idLimit}, got ${size}`,
      )
    }
    checkInteger('Subwords.learn: minCount', minCount)
    if (pieceLength !== Infinity) checkInteger('Subwords.learn: pieceLength', pieceLength)
    const words = new Map<string, number>()
    for (const text of texts) {
      for (const part of wordsOf(text, leadingSpace)) words.set(part, (words.get(part) ?? 0) + 1)
    }
    const parts = [...words.keys()].map((part) => [...part])
    const counts = [...words.values()]
    const characters = frequentCharacters(parts, counts, minCount).slice(0, size - least + 1)
    for (const character of characters) symbols.add(character)
    const rows = parts.map((part) => part.map((character) => symbols.idOf(character) ?? -1))
    const merges = learnMerges(rows, counts, symbols, size, pieceLength)
    return new Subwords({ characters, merges, bytes, leadingSpace }, symbols)
  }

  /** The subwords that {@link toJSON} described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): Subwords {
    const given = (json ?? {}) as Partial<SubwordsJson>
    const { characters, merges, bytes, leadingSpace } = given
    const isCharacter = (text: unknown) => typeof text === 'string' && [...text].length === 1
    if (
      !Array.isArray(characters) ||
      !characters.every(isCharacter) ||
      !Array.isArray(merges) ||
      merges.length % 2 > 0 ||
      typeof bytes !== 'boolean' ||
      typeof leadingSpace !== 'boolean'
    ) {
      throw new RefrainError(
        'BAD_FILE',
        'subwords: expected { characters: [string…], merges: [id…], bytes, leadingSpace }, ' +
          `got ${show(json)}`,
      )
    }
    const symbols = firstSymbols(bytes)
    const first = symbols.strings.length
    for (const character of characters) symbols.add(character)
    for (let i = 0; i < merges.length; i += 2) {
      const pair = [merges[i], merges[i + 1]]
      const known = (id: unknown) =>
        Number.isInteger(id) && (id as number) >= first && (id as number) < symbols.strings.length
      const text = pair.every(known) ? symbols.strings[pair[0]] + symbols.strings[pair[1]] : ''
      // Pieces of words that `wordsOf` cuts: nobody writes a file whose pieces double with each merge.
      if (text === '' || text.length > 512 || symbols.strings.length >= idLimit) {
        throw new RefrainError(
          'BAD_FILE',
          `subwords: merge ${i / 2}: expected ids of characters or pieces before it, got ${show(pair)}`,
        )
      }
      symbols.add(text)
    }
    return new Subwords({ characters, merges, bytes, leadingSpace }, symbols)
  }

  /** Number of ids, with the reserved ones: what an embedding takes as `inputDim`. */
  get size(): number {
    return this.#symbols.strings.length
  }

  /** The ids of a text's pieces. */
  encode(text: string): number[] {
    return wordsOf(text, this.#json.leadingSpace).flatMap((part) => this.#encodeWord(part))
  }

  /**
   * The ids of the pieces of each text; the rows share one array. Throws `BAD_ARGUMENT` or `BAD_DATA`
   * if these are no texts.
   */
  encodeTexts(texts: readonly string[]): Int32Array[] {
    checkTexts('Subwords.encodeTexts', texts)
    let flat = new Int32Array(1024)
    let at = 0
    const ends = texts.map((text) => {
      for (const part of wordsOf(text, this.#json.leadingSpace)) {
        const ids = this.#encodeWord(part)
        if (at + ids.length > flat.length) flat = grown(flat, 2 * (at + ids.length))
        for (let i = 0; i < ids.length; i++) flat[at++] = ids[i]
      }
      return at
    })
    return ends.map((end, row) => flat.subarray(row === 0 ? 0 : ends[row - 1], end))
  }

  /**
   * The text of these ids; padding, start and end are nothing in it, an unknown piece and bytes that are
   * no UTF-8 are U+FFFD. Throws `BAD_ARGUMENT` on a number that is no id.
   */
  decode(ids: ArrayLike<number>): string {
    let text = ''
    let bytes: number[] = []
    const flush = () => {
      if (bytes.length > 0) text += decoder.decode(Uint8Array.from(bytes))
      bytes = []
    }
    for (const id of this.#checked(ids)) {
      const byte = this.#byteOf(id)
      if (byte >= 0) {
        bytes.push(byte)
        continue
      }
      flush()
      text += id === Subwords.unknown ? replacement : this.#symbols.strings[id]
    }
    flush()
    return this.#json.leadingSpace && text.startsWith(' ') ? text.slice(1) : text
  }

  /** Each id's piece, to look at: a byte as '<0xE2>', and '[PAD]', '[UNK]', '[START]', '[END]'. */
  pieces(ids: ArrayLike<number>): string[] {
    return this.#checked(ids).map((id) => {
      if (id < reserved.length) return ['[PAD]', '[UNK]', '[START]', '[END]'][id]
      const byte = this.#byteOf(id)
      if (byte < 0) return this.#symbols.strings[id]
      return `<0x${byte.toString(16).padStart(2, '0').toUpperCase()}>`
    })
  }

  /** Characters, merges and options, for a file. */
  toJSON(): SubwordsJson {
    const { characters, merges } = this.#json
    return { ...this.#json, characters: [...characters], merges: [...merges] }
  }

  #checked(ids: ArrayLike<number>): number[] {
    const all = Array.from(ids)
    const bad = all.find((id) => !Number.isInteger(id) || id < 0 || id >= this.size)
    if (bad === undefined) return all
    throw new RefrainError(
      'BAD_ARGUMENT',
      `Subwords: expected ids from 0 to ${this.size - 1}, got ${show(bad)}`,
    )
  }

  /** The byte that the id stands for, or -1. */
  #byteOf(id: number): number {
    const byte = id - reserved.length
    return this.#json.bytes && byte >= 0 && byte < 256 ? byte : -1
  }

  #encodeWord(text: string): readonly number[] {
    let ids = this.#remembered.get(text)
    if (!ids) {
      ids = this.#merge(this.#characterIds(text))
      if (this.#remembered.size >= rememberedWords) this.#remembered.clear()
      this.#remembered.set(text, ids)
    }
    return ids
  }

  #characterIds(text: string): number[] {
    const ids: number[] = []
    for (const character of text) {
      const id = this.#symbols.idOf(character)
      if (id !== undefined) ids.push(id)
      else if (!this.#json.bytes) ids.push(Subwords.unknown)
      else for (const byte of encoder.encode(character)) ids.push(reserved.length + byte)
    }
    return ids
  }

  /** Joins pairs as they were learned, the first ones first, everywhere in the word. */
  #merge(ids: number[]): number[] {
    for (;;) {
      let first: { rank: number; id: number } | undefined
      let place = 0
      for (let i = 1; i < ids.length; i++) {
        const merge = this.#merges.get(pairKey(ids[i - 1], ids[i]))
        if (merge && (!first || merge.rank < first.rank)) {
          first = merge
          place = i - 1
        }
      }
      if (!first) return ids
      ids.splice(place, 2, first.id)
    }
  }
}

const wordsOf = (text: string, leadingSpace: boolean): string[] =>
  (leadingSpace && text !== '' ? ` ${text}` : text).match(word) ?? []

/** Reserved ids and bytes, which no text is made of. */
const firstSymbols = (bytes: boolean) =>
  new Symbols([...reserved, ...new Array<string>(bytes ? 256 : 0).fill('')])

/** Characters that occur often enough, frequent ones first, of equally frequent ones by code point. */
function frequentCharacters(
  words: readonly (readonly string[])[],
  counts: readonly number[],
  minCount: number,
): string[] {
  const totals = new Map<string, number>()
  words.forEach((word, w) => {
    for (const character of word) {
      totals.set(character, (totals.get(character) ?? 0) + counts[w])
    }
  })
  return [...totals]
    .filter(([, total]) => total >= minCount)
    .sort(([a, m], [b, n]) => n - m || a.codePointAt(0)! - b.codePointAt(0)!)
    .map(([character]) => character)
}
