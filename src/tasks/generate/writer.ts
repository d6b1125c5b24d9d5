/** A trained model that writes text. */
import { RefrainError, show } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { pauser } from '../../train/pause.ts'
import type { History } from '../../train/plan.ts'
import { checkInteger, checkOptions, checkTexts } from '../../util/check.ts'
import type { FileOptions } from '../training.ts'
import { areDocuments, natsOf, sequencesOf } from './language.ts'
import { checkSampling, drawIds, type SamplingOptions, samplingNames } from './sampling.ts'
import { Symbols } from './symbols.ts'

/** Options of `writer.generate`, and of the others that write. */
export interface WriteOptions extends SamplingOptions {
  /** Most symbols: characters, words or pieces of words, as in training. Default 500. */
  length?: number
  /** Writing ends before the first of these. Default none. */
  stop?: string | readonly string[]
  /**
   * What becomes of symbols of the prompt that training never saw: 'error' (default) says which they are,
   * 'skip' leaves them out. Models of words know an unknown word and read on, whatever this says.
   */
  unknown?: 'error' | 'skip'
}

/** How well a model foretells texts. */
export interface TextEvaluation {
  /** Symbols foretold. */
  readonly symbols: number
  /** Characters (code points) of the texts. */
  readonly characters: number
  /** Mean cross-entropy of a symbol, nats. */
  readonly loss: number
  /** e to the loss. */
  readonly perplexity: number
  /** Bits that a character takes, whatever the symbols. */
  readonly bitsPerCharacter: number
}

/** Texts to evaluate on, as `readDocuments` gives them. */
export interface Texts {
  readonly texts: readonly string[]
  /** Where text i comes from, for errors. */
  where?(i: number): string
}

/** What a writer is beside its model. */
export interface WriterParts {
  readonly symbols: Symbols
  /** Whether texts end, so that the model can end one: it learned from several. */
  readonly ends: boolean
  /** Windows in which it was trained, and is evaluated. */
  readonly bpttSteps: number
}

/** Writes text, symbol by symbol. */
export class Writer implements WriterParts {
  readonly kind = 'text'
  readonly model: Model
  readonly symbols: Symbols
  readonly ends: boolean
  readonly bpttSteps: number
  /** Epoch by epoch; null for a loaded writer. */
  readonly history: History | null

  constructor(parts: WriterParts & { model: Model; history?: History }) {
    this.model = parts.model
    this.symbols = parts.symbols
    this.ends = parts.ends
    this.bpttSteps = parts.bpttSteps
    this.history = parts.history ?? null
  }

  /**
   * Writes on from the prompt ('': from the beginning of a text) and gives what it writes piece by piece:
   *
   *     for await (const piece of writer.generate('Call me ')) process.stdout.write(piece)
   *
   * It ends after `length` symbols, before a stop string, or where the model ends the text. Throws
   * `BAD_DATA` for a prompt with unknown symbols.
   */
  async *generate(prompt = '', options: WriteOptions = {}): AsyncGenerator<string> {
    const { length, stops, drawing } = this.#plan('generate', prompt, options, 1)
    const pause = pauser()
    const cutter = new StopCutter(stops)
    let written = 0
    for (const ids of drawIds(drawing)) {
      if (ids[0] === Symbols.boundary) break
      const text = cutter.push(this.symbols.texts[ids[0]])
      if (text) yield text
      if (cutter.stopped || ++written === length) break
      await pause()
    }
    const rest = cutter.rest()
    if (rest) yield rest
  }

  /** What `generate` writes, at once; without the prompt. */
  async write(prompt = '', options: WriteOptions = {}): Promise<string> {
    return (await this.samples(prompt, { ...options, count: 1 }))[0]
  }

  /**
   * Several texts (default 4), written side by side, which takes hardly longer than one. The first is
   * what `generate` writes.
   */
  async samples(prompt = '', options: WriteOptions & { count?: number } = {}): Promise<string[]> {
    const { count: given, ...rest } = options
    const count = checkInteger("samples 'count'", given ?? 4)
    const { length, stops, drawing } = this.#plan('samples', prompt, rest, count)
    const pause = pauser()
    const cutters = Array.from({ length: count }, () => new StopCutter(stops))
    const texts = new Array<string>(count).fill('')
    let open = count
    let written = 0
    for (const ids of drawIds(drawing)) {
      for (let row = 0; row < count; row++) {
        const cutter = cutters[row]
        if (cutter.stopped) continue
        if (ids[row] === Symbols.boundary) {
          texts[row] += cutter.rest()
          cutter.stopped = true
        } else {
          texts[row] += cutter.push(this.symbols.texts[ids[row]])
        }
        if (cutter.stopped) open--
      }
      if (open === 0 || ++written === length) break
      await pause()
    }
    return texts.map((text, row) => text + cutters[row].rest())
  }

