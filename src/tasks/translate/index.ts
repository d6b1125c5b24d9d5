/**
 * Translation of texts into others: sentences of one language into another's, spellings into
 * pronunciations. `train` learns it from pairs and makes a `Translator`, which knows the pieces of both
 * sides and is one `.refrain` file.
 */
import { pick } from '../../data/split.ts'
import { Subwords } from '../../data/subwords.ts'
import { RefrainError } from '../../errors.ts'
import { Random } from '../../tensor/random.ts'
import { earlyStopping } from '../../train/callbacks.ts'
import { sparseCategoricalCrossentropy } from '../../train/loss-functions.ts'
import { adam } from '../../train/optimizers.ts'
import { cosineDecay } from '../../train/schedules.ts'
import { checkInteger, checkNumber } from '../../util/check.ts'
import { type RunOptions, settingsOf } from '../training.ts'
import { buildNetwork } from './network.ts'
import { checkPairs, encodersOf, type TextPairs, Translator, withEnds } from './translator.ts'

export {
  type AttentionMatrix,
  type EvaluateOptions,
  type Evaluation,
  fromFile,
  load,
  type Prediction,
  type PredictOptions,
  type TextPairs,
  type Translation,
  type TranslationScores,
  Translator,
} from './translator.ts'

/** Options of `translate.train`; the defaults suit some 10,000 to 100,000 pairs of sentences. */
export interface TranslateOptions extends RunOptions {
  /** Pairs to validate on instead of a share of those given. */
  validationData?: TextPairs
  /** Most epochs; training stops earlier when validation no longer improves. Default 16. */
  epochs?: number
  /** Epochs in which the validation loss does not improve before training stops. Default 3. */
  patience?: number
  /**
   * Share of the pairs kept for validation, a source with all its targets. Default 0.05; 0: none, and
   * all epochs run.
   */
  validation?: number
  /** Default 64. */
  batchSize?: number
  /**
   * Adam's for the first half of the epochs; in the second it falls to a hundredth, as a cosine. Default
   * 0.004.
   */
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
  epochs: 16,
  patience: 3,
  validation: 0.05,
  batchSize: 64,
  learningRate: 4e-3,
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
 * validation part decides when to stop, and the best epoch's weights stay.
 *
 * Throws `BAD_DATA` if there is no pair, or none that is short enough.
 */
export async function train(pairs: TextPairs, options: TranslateOptions = {}): Promise<Translator> {
  const { validationData, ...given } = options
  const settings = settingsOf('translate.train', defaults, given)
  checkNumber("translate.train 'validation'", settings.validation, 0, 0.9)
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
  const { clipNorm, labelSmoothing, patience } = settings
  const learningRate = rateOf(settings, training.sources.length)
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
      ...(options.callbacks ?? []),
    ],
    resume: options.resume,
  })
  return new Translator({ model, source, target, history })
}

/** A rate that stays for half of the steps and then falls to a hundredth. */
function rateOf({ learningRate, epochs, batchSize }: typeof defaults, rows: number) {
  const steps = epochs * Math.ceil(rows / batchSize)
  const half = Math.ceil(steps / 2)
  return cosineDecay({
    initialLearningRate: learningRate,
    warmupTarget: learningRate,
    warmupSteps: half,
    decaySteps: Math.max(1, steps - half),
    alpha: 0.01,
  })
}

/** Rows with the start before them. */
const withStarts = (rows: readonly Int32Array[]) =>
  rows.map((row) => {
    const longer = new Int32Array(row.length + 1)
    longer[0] = Subwords.start
    longer.set(row, 1)
    return longer
  })

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
