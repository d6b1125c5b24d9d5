/**
 * Tagging, many to many in step: a tag for each word, such as its part of speech, or tags that mark
 * spans, such as names and slots. Words and their characters → bidirectional LSTM → tags, of spans by a
 * CRF that knows which tags may follow which. `train` makes a `Tagger`, which is one `.refrain` file.
 */
import { LabelEncoder } from '../../data/labels.ts'
import { pick, split } from '../../data/split.ts'
import { RefrainError, show } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import { checkInteger, checkNumber } from '../../util/check.ts'
import { schemeOf } from '../../util/tags.ts'
import { encodersOfTask, type RunOptions, settingsOf, stoppingByAccuracy } from '../training.ts'
import { checkSentences, convertTags, cutLong, type TaggedSentences } from './data.ts'
import { buildTagger } from './network.ts'
import { encodersOf, scheme, Tagger, type TaggerParts, task } from './tagger.ts'
import { WordEncoder } from './words.ts'

export { bestEpoch } from '../training.ts'
export * from './baselines.ts'
export type { TaggedSentences } from './data.ts'
export type { TagExplanation } from './explain.ts'
export * from './format.ts'
export { type Evaluation, type Tagged, Tagger, type TagScore, type TagSpan } from './tagger.ts'

/** Options of `tag.train`; the defaults suit up to 100,000 sentences. */
export interface TagOptions extends RunOptions {
  /**
   * Whether tags mark spans, as B-PER and I-PER do (IOB1, BIO or BIOES). Default: what they look like.
   */
  spans?: boolean
  /** Most epochs; training stops earlier when validation no longer improves. Default 30. */
  epochs?: number
  /**
   * Epochs in which neither the validation's entity F1 (of tags that mark no spans: the accuracy) nor
   * its loss improves before training stops. Default 4.
   */
  patience?: number
  /** Share of the sentences kept for validation. Default 0.1; 0: none, and all epochs run. */
  validation?: number
  /** Default 16. */
  batchSize?: number
  /** Adam's. Default 0.002. */
  learningRate?: number
  /** After n epochs the learning rate is divided by 1 + n times this. Default 0.1. */
  learningRateDecay?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Width of the words' vectors. Default 100. */
  embedding?: number
  /** Width of the characters' vectors. Default 32. */
  characterEmbedding?: number
  /** Units of the characters' LSTM in each direction. Default 48. */
  characterUnits?: number
  /** Units of the words' LSTM in each direction. Default 128. */
  units?: number
  /** Bidirectional LSTMs on top of one another. Default 1. */
  layers?: number
  /** Dropout on words' vectors and behind each LSTM. Default 0.5. */
  dropout?: number
  /** Share of the words that occur once that are taken for unknown in training. Default 0.5. */
  wordDropout?: number
  /** Most words in the vocabulary. Default 50,000. */
  vocabulary?: number
  /** How often a word must occur to be in the vocabulary. Default 1. */
  minCount?: number
  /** Characters of a word that are read; of longer ones its first and its last. Default 20. */
  wordLength?: number
  /** Longer sentences are cut into pieces of so many words, in training alone. Default 200. */
  maxLength?: number
  /**
   * Weigh tags by the square root of how rare they are; not for tags that mark spans, whose CRF scores
   * whole sentences. Default false.
   */
  balance?: boolean
  /** Of the split, the weights, dropout and shuffling. Default 0. */
  seed?: number
}

/** The options' defaults. */
export const defaults = {
  spans: null as boolean | null,
  epochs: 30,
  patience: 4,
  validation: 0.1,
  batchSize: 16,
  learningRate: 2e-3,
  learningRateDecay: 0.1,
  clipNorm: 1,
  embedding: 100,
  characterEmbedding: 32,
  characterUnits: 48,
  units: 128,
  layers: 1,
  dropout: 0.5,
  wordDropout: 0.5,
  vocabulary: 50_000,
  minCount: 1,
  wordLength: 20,
  maxLength: 200,
  balance: false,
  seed: 0,
}

/** Sentences to train on. */
export interface TrainingSentences extends TaggedSentences {
  /** Sentences for validation, instead of a share of the others. */
  readonly validation?: TaggedSentences
}

/**
 * Trains a tagger. Vocabularies and weights come from the training part alone; the validation part
 * decides when to stop, and the best epoch's weights stay.
 *
 * Throws `BAD_DATA` if there are fewer than two tags.
 */
