/**
 * Translation of texts into others: sentences of one language into another's, spellings into
 * pronunciations. `train` learns it from pairs and makes a `Translator`, which knows the pieces of both
 * sides and is one `.refrain` file.
 */
import { pick } from '../../data/split.ts'
import { Subwords } from '../../data/subwords.ts'
import { RefrainError } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import { Random } from '../../tensor/random.ts'
import { earlyStopping } from '../../train/callbacks.ts'
import { sparseCategoricalCrossentropy } from '../../train/losses.ts'
import { adam } from '../../train/optimizers.ts'
import { pauser } from '../../train/pause.ts'
import type { History } from '../../train/plan.ts'
import { reduceLrOnPlateau } from '../../train/rate-callbacks.ts'
import { checkInteger, checkNumber, checkOptions, checkTexts } from '../../util/check.ts'
import { encodersOfTask, type RunOptions, settingsOf } from '../training.ts'
import { type Decoded, Decoder } from './decode.ts'
import { buildNetwork, Network } from './network.ts'
import { scoreTranslations, type TranslationScores } from './score.ts'

export type { TranslationScores } from './score.ts'

/** Options of `translate.train`; the defaults suit some 10,000 to 100,000 pairs of sentences. */
export interface TranslateOptions extends RunOptions {
  /** Pairs to validate on instead of a share of those given. */
  validationData?: TextPairs
  /** Most epochs; training stops earlier when validation no longer improves. Default 30. */
  epochs?: number
  /** Epochs in which the validation loss does not improve before training stops. Default 3. */
  patience?: number
  /**
   * Factor of the learning rate after each epoch in which the validation loss does not improve; 1 keeps
   * it. Default 0.5.
   */
  decay?: number
  /**
   * Share of the pairs kept for validation, a source with all its targets. Default 0.05; 0: none, and
   * all epochs run.
   */
  validation?: number
  /** Default 64. */
  batchSize?: number
  /** Adam's. Default 0.001. */
  learningRate?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Width of the pieces' vectors, and of the vector that the next piece is chosen by. Default 256. */
  embedding?: number
  /** Units of the encoder in each direction; the decoder has twice as many. Default 256. */
  units?: number
  /** Dropout on pieces' vectors, the encoder's outputs and the decoder's. Default 0.3. */
  dropout?: number
  /** What the wrong pieces get of a target's probability in training. Default 0.1. */
  labelSmoothing?: number
  /**
   * Each step of the decoder reads what the step before it found; steps take a third longer and, at
   * first, teach less. Default false.
   */
  inputFeeding?: boolean
  /**
   * Share of the target's pieces that the decoder reads as it predicts them instead of as they are, so
   * that it learns to go on after mistakes ("scheduled sampling"); takes a second pass. Default 0.
   */
  scheduledSampling?: number
  /** Most pieces of the sources. Default 8,000. */
  sourceVocabulary?: number
  /** Most pieces of the targets. Default 8,000. */
  targetVocabulary?: number
  /** Read the source letter by letter, as for pronunciations. Default false. */
  letters?: boolean
  /** Pairs with more pieces than this on either side are left out of training. Default 100. */
  maxLength?: number
  /** Of the split, the weights, dropout and shuffling. Default 0. */
  seed?: number
}

/** The options' defaults. */
export const defaults = {
  epochs: 30,
  patience: 3,
  decay: 0.5,
  validation: 0.05,
  batchSize: 64,
  learningRate: 1e-3,
  clipNorm: 1,
  embedding: 256,
  units: 256,
  dropout: 0.3,
  labelSmoothing: 0.1,
  inputFeeding: false,
  scheduledSampling: 0,
  sourceVocabulary: 8000,
  targetVocabulary: 8000,
  letters: false,
  maxLength: 100,
  seed: 0,
}

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

  /** Writes the translator to a `.refrain` file, with further facts for its training record. */
  async save(path: string, training: Record<string, unknown> = {}): Promise<void> {
    await this.model.save(path, { encoders: encodersOf(this), training })
  }
}

const predictOptions = ['beam', 'lengthPenalty', 'nBest', 'maxRatio', 'attention', 'batchSize']

/** What the file holds beside the model. */
const encodersOf = ({ source, target }: Pick<Translator, 'source' | 'target'>) => ({
  task,
  source: source.toJSON(),
  target: target.toJSON(),
})

/** Rows with the end behind them. */
const withEnds = (rows: readonly Int32Array[]) =>
  rows.map((row) => {
    const longer = new Int32Array(row.length + 1)
    longer.set(row)
    longer[row.length] = Subwords.end
    return longer
  })

