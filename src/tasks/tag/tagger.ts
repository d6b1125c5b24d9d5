/** A trained tagger: predictions and how good they are. */
import type { LabelEncoder } from '../../data/labels.ts'
import { tokenize } from '../../data/tokenize.ts'
import { RefrainError, show } from '../../errors.ts'
import type { Crf } from '../../layers/crf.ts'
import { model as functional } from '../../model/functional.ts'
import type { Model } from '../../model/model.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { type EntityReport, entityScores } from '../../train/metrics-entities.ts'
import type { History } from '../../train/plan.ts'
import { checkOptions, suggest } from '../../util/check.ts'
import { parseTag, spansOf, type TagScheme } from '../../util/tags.ts'
import type { FileOptions } from '../training.ts'
import { checkSentences, checkTokens, convertTags, type TaggedSentences } from './data.ts'
import { explainTag, findWord, type TagExplanation } from './explain.ts'
import type { WordEncoder } from './words.ts'

/** The name of the task in files. */
export const task = 'tag'

/** The scheme of a model's tags; what goes in may have any, what comes out is BIO. */
export const scheme: TagScheme = 'BIOES'

/** What a tagger is made of. */
export interface TaggerParts {
  readonly model: Model
  readonly encoder: WordEncoder
  readonly labels: LabelEncoder
  readonly spans: boolean
  readonly history?: History
}

/** A span of words, such as a name. */
export interface TagSpan {
  /** Its first word. */
  readonly start: number
  /** One past its last word. */
  readonly end: number
  readonly label: string
  readonly text: string
  /** The least certain of its words' probabilities. */
  readonly score: number
}

/** A sentence with its tags. */
export interface Tagged {
  /**
   * As it was given, in Unicode's form NFC and with plain apostrophes; words that were given, joined
   * by spaces.
   */
  readonly text: string
  readonly tokens: readonly string[]
  /** Where in `text` each word begins and ends. */
  readonly offsets: readonly (readonly [start: number, end: number])[]
  /** Those of spans in the scheme BIO. */
  readonly tags: readonly string[]
  /** The probability of each tag. */
  readonly scores: readonly number[]
  /** Empty where tags mark no spans. */
  readonly spans: readonly TagSpan[]
}

/** How well one tag was found. */
export interface TagScore {
  readonly tag: string
  readonly words: number
  readonly precision: number
  readonly recall: number
  readonly f1: number
}

/** How well a tagger does on tagged sentences. */
export interface Evaluation {
  readonly sentences: number
  readonly words: number
  /** The share of words with the right tag; of spans' tags in the scheme BIO. */
  readonly accuracy: number
  /** Words that the vocabulary lacks, and the share of them with the right tag. */
  readonly unknown: { readonly words: number; readonly accuracy: number }
  /** Spans by conlleval's rules; null where tags mark none. */
  readonly entities: EntityReport | null
  /** Of each tag, the most frequent first. */
  readonly tags: readonly TagScore[]
  /** confusion[true][predicted], in the order of `tags`; other tags that were predicted are left out. */
  readonly confusion: readonly (readonly number[])[]
  /** Tags in the sentences that training never saw: none of their words can be right. */
  readonly unknownTags: readonly string[]
}

/** Most numbers that a prediction takes at a time, as 4 bytes each. */
const room = 2 ** 22

/** A trained tagger. */
export class Tagger {
  readonly model: Model
  readonly encoder: WordEncoder
  /** Of spans in the scheme BIOES, as the model has them. */
  readonly labels: LabelEncoder
  /** Whether tags mark spans. */
  readonly spans: boolean
  /** Epoch by epoch; null for a loaded tagger. */
  readonly history: History | null
  #scored: Model<Tensor[]> | null = null

  constructor(parts: TaggerParts) {
    this.model = parts.model
    this.encoder = parts.encoder
    this.labels = parts.labels
    this.spans = parts.spans
    this.history = parts.history ?? null
  }