export async function train(data: TrainingSentences, options: TagOptions = {}): Promise<Tagger> {
  const settings = settingsOf('tag.train', defaults, options)
  checkNumber("tag.train 'validation'", settings.validation, 0, 0.9)
  checkNumber("tag.train 'learningRateDecay'", settings.learningRateDecay, 0)
  checkInteger("tag.train 'maxLength'", settings.maxLength)
  checkInteger("tag.train 'layers'", settings.layers)
  checkSentences('tag.train', data)
  if (data.validation) checkSentences("tag.train 'validation'", data.validation)
  const { seed, maxLength } = settings
  const spans = settings.spans ?? schemeOf(data.tags) !== null
  checkBalance(settings.balance, spans)
  const parts = divide(data, settings.validation, seed)
  const prepare = (part: TaggedSentences) => {
    const { tokens, tags } = cutLong(part, maxLength)
    return { tokens, tags: spans ? tags.map((own) => convertTags(own, scheme)) : tags }
  }
  const trained = prepare(parts.train)
  const validated = parts.validation && byLength(prepare(parts.validation))
  const labels = LabelEncoder.build([trained, validated].flatMap((part) => part?.tags.flat() ?? []))
  if (labels.size < 2) {
    throw new RefrainError(
      'BAD_DATA',
      `tag: expected at least two different tags, got only ${show(labels.labels[0])}`,
      'give sentences with each tag that the model shall find',
    )
  }
  const { encoder, rareFrom } = WordEncoder.build(trained.tokens, settings)
  const model = buildTagger(settings, {
    words: encoder.words.size,
    rareFrom,
    characters: encoder.characters.size,
    tags: labels.labels,
    spans,
    stepsPerEpoch: Math.ceil(trained.tokens.length / settings.batchSize),
  })
  const tagger = { model, encoder, labels, spans }
  // Before training, so that a checkpoint can predict, too; the settings, to resume with the same.
  model.encoders = { ...encodersOf(tagger), settings }
  const inputsOf = ({ tokens }: TaggedSentences) => {
    const { words, characters } = encoder.encode(tokens)
    return [words, characters]
  }
  const targetsOf = ({ tags }: TaggedSentences) => tags.map((own) => labels.encode(own))
  const targets = targetsOf(trained)
  const words = validated ? validated.tokens.flat().length : 0
  const stop = stoppingByAccuracy(settings.patience, words, spans ? 'valEntityF1' : 'valAccuracy')
  const history = await model.fit(inputsOf(trained), targets, {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: validated && [inputsOf(validated), targetsOf(validated)],
    classWeight: settings.balance ? balancingWeights(targets, labels.size) : undefined,
    callbacks: [...(validated ? [stop] : []), ...(options.callbacks ?? [])],
    resume: options.resume,
  })
  return new Tagger({ ...tagger, history })
}

function divide(data: TrainingSentences, validation: number, seed: number) {
  if (data.validation) return { train: data as TaggedSentences, validation: data.validation }
  const parts = split(new Array(data.tokens.length).fill(0), { validation, seed })
  const part = (indices: readonly number[]): TaggedSentences => ({
    tokens: pick(data.tokens, indices),
    tags: pick(data.tags, indices),
  })
  return {
    train: part(parts.train),
    validation: parts.validation.length > 0 ? part(parts.validation) : undefined,
  }
}

/** Longest first, since validation takes sentences in their order: so batches need less padding. */
function byLength({ tokens, tags }: TaggedSentences): TaggedSentences {
  const order = tokens.map((_, i) => i).sort((a, b) => tokens[b].length - tokens[a].length)
  return { tokens: pick(tokens, order), tags: pick(tags, order) }
}

function checkBalance(balance: boolean, spans: boolean): void {
  if (!balance || !spans) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    "tag.train 'balance': tags that mark spans have no weights, a CRF scores whole sentences",
    'leave it out, or give more sentences with the rare tags',
  )
}

/** √(mean count / count) of each tag: the inverse of its count would let a few words decide. */
function balancingWeights(targets: readonly Int32Array[], size: number): Record<number, number> {
  const counts = new Float64Array(size)
  let words = 0
  for (const own of targets) {
    words += own.length
    for (const tag of own) counts[tag]++
  }
  const weightOf = (count: number) => (count === 0 ? 1 : Math.sqrt(words / size / count))
  return Object.fromEntries([...counts].map((count, tag) => [tag, weightOf(count)]))
}

/** Reads a tagger that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Tagger> {
  return fromFile(await loadFile(path), path)
}

/** The tagger in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Tagger {
  const { model } = file
  const json = encodersOfTask(file, path, task, 'a tagger')
  let parts: TaggerParts
  try {
    const spans = json.spans
    if (typeof spans !== 'boolean') {
      throw new RefrainError('BAD_FILE', `spans: expected true or false, got ${show(spans)}`)
    }
    const labels = LabelEncoder.fromJSON(json.labels)
    if (spans && schemeOf([labels.labels]) === null) {
      throw new RefrainError(
        'BAD_FILE',
        `labels: expected tags of spans, got ${show(labels.labels)}`,
      )
    }
    parts = { model, encoder: WordEncoder.fromJSON(json.encoder), labels, spans }
  } catch (cause) {
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }
  checkSizes(parts, path)
  return new Tagger(parts)
}

function checkSizes({ model, encoder, labels, spans }: TaggerParts, path: string): void {
  const shapeOf = (name: string) =>
    model.layers.find((layer) => layer.name === name)?.parameters[0]?.shape ?? []
  const expected = [encoder.words.size, encoder.characters.size, labels.size]
  const found = [shapeOf('words')[0], shapeOf('characters')[0], shapeOf('tags').at(-1)]
  const crf = model.layers.at(-1)?.kind === 'crf'
  if (found.join() === expected.join() && crf === spans && model.inputNames.length === 2) return
  const show3 = ([words, characters, tags]: readonly unknown[]) =>
    `${words} words, ${characters} characters and ${tags} tags`
  throw new RefrainError(
    'BAD_FILE',
    `${path}: its vocabularies and tags do not fit its weights: ${show3(expected)} against ` +
      `${show3(found)}`,
  )
}