/** Rows with the start before them. */
const withStarts = (rows: readonly Int32Array[]) =>
  rows.map((row) => {
    const longer = new Int32Array(row.length + 1)
    longer[0] = Subwords.start
    longer.set(row, 1)
    return longer
  })

function checkPairs({ sources, targets }: TextPairs): void {
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

/** Indices of pairs for training and validation; no source is in both. */
export function splitPairs(sources: readonly string[], validation: number, seed: number) {
  const distinct = [...new Set(sources)]
  new Random(seed, 'split').shuffle(distinct)
  const count = Math.min(Math.round(validation * distinct.length), distinct.length - 1)
  const kept = new Set(distinct.slice(0, count))
  const indices = sources.map((_, i) => i)
  return {
    train: indices.filter((i) => !kept.has(sources[i])),
    validation: indices.filter((i) => kept.has(sources[i])),
  }
}

/**
 * Trains a translator on pairs of texts. Pieces and weights come from the training part alone; the
 * validation part decides when the learning rate falls and when to stop, and the best epoch's weights
 * stay.
 *
 * Throws `BAD_DATA` if there is no pair, or none that is short enough.
 */
export async function train(pairs: TextPairs, options: TranslateOptions = {}): Promise<Translator> {
  const { validationData, ...given } = options
  const settings = settingsOf('translate.train', defaults, given)
  checkNumber("translate.train 'validation'", settings.validation, 0, 0.9)
  checkNumber("translate.train 'decay'", settings.decay, 0.01, 1)
  checkInteger("translate.train 'maxLength'", settings.maxLength)
  checkPairs(pairs)
  const { seed } = settings
  if (validationData) checkPairs(validationData)
  const share = validationData ? 0 : settings.validation
  const parts = splitPairs(pairs.sources, share, seed)
  const source = Subwords.learn(pick(pairs.sources, parts.train), {
    size: settings.sourceVocabulary,
    ...(settings.letters && { pieceLength: 1 }),
  })
  const target = Subwords.learn(pick(pairs.targets, parts.train), {
    size: settings.targetVocabulary,
  })
  const encode = ({ sources, targets }: TextPairs) =>
    encodePairs(source.encodeTexts(sources), target.encodeTexts(targets), settings.maxLength)
  const part = (indices: readonly number[]) => ({
    sources: pick(pairs.sources, indices),
    targets: pick(pairs.targets, indices),
  })
  const training = encode(part(parts.train))
  if (training.sources.length === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `translate: none of ${parts.train.length} pairs has at most ${settings.maxLength} pieces on ` +
        'both sides',
      'raise maxLength',
    )
  }
  const validation = encode(validationData ?? part(parts.validation))
  const validated = validation.sources.length > 0
  const model = buildNetwork(source.size, target.size, settings)
  const { learningRate, clipNorm, labelSmoothing, patience, decay } = settings
  model.compile({
    optimizer: adam({ learningRate, globalClipNorm: clipNorm }),
    loss: sparseCategoricalCrossentropy({ labelSmoothing }),
  })
  // Before training, so that a checkpoint can translate, too; the settings, to resume with the same.
  model.encoders = { ...encodersOf({ source, target }), settings }
  const inputs = ({ sources, targets }: EncodedPairs) => [withStarts(targets), sources]
  const history = await model.fit(inputs(training), withEnds(training.targets), {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: validated ? [inputs(validation), withEnds(validation.targets)] : undefined,
    callbacks: [
      ...(validated ? [earlyStopping({ patience, restoreBestWeights: true })] : []),
      ...(validated && decay < 1
        ? [reduceLrOnPlateau({ factor: decay, patience: 1, minDelta: 0 })]
        : []),
      ...(options.callbacks ?? []),
    ],
    resume: options.resume,
  })
  return new Translator({ model, source, target, history })
}

interface EncodedPairs {
  /** With the end. */
  readonly sources: readonly Int32Array[]
  /** Without start and end. */
  readonly targets: readonly Int32Array[]
}

/** Pairs of pieces, those that are too long left out; the longest targets first. */
function encodePairs(
  sources: readonly Int32Array[],
  targets: readonly Int32Array[],
  maxLength: number,
): EncodedPairs {
  // Batches for validation are taken in this order, and are best of like lengths.
  const order = targets
    .map((_, i) => i)
    .filter((i) => sources[i].length <= maxLength && targets[i].length <= maxLength)
    .sort(
      (a, b) =>
        targets[b].length - targets[a].length || sources[b].length - sources[a].length || a - b,
    )
  return { sources: withEnds(pick(sources, order)), targets: pick(targets, order) }
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
