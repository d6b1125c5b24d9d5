/** What a model of text reads and writes: characters, words or pieces of words, each with an id. */
import { Subwords } from '../../data/subwords.ts'
import { Vocabulary } from '../../data/vocabulary.ts'
import { RefrainError, show } from '../../errors.ts'

/** What a symbol is; 'events' are those of music. */
export type Unit = 'characters' | 'words' | 'subwords' | 'events'

/** What symbols are saved as. */
export interface SymbolsJson {
  readonly unit: Unit
  readonly vocabulary: unknown
}

const units = ['characters', 'words', 'subwords', 'events']

/** Words with the space before them, numbers, marks, white space: together they are the text. */
const word = / ?\p{L}[\p{L}\p{M}'’]*| ?\p{N}+| ?[^\s\p{L}\p{N}]|\s/gu

/** Symbols and their ids. 0 is the boundary before and after a text, 1 any unknown symbol. */
export class Symbols {
  static readonly boundary = 0
  static readonly unknown = 1

  readonly unit: Unit
  readonly #codec: Vocabulary | Subwords
  /** The text of each id; '' for ids that stand for none. */
  readonly texts: readonly string[]

  private constructor(unit: Unit, codec: Vocabulary | Subwords) {
    this.unit = unit
    this.#codec = codec
    this.texts = Array.from({ length: codec.size }, (_, id) =>
      id <= Symbols.unknown
        ? ''
        : codec instanceof Subwords
          ? codec.decode([id])
          : codec.decode([id])[0],
    )
  }

  /** The symbols of these texts, at most `size`. Words that occur once may be left unknown. */
  static learn(unit: Unit, texts: readonly string[], size: number): Symbols {
    if (unit === 'subwords') {
      const codec = Subwords.learn(texts, { size, minCount: 1, bytes: false, leadingSpace: false })
      return new Symbols(unit, codec)
    }
    const cut = texts.map((text) => cutters[unit](text))
    const minCount = unit === 'words' ? 2 : 1
    return new Symbols(unit, Vocabulary.build(cut, { maxSize: size, minCount }))
  }

  /** The symbols that {@link toJSON} described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): Symbols {
    const { unit, vocabulary } = (json ?? {}) as Partial<SymbolsJson>
    if (!units.includes(unit as string)) {
      throw new RefrainError('BAD_FILE', `symbols: expected a unit of text, got ${show(unit)}`)
    }
    const codec =
      unit === 'subwords' ? Subwords.fromJSON(vocabulary) : Vocabulary.fromJSON(vocabulary)
    return new Symbols(unit as Unit, codec)
  }

  /** Number of ids. */
  get size(): number {
    return this.#codec.size
  }

  /** The ids of a text's symbols. */
  encode(text: string): number[] {
    if (this.#codec instanceof Subwords) return this.#codec.encode(text)
    return this.#codec.encode(cutters[this.unit as keyof typeof cutters](text))
  }

  /** The text of these ids. */
  decode(ids: ArrayLike<number>): string {
    let text = ''
    for (let i = 0; i < ids.length; i++) text += this.texts[ids[i]]
    return text
  }

  /** The different symbols of a text that have no id, in their order. */
  unknownIn(text: string): string[] {
    const unknown = new Set<string>()
    const cut = this.unit === 'subwords' ? cutters.characters : cutters[this.unit]
    for (const symbol of cut(text)) {
      if (this.encode(symbol).includes(Symbols.unknown)) unknown.add(symbol)
    }
    return [...unknown]
  }

  /** For a file. */
  toJSON(): SymbolsJson {
    return { unit: this.unit, vocabulary: this.#codec.toJSON() }
  }
}

const cutters = {
  characters: (text: string) => [...text],
  words: (text: string) => text.match(word) ?? [],
  events: (text: string) => text.split(' ').filter((event) => event !== ''),
}