  /** How well the model foretells these texts: as one stream, or each by itself if there are many. */
  async evaluate({ texts }: Texts, options: { batchSize?: number } = {}): Promise<TextEvaluation> {
    checkOptions('evaluate', options, ['batchSize'])
    checkTexts('evaluate', texts)
    if (!texts.some((text) => text !== '')) {
      throw new RefrainError('BAD_DATA', 'evaluate: expected a text, got none')
    }
    const batchSize = checkInteger("evaluate 'batchSize'", options.batchSize ?? 32)
    const { bpttSteps } = this
    const ids = texts.map((text) => this.symbols.encode(text))
    const documents = areDocuments(texts.length, batchSize)
    const rows = sequencesOf(ids, { batchSize, bpttSteps }, documents, false)
    const loss = await natsOf(this.model, rows, batchSize, bpttSteps)
    const characters = texts.reduce((sum, text) => sum + [...text].length, 0)
    const symbols = ids.reduce((sum, { length }) => sum + length, 0)
    return {
      symbols: rows.count,
      characters,
      loss,
      perplexity: Math.exp(loss),
      bitsPerCharacter: (loss * symbols) / characters / Math.LN2,
    }
  }

  /** Writes the model to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, { ...options, encoders: writerEncoders(this) })
  }

  #plan(where: string, prompt: string, options: WriteOptions, rows: number) {
    checkOptions(where, options, ['length', 'stop', 'unknown', ...samplingNames])
    const { symbols, model } = this
    const sampling = checkSampling(where, options)
    const length = checkInteger(`${where} 'length'`, options.length ?? 500)
    const stops = [options.stop ?? []].flat()
    checkTexts(`${where} 'stop'`, stops)
    const ids = this.#encode(where, prompt, options.unknown ?? 'error')
    const blocked = [Symbols.unknown, ...symbols.texts.keys()].filter(
      (id) => symbols.texts[id] === '' && (id !== Symbols.boundary || !this.ends),
    )
    const prime = [Symbols.boundary, ...ids]
    const drawing = { model, size: symbols.size, blocked, prime, noted: ids.length, rows, sampling }
    return { length, stops: stops.filter((stop) => stop !== ''), drawing }
  }

  #encode(where: string, prompt: string, unknown: string): number[] {
    checkTexts(`${where} 'prompt'`, [prompt])
    if (unknown !== 'error' && unknown !== 'skip') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${where} 'unknown': expected 'error' or 'skip', got ${show(unknown)}`,
      )
    }
    const ids = this.symbols.encode(prompt)
    if (this.symbols.unit === 'words' || !ids.includes(Symbols.unknown)) return ids
    if (unknown === 'skip') return ids.filter((id) => id !== Symbols.unknown)
    throw new RefrainError(
      'BAD_DATA',
      `${where}: the prompt has ${showAll(this.symbols.unknownIn(prompt))}, which the model has never seen`,
      "leave it out, or give unknown: 'skip' (--unknown skip)",
    )
  }
}

const showAll = (symbols: readonly string[]) => symbols.slice(0, 10).map(show).join(', ')

/** What a writer's file holds beside the model. */
export const writerEncoders = ({ symbols, ends, bpttSteps }: WriterParts) => ({
  task: 'generate',
  kind: 'text',
  symbols: symbols.toJSON(),
  ends,
  bpttSteps,
})

/** Passes text on up to the first stop string; holds back what may be the beginning of one. */
export class StopCutter {
  stopped = false
  readonly #stops: readonly string[]
  #held = ''

  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** What can be passed on once this has come. */
  push(text: string): string {
    if (this.#stops.length === 0) return text
    this.#held += text
    const found = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0)
    if (found.length > 0) {
      const passed = this.#held.slice(0, Math.min(...found))
      this.stopped = true
      this.#held = ''
      return passed
    }
    let keep = 0
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > keep; n--) {
        if (this.#held.endsWith(stop.slice(0, n))) keep = n
      }
    }
    const passed = this.#held.slice(0, this.#held.length - keep)
    this.#held = this.#held.slice(passed.length)
    return passed
  }

  /** What was held back, at the end. */
  rest(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }
}
