/** Texts as inputs: words → ids → word vectors. */
import { Vocabulary } from '../../data/vocabulary.ts'
import { embedding as embeddingLayer } from '../../layers/embedding.ts'
import { checkInteger, checkTexts } from '../../util/check.ts'
import type { Encoder, Inputs } from './encoder.ts'
import { type CommonOptions, commonDefaults } from './options.ts'

/** Options of `classify.train` for texts; the defaults suit up to 100,000 of them. */
export interface ClassifyOptions extends CommonOptions {
  /** Width of the word vectors. Default 64. */
  embedding?: number
  /** Most words in the vocabulary. Default 20,000. */
  vocabulary?: number
  /** How often a word must occur to be in the vocabulary. Default 1. */
  minCount?: number
  /** Words of a text that are read, from its start. Default 400. */
  maxLength?: number
}

/** The options' defaults for texts. */
export const defaults = {
  ...commonDefaults,
  embedding: 64,
  vocabulary: 20_000,
  minCount: 1,
  maxLength: 400,
}

/** A text without words is one unknown word. */
const orUnknown = (ids: Int32Array) => (ids.length === 0 ? Int32Array.of(Vocabulary.unknown) : ids)

/** The vocabulary, and how much of a text is read. */
export class TextEncoder implements Encoder<string> {
  readonly kind = 'text'
  readonly input = { shape: [null], dtype: 'int32' } as const
  readonly unit = 'words'
  readonly vocabulary: Vocabulary
  readonly maxLength: number

  constructor(vocabulary: Vocabulary, maxLength: number) {
    this.vocabulary = vocabulary
    this.maxLength = maxLength
  }

  /** Number of ids. */
  get size(): number {
    return this.vocabulary.size
  }

  /** The ids of each text's words. */
  encode(texts: readonly string[]): Int32Array[] {
    const { maxLength } = this
    return this.vocabulary.encodeTexts(texts, { maxLength }).map(orUnknown)
  }

  toJSON() {
    return { vocabulary: this.vocabulary.toJSON(), maxLength: this.maxLength }
  }
}

/** What `classify` knows of texts. */
export const texts: Inputs<string, typeof defaults, TextEncoder> = {
  what: 'text',
  defaults,
  check: checkTexts,
  learn(items, { vocabulary: maxSize, minCount, maxLength }) {
    checkInteger("classify.train 'maxLength'", maxLength)
    const { vocabulary, ids } = Vocabulary.fromTexts(items, { maxSize, minCount, maxLength })
    return { encoder: new TextEncoder(vocabulary, maxLength), rows: ids.map(orUnknown) }
  },
  fromJSON: ({ vocabulary, maxLength }) =>
    new TextEncoder(Vocabulary.fromJSON(vocabulary), checkInteger('maxLength', maxLength)),
  front(x, { size }, { embedding }) {
    return embeddingLayer({ inputDim: size, outputDim: embedding, maskZero: true }).apply(x)
  },
}
