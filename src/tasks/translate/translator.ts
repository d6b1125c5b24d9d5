/** A trained translator: what it predicts, how good it is, and its file. */
import { pick } from '../../data/split.ts'
import { Subwords } from '../../data/subwords.ts'
import { RefrainError } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import { pauser } from '../../train/pause.ts'
import type { History } from '../../train/plan.ts'
import { checkInteger, checkNumber, checkOptions, checkTexts } from '../../util/check.ts'
import { encodersOfTask, type FileOptions } from '../training.ts'
import { type Decoded, Decoder } from './decode.ts'
import { Network } from './network.ts'
import { scoreTranslations, type TranslationScores } from './score.ts'

export type { TranslationScores } from './score.ts'

/** Texts and what each becomes. */
export interface TextPairs {
  readonly sources: readonly string[]
  readonly targets: readonly string[]
}

/** Options of `predict`. */
export interface PredictOptions {
  /** Hypotheses that are followed at a time; 1 takes the likeliest piece at each step. Default 5. */
  beam?: number
  /**
   * A hypothesis of n pieces counts as its log probability / n^this: 0 prefers short ones. Default 1.
   */
  lengthPenalty?: number
  /** Translations of each text, best first; at most `beam`. Default 1. */
  nBest?: number
  /** Most pieces of a translation of n pieces: this · n + 10. Default 2. */
  maxRatio?: number
  /** Say where each piece's step looked. Default false. */
  attention?: boolean
  /** Texts translated at a time. Default 32. */
  batchSize?: number
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends PredictOptions {
  /** Pairs of one source are one example with several references. Default false. */
  grouped?: boolean
}

/** Where a translation's steps looked. */
export interface AttentionMatrix {
  /** Pieces of the source, its end included. */
  readonly source: readonly string[]
  /** Pieces of the translation, its end included if it came. */
  readonly target: readonly string[]
  /** weights[target][source]; rows sum to 1. */
  readonly weights: readonly (readonly number[])[]
}

/** One translation. */
export interface Translation {
  readonly text: string
  /** Its log probability, divided by its number of pieces to the power of `lengthPenalty`. */
  readonly score: number
  /** With `attention`. */
  readonly attention?: AttentionMatrix
}

/** The best translation of a text; with `nBest` above 1 all of them, best first. */
export interface Prediction extends Translation {
  readonly nBest?: readonly Translation[]
}

/** What `evaluate` finds. */
export interface Evaluation extends TranslationScores {
  /** In the order of the sources; of grouped ones, of the first of each. */
  readonly translations: readonly string[]
}

const task = 'translate'

/** A trained translator. */
export class Translator {
  readonly model: Model
  /** Pieces of the sources. */
  readonly source: Subwords
  /** Pieces of the targets. */
  readonly target: Subwords
  /** Epoch by epoch; null for a loaded translator. */
  readonly history: History | null
  #decoder: Decoder | null = null

  constructor(parts: { model: Model; source: Subwords; target: Subwords; history?: History }) {
    this.model = parts.model
    this.source = parts.source
    this.target = parts.target
    this.history = parts.history ?? null
  }