  /**
   * Tags of sentences, in their order. A text is cut into words by `tokenize`; words are taken as they
   * are. Throws `BAD_DATA` for a sentence that is neither.
   */
  async predict(sentences: readonly (string | readonly string[])[]): Promise<Tagged[]> {
    if (!Array.isArray(sentences)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `predict: expected an array of texts or of arrays of words, got ${show(sentences)}`,
      )
    }
    const given = sentences.map((sentence, i) => wordsOf(sentence, `predict: sentence ${i + 1}`))
    const found = await this.#tag(
      given.map(({ tokens }) => tokens),
      true,
    )
    return given.map((sentence, i) => {
      const { tags, scores } = found[i]
      return { ...sentence, tags, scores, spans: this.spans ? spansIn(sentence, found[i]) : [] }
    })
  }

  /** Scores on tagged sentences; a tag that training never saw counts as an error. */
  async evaluate(data: TaggedSentences): Promise<Evaluation> {
    checkSentences('evaluate', data)
    const found = await this.#tag(data.tokens, false)
    const known = new Set(this.labels.labels.map((label) => this.#plain(label)))
    const entities = entityScores()
    const counts = new Map<string, [words: number, given: number, right: number]>()
    const of = (tag: string) => {
      if (!counts.has(tag)) counts.set(tag, [0, 0, 0])
      return counts.get(tag)!
    }
    const pairs = new Map<string, number>()
    const total = { words: 0, right: 0, unknown: 0, unknownRight: 0 }
    data.tokens.forEach((tokens, i) => {
      const where = data.where?.(i) ?? `sentence ${i + 1}`
      const wanted = this.spans ? convertTags(data.tags[i], 'BIO', where) : data.tags[i]
      const given = found[i].tags
      if (this.spans) entities.update([wanted], [given])
      wanted.forEach((tag, t) => {
        const right = tag === given[t] ? 1 : 0
        of(tag)[0]++
        of(given[t])[1]++
        of(tag)[2] += right
        const pair = `${tag}\0${given[t]}`
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
        total.words++
        total.right += right
        if (this.encoder.knows(tokens[t])) return
        total.unknown++
        total.unknownRight += right
      })
    })
    const scores = [...counts].filter(([, [words]]) => words > 0).map(scoreOf)
    scores.sort((a, b) => b.words - a.words || (a.tag < b.tag ? -1 : 1))
    return {
      sentences: data.tokens.length,
      words: total.words,
      accuracy: total.right / total.words,
      unknown: {
        words: total.unknown,
        accuracy: total.unknown === 0 ? 0 : total.unknownRight / total.unknown,
      },
      entities: this.spans ? entities.report : null,
      tags: scores,
      confusion: scores.map((a) => scores.map((b) => pairs.get(`${a.tag}\0${b.tag}`) ?? 0)),
      unknownTags: [...counts.keys()].filter((tag) => !known.has(tag)).sort(),
    }
  }

  /**
   * What each word of a sentence adds to the score of one word's tag, by integrated gradients: the
   * contributions' sum is the score less that in a sentence of unknown words. A word is given by its
   * number, from 0, or as it is written: then the first. The tag is the one that `predict` gives, or
   * `tag`; where tags mark spans, in the scheme BIO.
   *
   * Throws `BAD_ARGUMENT` for a word that is not there, and `UNKNOWN_OPTION` for an unknown tag.
   */
  async explain(
    sentence: string | readonly string[],
    options: { word: number | string; tag?: string },
  ): Promise<TagExplanation> {
    checkOptions('explain', options, ['word', 'tag'])
    const { tokens } = wordsOf(sentence, 'explain')
    const at = findWord(tokens, options.word)
    const [{ tags }] = await this.#tag([tokens], false)
    const tag = options.tag ?? tags[at]
    const { labels } = this.labels
    const chosen = new Set(labels.flatMap((label, k) => (this.#plain(label) === tag ? [k] : [])))
    if (chosen.size === 0) {
      const known = [...new Set(labels.map((label) => this.#plain(label)))]
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `explain: unknown tag ${show(tag)}`,
        suggest(tag, known),
      )
    }
    return { word: tokens[at], at, tag, ...(await explainTag(this, tokens, at, chosen)) }
  }

  /** Writes the tagger to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, { ...options, encoders: encodersOf(this) })
  }

  /** A tag of the model's as it comes out. */
  #plain(label: string): string {
    return this.spans ? label.replace(/^E/, 'I').replace(/^S/, 'B') : label
  }

  /** Tags, and their probabilities if `scored`, in batches of like length that memory has room for. */
  async #tag(sentences: readonly (readonly string[])[], scored: boolean) {
    const { labels } = this
    const order = sentences.map((_, i) => i)
    order.sort((a, b) => sentences[b].length - sentences[a].length || a - b)
    const out = new Array<{ tags: string[]; scores: number[] }>(sentences.length)
    for (let at = 0; at < order.length; ) {
      const each = Math.max(1, sentences[order[at]].length)
      const rows = order.slice(at, at + Math.max(1, Math.floor(room / (each * labels.size))))
      at += rows.length
      // A text without words has no tags.
      const filled = rows.filter((row) => sentences[row].length > 0)
      for (const row of rows) out[row] = { tags: [], scores: [] }
      if (filled.length === 0) continue
      const own = filled.map((row) => sentences[row])
      const { path, probabilities } = await this.#run(own, scored)
      const steps = own[0].length
      filled.forEach((row, r) => {
        const ids = path.subarray(r * steps, r * steps + sentences[row].length)
        const tags = labels.decode(ids)
        out[row] = {
          tags: this.spans ? convertTags(tags, 'BIO') : tags,
          scores: Array.from(
            ids,
            (id, t) => probabilities?.[(r * steps + t) * labels.size + id] ?? 1,
          ),
        }
      })
    }
    return out
  }

  /** Labels [N,T], and probabilities [N,T,K]. */
  async #run(sentences: readonly (readonly string[])[], scored: boolean) {
    const { words, characters } = this.encoder.encode(sentences)
    const inputs = [words, characters]
    const { size } = this.labels
    if (!this.spans) {
      const probabilities = (await (await this.model.predict(inputs)).data()) as Float32Array
      const path = new Int32Array(probabilities.length / size)
      for (let i = 0; i < path.length; i++) {
        const start = i * size
        let best = 0
        for (let k = 1; k < size; k++) {
          if (probabilities[start + k] > probabilities[start + best]) best = k
        }
        path[i] = best
      }
      return { path, probabilities }
    }
    if (!scored) {
      return { path: (await (await this.model.predict(inputs)).data()) as Int32Array }
    }
    const [path, emissions] = await this.#withScores.predict(inputs)
    const crf = this.model.layers.at(-1) as Crf
    const lengths = sentences.map((tokens) => tokens.length)
    const marginals = crf.marginals(emissions, { lengths })
    return {
      path: (await path.data()) as Int32Array,
      probabilities: (await marginals.data()) as Float64Array,
    }
  }

  /** The same model, which also gives what goes into the CRF. */
  get #withScores(): Model<Tensor[]> {
    if (!this.#scored) {
      const { inputs, outputs } = this.model.graph!
      const [path] = outputs
      const [emissions] = path.node!.inputs
      const { backend } = this.model
      this.#scored = functional({ inputs, outputs: [path, emissions], backend }) as Model<Tensor[]>
      this.#scored.build()
    }
    return this.#scored
  }
}

/** What the file holds beside the model. */
export function encodersOf({
  encoder,
  labels,
  spans,
}: Pick<TaggerParts, 'encoder' | 'labels' | 'spans'>) {
  return { task, encoder: encoder.toJSON(), labels: labels.toJSON(), spans }
}

function scoreOf([tag, [words, given, right]]: [string, [number, number, number]]): TagScore {
  return {
    tag,
    words,
    precision: given === 0 ? 0 : right / given,
    recall: right / words,
    f1: (2 * right) / (words + given),
  }
}

type Sentence = Pick<Tagged, 'text' | 'tokens' | 'offsets'>

/** Words, and where in the text they are. */
function wordsOf(sentence: unknown, where: string): Sentence {
  if (typeof sentence !== 'string') {
    checkTokens(where, sentence)
    return locateWords((sentence as string[]).join(' '), sentence as string[])
  }
  // The form in which `tokenize` sees it, so that words are found again.
  const text = sentence.normalize('NFC').replace(/[’ʼ]/g, "'")
  return locateWords(text, tokenize(text, { lowercase: false }))
}

function locateWords(text: string, tokens: readonly string[]): Sentence {
  let at = 0
  const offsets = tokens.map((token) => {
    const start = text.indexOf(token, at)
    at = start + token.length
    return [start, at] as const
  })
  return { text, tokens, offsets }
}

function spansIn(
  { text, offsets }: Sentence,
  { tags, scores }: { tags: readonly string[]; scores: readonly number[] },
): TagSpan[] {
  return spansOf(tags.map((tag) => parseTag('predict', tag))).map(({ type, start, end }) => ({
    start,
    end,
    label: type,
    text: text.slice(offsets[start][0], offsets[end - 1][1]),
    score: Math.min(...scores.slice(start, end)),
  }))
}
