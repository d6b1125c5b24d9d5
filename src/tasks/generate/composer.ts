/** A trained model that writes music as events: tunes and chords, with their durations. */
import { byStart, checkPiece, type Note, type Piece, transpose } from '../../data/music.ts'
import { pick, split } from '../../data/split.ts'
import { RefrainError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { pauser } from '../../train/pause.ts'
import type { History } from '../../train/plan.ts'
import { checkInteger, checkNumber, checkOptions } from '../../util/check.ts'
import { type FileOptions, settingsOf } from '../training.ts'
import { EventReader, eventsOf } from './events.ts'
import { fitLanguage, languageModel, natsOf, sequencesOf, stepsPerEpoch } from './language.ts'
import { checkSampling, drawIds, type SamplingOptions, samplingNames } from './sampling.ts'
import { type GenerateOptions, languageSize, sharedDefaults, sized } from './settings.ts'
import { Symbols } from './symbols.ts'

/** Options of `generate.trainTunes`. */
export interface TuneOptions extends GenerateOptions {
  /**
   * Each piece of the training part is also learned so many semitones, and fewer, higher and lower, as
   * far as there are keys. Default 5; 0: as it is.
   */
  transpose?: number
  /** Width of the events' vectors. Default 64. */
  embedding?: number
}

/** The options' defaults. */
export const tuneDefaults = {
  ...sharedDefaults,
  transpose: 5,
  embedding: null as number | null,
}

/** Options of a composer's `generate` and `compose`. */
export interface ComposeOptions extends SamplingOptions {
  /** A phrase to go on from; it is the beginning of what comes out of `compose`. Default: none. */
  prime?: Piece
  /** Most notes, without those of the phrase. Default 200. */
  length?: number
  /** Quarter notes a minute of what comes out. Default: the phrase's, or the training pieces' median. */
  tempo?: number
  /** What it is called. Default ''. */
  title?: string
}

/** Pieces to learn from. */
export interface Pieces {
  readonly pieces: readonly Piece[]
  /** Where piece i comes from, for errors. */
  where?(i: number): string
}

/** How well a model foretells pieces. */
export interface TuneEvaluation {
  readonly pieces: number
  readonly events: number
  /** Mean cross-entropy of an event, nats. */
  readonly loss: number
  /** e to the loss. */
  readonly perplexity: number
}

/** What a composer is beside its model. */
export interface TuneParts {
  readonly symbols: Symbols
  readonly stepsPerBeat: number
  readonly tempo: number
  readonly bpttSteps: number
}

/** Writes music note by note. */
export class TuneComposer implements TuneParts {
  readonly kind = 'events'
  readonly model: Model
  readonly symbols: Symbols
  /** The grid of what it reads and writes: steps in a quarter note. */
  readonly stepsPerBeat: number
  readonly tempo: number
  readonly bpttSteps: number
  /** Epoch by epoch; null for a loaded composer. */
  readonly history: History | null

  constructor(parts: TuneParts & { model: Model; history?: History }) {
    this.model = parts.model
    this.symbols = parts.symbols
    this.stepsPerBeat = parts.stepsPerBeat
    this.tempo = parts.tempo
    this.bpttSteps = parts.bpttSteps
    this.history = parts.history ?? null
  }

  /**
   * Writes notes one by one, in the order of their starts, until `length` or the end of the piece.
   * Throws `BAD_DATA` for a phrase with pitches or durations that training never saw.
   */
  async *generate(options: ComposeOptions = {}): AsyncGenerator<Note> {
    checkOptions('generate', options, ['prime', 'length', 'tempo', 'title', ...samplingNames])
    const sampling = checkSampling('generate', options)
    const length = checkInteger("generate 'length'", options.length ?? 200)
    const { symbols, model } = this
    const reader = new EventReader()
    const ids = this.#primed(options.prime, reader)
    const prime = [Symbols.boundary, ...ids]
    const blocked = [Symbols.unknown]
    const drawing = {
      model,
      size: symbols.size,
      blocked,
      prime,
      noted: ids.length,
      rows: 1,
      sampling,
    }
    const pause = pauser()
    let written = 0
    for (const [id] of drawIds(drawing)) {
      const note = id === Symbols.boundary ? reader.end() : reader.push(symbols.texts[id])
      if (note) yield note
      if (id === Symbols.boundary || (note && ++written === length)) return
      await pause()
    }
  }

  /** The piece that `generate` writes, behind the phrase if there is one. */
  async compose(options: ComposeOptions = {}): Promise<Piece> {
    const { prime, tempo = prime?.tempo ?? this.tempo, title = '' } = options
    checkNumber("compose 'tempo'", tempo, 1, 1000)
    const notes: Note[] = [...(prime?.notes ?? [])]
    for await (const note of this.generate(options)) notes.push(note)
    return { notes: notes.sort(byStart), stepsPerBeat: this.stepsPerBeat, tempo, title }
  }

  /** How well the model foretells these pieces. */
  async evaluate(data: Pieces): Promise<TuneEvaluation> {
    checkPieces(data, this.stepsPerBeat)
    const { bpttSteps, symbols } = this
    const ids = data.pieces.map((piece) => symbols.encode(eventsOf(piece)))
    const rows = sequencesOf(ids, { batchSize: 32, bpttSteps }, true, false)
    const loss = await natsOf(this.model, rows, 32, bpttSteps)
    return { pieces: ids.length, events: rows.count, loss, perplexity: Math.exp(loss) }
  }

  /** Writes the model to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, { ...options, encoders: tuneEncoders(this) })
  }

  #primed(prime: Piece | undefined, reader: EventReader): number[] {
    if (!prime) return []
    checkPieces({ pieces: [prime] }, this.stepsPerBeat)
    const text = eventsOf(prime)
    const ids = this.symbols.encode(text)
    if (ids.includes(Symbols.unknown)) {
      throw new RefrainError(
        'BAD_DATA',
        `generate 'prime': the phrase has ${this.symbols.unknownIn(text).join(', ')}, which the model has never ` +
          'seen (n: a pitch, d: a duration, w: a time between notes)',
        'transpose it, or put it on another grid',
      )
    }
    for (const event of text.split(' ')) reader.push(event)
    return ids
  }
}

/** What a composer's file holds beside the model. */
export const tuneEncoders = ({ symbols, stepsPerBeat, tempo, bpttSteps }: TuneParts) => ({
  task: 'generate',
  kind: 'events',
  symbols: symbols.toJSON(),
  stepsPerBeat,
  tempo,
  bpttSteps,
})

/** Fails unless there are pieces, all with notes and on one grid. */
function checkPieces({ pieces, where }: Pieces, grid?: number): number {
  if (!(pieces?.length > 0)) {
    throw new RefrainError('BAD_DATA', 'generate: expected at least one piece, got none')
  }
  const steps = grid ?? pieces[0].stepsPerBeat
  pieces.forEach((piece, i) => {
    const at = where?.(i) ?? `piece ${i + 1}`
    checkPiece(at, piece)
    if (piece.notes.length === 0) throw new RefrainError('BAD_DATA', `${at}: it has no notes`)
    if (piece.stepsPerBeat === steps) return
    throw new RefrainError(
      'BAD_DATA',
      `${at}: expected ${steps} steps a quarter note, got ${piece.stepsPerBeat}`,
      `read it with stepsPerBeat: ${steps}`,
    )
  })
  return steps
}

/**
 * Trains a model that writes music like these pieces, monophonic or not. Each begins anew and can end;
 * some are for validation. Throws `BAD_DATA` for pieces without notes and for grids that differ.
 */
export async function trainTunes(data: Pieces, options: TuneOptions = {}): Promise<TuneComposer> {
  const given = settingsOf('generate.trainTunes', tuneDefaults, options)
  const whole = sized(given, languageSize)
  const settings = { ...whole, embedding: given.embedding ?? 64, tied: false }
  checkNumber("generate.trainTunes 'validation'", settings.validation, 0, 0.9)
  checkInteger("generate.trainTunes 'transpose'", settings.transpose, 0)
  const stepsPerBeat = checkPieces(data)
  const tempos = data.pieces.map(({ tempo }) => tempo).sort((a, b) => a - b)
  const tempo = tempos[Math.floor(tempos.length / 2)]
  const parts = split(new Array(data.pieces.length).fill(0), {
    validation: settings.validation,
    seed: settings.seed,
  })
  const shifts = Array.from(
    { length: 2 * settings.transpose + 1 },
    (_, i) => i - settings.transpose,
  )
  const trained = pick(data.pieces, parts.train).flatMap((piece) =>
    shifts
      .map((by) => transpose(piece, by))
      .filter((moved) => moved !== null)
      .map(eventsOf),
  )
  const held = pick(data.pieces, parts.validation).map(eventsOf)
  const symbols = Symbols.learn('events', trained, 1000)
  const encode = (texts: readonly string[]) => texts.map((text) => symbols.encode(text))
  const rows = (texts: readonly string[], training: boolean) =>
    sequencesOf(encode(texts), settings, true, training)
  const sequences = {
    train: rows(trained, true),
    validation: held.length > 0 ? rows(held, false) : null,
  }
  const model = languageModel(symbols, settings, stepsPerEpoch(sequences.train, settings))
  const own = { symbols, stepsPerBeat, tempo, bpttSteps: settings.bpttSteps }
  model.encoders = { ...tuneEncoders(own), settings: given }
  const history = await fitLanguage(model, sequences, settings, options)
  return new TuneComposer({ model, ...own, history })
}