  /** Translations of texts, in the order of the texts. */
  async predict(texts: readonly string[], options: PredictOptions = {}): Promise<Prediction[]> {
    checkTexts('translate', texts)
    checkOptions('predict', options, predictOptions)
    const { beam = 5, lengthPenalty = 1, nBest = 1, maxRatio = 2, batchSize = 32 } = options
    const { attention = false } = options
    checkInteger("predict 'beam'", beam)
    checkInteger("predict 'batchSize'", batchSize)
    checkNumber("predict 'lengthPenalty'", lengthPenalty, 0)
    checkNumber("predict 'maxRatio'", maxRatio, 0)
    if (checkInteger("predict 'nBest'", nBest) > beam) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `predict 'nBest': expected at most the beam, ${beam}, got ${nBest}`,
        'raise beam',
      )
    }
    this.#decoder ??= new Decoder(new Network(this.model))
    const rows = withEnds(this.source.encodeTexts(texts))
    // The longest first, so that memory is taken once.
    const order = rows.map((_, i) => i).sort((a, b) => rows[b].length - rows[a].length || a - b)
    const results = new Array<Prediction>(texts.length)
    const pause = pauser()
    for (let start = 0; start < order.length; start += batchSize) {
      const batch = order.slice(start, start + batchSize)
      const found = this.#decoder.decode(pick(rows, batch), {
        beam,
        lengthPenalty,
        nBest,
        maxRatio,
        attention,
      })
      batch.forEach((i, b) => {
        const all = found[b].map((one) => this.#translation(rows[i], one))
        results[i] = nBest > 1 ? { ...all[0], nBest: all } : all[0]
      })
      await pause()
    }
    return results
  }

  #translation(source: Int32Array, { ids, rows, score, attention }: Decoded): Translation {
    const text = this.target.decode(ids)
    if (!attention) return { text, score }
    const ended = rows.length > ids.length ? [Subwords.end] : []
    return {
      text,
      score,
      attention: {
        source: this.source.pieces(source),
        target: this.target.pieces([...ids, ...ended]),
        weights: attention.map((row) => [...row]),
      },
    }
  }

  /** Scores of the translations of these sources against their targets. */
  async evaluate(pairs: TextPairs, options: EvaluateOptions = {}): Promise<Evaluation> {
    const { grouped = false, ...rest } = options
    checkPairs(pairs)
    const { sources, references } = grouped
      ? groupPairs(pairs)
      : { sources: pairs.sources, references: pairs.targets.map((text) => [text]) }
    const predictions = await this.predict(sources, rest)
    const translations = predictions.map(({ text }) => text)
    return { ...scoreTranslations(references, translations), translations }
  }

  /** Writes the translator to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, { ...options, encoders: encodersOf(this) })
  }
}

const predictOptions = ['beam', 'lengthPenalty', 'nBest', 'maxRatio', 'attention', 'batchSize']

/** What the file holds beside the model. */
export const encodersOf = ({ source, target }: Pick<Translator, 'source' | 'target'>) => ({
  task,
  source: source.toJSON(),
  target: target.toJSON(),
})

/** Rows with the end behind them. */
export const withEnds = (rows: readonly Int32Array[]) =>
  rows.map((row) => {
    const longer = new Int32Array(row.length + 1)
    longer.set(row)
    longer[row.length] = Subwords.end
    return longer
  })

/** Fails unless there is a target for each source. */
export function checkPairs({ sources, targets }: TextPairs): void {
  checkTexts('translate', sources)
  checkTexts('translate', targets)
  if (sources.length === 0) {
    throw new RefrainError('BAD_DATA', 'translate: expected at least one pair, got none')
  }
  if (sources.length !== targets.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      'translate: expected a target for each source, ' +
        `got ${sources.length} sources and ${targets.length} targets`,
    )
  }
}

/** Each source once, with all its targets. */
function groupPairs({ sources, targets }: TextPairs) {
  const groups = new Map<string, string[]>()
  sources.forEach((source, i) => {
    const own = groups.get(source)
    if (own) own.push(targets[i])
    else groups.set(source, [targets[i]])
  })
  return { sources: [...groups.keys()], references: [...groups.values()] }
}

/** Reads a translator that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Translator> {
  return fromFile(await loadFile(path), path)
}

/** The translator in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Translator {
  const { model } = file
  const json = encodersOfTask(file, path, task, 'a translator')
  let parts: Pick<Translator, 'source' | 'target'>
  let network: Network
  try {
    parts = { source: Subwords.fromJSON(json.source), target: Subwords.fromJSON(json.target) }
    network = new Network(model)
  } catch (cause) {
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }
  const sizes = [network.sources.inputDim, network.targets.inputDim]
  if (sizes[0] !== parts.source.size || sizes[1] !== parts.target.size) {
    throw new RefrainError(
      'BAD_FILE',
      `${path}: its ${parts.source.size} and ${parts.target.size} pieces do not fit its weights, ` +
        `which are for ${sizes[0]} and ${sizes[1]}`,
    )
  }
  return new Translator({ model, ...parts })
}
