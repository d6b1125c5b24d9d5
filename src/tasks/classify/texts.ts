/** Texts as inputs: words, or pieces of words → ids → vectors. */
import { Subwords } from '../../data/subwords.ts'
import { plainText, tokenize } from '../../data/tokenize.ts'
import { Vocabulary } from '../../data/vocabulary.ts'
import { embedding as embeddingLayer } from '../../layers/embedding.ts'
import { tokenDropout as tokenDropoutLayer } from '../../layers/token-dropout.ts'
import { checkInteger, checkOneOf, checkTexts } from '../../util/check.ts'
import type { Encoder, Inputs } from './encoder.ts'
import { type CommonOptions, commonDefaults, type Pooling } from './options.ts'

/** What texts are cut into. */
export type Tokens = 'words' | 'subwords'

/** Options of `classify.train` for texts; the defaults suit up to 100,000 of them. */
export interface ClassifyOptions extends CommonOptions {
  /** Width of the word vectors. Default 64. */
  embedding?: number
  /**
   * 'words', or 'subwords': pieces of words, learned by byte-pair encoding, of which any word can be
   * made. They help where words have many forms or are run together, and make texts longer. Default
   * 'words'.
   */
  tokens?: Tokens
  /** Most words or pieces in the vocabulary. Default 20,000. */
  vocabulary?: number
  /** How often a word, or of pieces a character, must occur to be in the vocabulary. Default 1. */
  minCount?: number
  /**
   * Share of the words that training takes for unknown ones, so that the model learns what to make of
   * words that it never saw. Default 0.1.
   */
  tokenDropout?: number
  /** Words or pieces of a text that are read, from its start. Default 1,000. */
  maxLength?: number
}

/** The options' defaults for texts. */
export const defaults = {
  ...commonDefaults,
  embedding: 64,
  tokens: 'words' as Tokens,
  vocabulary: 20_000,
  minCount: 1,
  tokenDropout: 0.1,
  pooling: 'mean+max' as Pooling,
  maxLength: 1000,
}

/** A text without words is one unknown word. */
const orUnknown = (ids: Int32Array) => (ids.length === 0 ? Int32Array.of(Vocabulary.unknown) : ids)

/** The vocabulary, and how much of a text is read. */
export class TextEncoder implements Encoder<string> {
  readonly kind = 'text'
  readonly input = { shape: [null], dtype: 'int32' } as const
  readonly vocabulary: Vocabulary | Subwords
  readonly maxLength: number

  constructor(vocabulary: Vocabulary | Subwords, maxLength: number) {
    this.vocabulary = vocabulary
    this.maxLength = maxLength
  }

  get unit(): string {
    return this.vocabulary instanceof Vocabulary ? 'words' : 'pieces'
  }

  /** Number of ids. */
  get size(): number {
    return this.vocabulary.size
  }

  /** The ids of each text's words or pieces. */
  encode(texts: readonly string[]): Int32Array[] {
    const { vocabulary, maxLength } = this
    if (vocabulary instanceof Vocabulary) {
      return vocabulary.encodeTexts(texts, { maxLength }).map(orUnknown)
    }
    const rows = vocabulary.encodeTexts(texts.map((text) => plainText(text)))
    return rows.map((ids) => orUnknown(ids.subarray(0, maxLength)))
  }

  /** What of a text each id stands for. */
  tokens(text: string): string[] {
    const { vocabulary, maxLength } = this
    if (vocabulary instanceof Vocabulary) return tokenize(text).slice(0, maxLength)
    return vocabulary.pieces(this.encode([text])[0])
  }

  toJSON() {
    const { vocabulary, maxLength } = this
    return vocabulary instanceof Vocabulary
      ? { vocabulary: vocabulary.toJSON(), maxLength }
      : { subwords: vocabulary.toJSON(), maxLength }
  }
}

/** What `classify` knows of texts. */
export const texts: Inputs<string, typeof defaults, TextEncoder> = {
  what: 'text',
  defaults,
  check: checkTexts,
  learn(items, { tokens, vocabulary: maxSize, minCount, maxLength }) {
    checkInteger("classify.train 'maxLength'", maxLength)
    checkOneOf("classify.train 'tokens'", tokens, ['words', 'subwords'])
    if (tokens === 'subwords') {
      const plain = items.map((text) => plainText(text))
      const encoder = new TextEncoder(Subwords.learn(plain, { size: maxSize, minCount }), maxLength)
      return { encoder, rows: encoder.encode(items) }
    }
    const { vocabulary, ids } = Vocabulary.fromTexts(items, { maxSize, minCount, maxLength })
    return { encoder: new TextEncoder(vocabulary, maxLength), rows: ids.map(orUnknown) }
  },
  fromJSON({ vocabulary, subwords, maxLength }) {
    const own = subwords ? Subwords.fromJSON(subwords) : Vocabulary.fromJSON(vocabulary)
    return new TextEncoder(own, checkInteger('maxLength', maxLength))
  },
  front(x, { size }, { embedding, tokenDropout }) {
    const ids = tokenDropout === 0 ? x : tokenDropoutLayer({ rate: tokenDropout }).apply(x)
    return embeddingLayer({ inputDim: size, outputDim: embedding, maskZero: true }).apply(ids)
  },
}
