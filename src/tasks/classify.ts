/**
 * Classification of texts: words → embedding → bidirectional LSTM → maximum over time → label.
 * `train` makes a `Classifier`, which knows its vocabulary and labels and is one `.refrain` file.
 */
import { LabelEncoder } from '../data/labels.ts'
import { pick, split } from '../data/split.ts'
import { Vocabulary } from '../data/vocabulary.ts'
import { RefrainError, show } from '../errors.ts'
import { bidirectional } from '../layers/bidirectional.ts'
import { dense } from '../layers/dense.ts'
import { dropout as dropoutLayer } from '../layers/dropout.ts'
import { embedding as embeddingLayer } from '../layers/embedding.ts'
import { lstm } from '../layers/lstm.ts'
import { globalMaxPooling1d } from '../layers/pooling.ts'
import { type LoadedFile, loadFile } from '../model/load.ts'
import type { Model } from '../model/model.ts'
import { sequential } from '../model/sequential.ts'
import { adam } from '../train/optimizers.ts'
import type { History } from '../train/plan.ts'
import { checkInteger, checkNumber, checkTexts } from '../util/check.ts'
import { encodersOfTask, type RunOptions, settingsOf, stoppingByAccuracy } from './training.ts'

/** Options of `classify.train`; the defaults suit up to 100,000 texts. */
export interface ClassifyOptions extends RunOptions {
  /** Most epochs; training stops earlier when validation no longer improves. Default 20. */
  epochs?: number
  /**
   * Epochs in which neither the validation accuracy nor the validation loss improves before training
   * stops. Default 3.
   */
  patience?: number
  /** Share of the examples kept for validation. Default 0.1; 0: none, and all epochs run. */
  validation?: number
  /** Default 32. */
  batchSize?: number
  /** Adam's. Default 0.001. */
  learningRate?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Width of the word vectors. Default 64. */
  embedding?: number
  /** Units of the LSTM in each direction. Default 64. */
  units?: number
  /** Dropout on word vectors and before the last layer. Default 0.5. */
  dropout?: number
  /** Most words in the vocabulary. Default 20,000. */
  vocabulary?: number
  /** How often a word must occur to be in the vocabulary. Default 1. */
  minCount?: number
  /** Words of a text that are read, from its start. Default 400. */
  maxLength?: number
  /** Weigh labels so that rare ones count as much as frequent ones. Default false. */
  balance?: boolean
  /** Of the split, the weights, dropout and shuffling. Default 0. */
  seed?: number
}

/** The options' defaults. */
export const defaults = {
  epochs: 20,
  patience: 3,
  validation: 0.1,
  batchSize: 32,
  learningRate: 1e-3,
  clipNorm: 1,
  embedding: 64,
  units: 64,
  dropout: 0.5,
  vocabulary: 20_000,
  minCount: 1,
  maxLength: 400,
  balance: false,
  seed: 0,
}

type Settings = typeof defaults

/** Texts with their labels. */
export interface LabelledTexts {
  readonly texts: readonly string[]
  readonly labels: readonly string[]
  /** Where example i comes from, for errors. */
  where?(i: number): string
}

/** The likeliest label, and the probability of every label. */
export interface Prediction {
  readonly label: string
  readonly probability: number
  readonly probabilities: Readonly<Record<string, number>>
}

/** How well a classifier does on labelled texts. */
export interface Evaluation {
  readonly examples: number
  readonly accuracy: number
  /** Mean cross-entropy, nats. */
  readonly loss: number
  /** Mean of the labels' F1. */
  readonly macroF1: number
  readonly labels: readonly {
    readonly label: string
    readonly examples: number
    readonly precision: number
    readonly recall: number
    readonly f1: number
  }[]
  /** confusion[true][predicted], in the order of `labels`. */
  readonly confusion: readonly (readonly number[])[]
}

export { bestEpoch } from './training.ts'

const task = 'classify'

/** A trained classifier of texts. */
export class Classifier {
  readonly model: Model
  readonly vocabulary: Vocabulary
  readonly labels: LabelEncoder
  readonly maxLength: number
  /** Epoch by epoch; null for a loaded classifier. */
  readonly history: History | null

  constructor(parts: {
    model: Model
    vocabulary: Vocabulary
    labels: LabelEncoder
    maxLength: number
    history?: History
  }) {
    this.model = parts.model
    this.vocabulary = parts.vocabulary
    this.labels = parts.labels
    this.maxLength = parts.maxLength
    this.history = parts.history ?? null
  }

  /** Labels of texts, with probabilities, in the order of the texts. */
  async predict(texts: readonly string[]): Promise<Prediction[]> {
    checkTexts('predict', texts)
    if (texts.length === 0) return []
    const { labels, size } = this.labels
    const values = await this.#probabilities(texts)
    return texts.map((_, row) => {
      const own = values.subarray(row * size, (row + 1) * size)
      const best = own.indexOf(Math.max(...own))
      const probabilities = Object.fromEntries(labels.map((label, i) => [label, own[i]]))
      return { label: labels[best], probability: own[best], probabilities }
    })
  }

  /** Scores on labelled texts. Throws `BAD_DATA` on a label that training never saw. */
  async evaluate(examples: LabelledTexts): Promise<Evaluation> {
    checkExamples(examples)
    const truth = this.labels.encode(
      examples.labels,
      (i) => examples.where?.(i) ?? `example ${i + 1}`,
    )
    const values = await this.#probabilities(examples.texts)
    const { size } = this.labels
    const confusion = Array.from({ length: size }, () => new Array<number>(size).fill(0))
    let loss = 0
    truth.forEach((label, row) => {
      const own = values.subarray(row * size, (row + 1) * size)
      confusion[label][own.indexOf(Math.max(...own))]++
      loss -= Math.log(Math.max(own[label], 1e-7))
    })
    const labels = this.labels.labels.map((label, i) => {
      const count = sum(confusion[i])
      const predicted = sum(confusion.map((row) => row[i]))
      const right = confusion[i][i]
      return {
        label,
        examples: count,
        precision: predicted === 0 ? 0 : right / predicted,
        recall: count === 0 ? 0 : right / count,
        f1: count + predicted === 0 ? 0 : (2 * right) / (count + predicted),
      }
    })
    return {
      examples: truth.length,
      accuracy: sum(confusion.map((row, i) => row[i])) / truth.length,
      loss: loss / truth.length,
      macroF1: sum(labels.map(({ f1 }) => f1)) / size,
      labels,
      confusion,
    }
  }

  /** Writes the classifier to a `.refrain` file, with further facts for its training record. */
  async save(path: string, training: Record<string, unknown> = {}): Promise<void> {
    await this.model.save(path, { encoders: encodersOf(this), training })
  }

  async #probabilities(texts: readonly string[]): Promise<Float32Array> {
    const ids = encodeTexts(texts, this)
    return (await (await this.model.predict(ids)).data()) as Float32Array
  }
}

type Encoders = Pick<Classifier, 'vocabulary' | 'labels' | 'maxLength'>

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** What the file holds beside the model. */
function encodersOf({ vocabulary, labels, maxLength }: Encoders) {
  return { task, vocabulary: vocabulary.toJSON(), labels: labels.toJSON(), maxLength }
}

/** A text without words is one unknown word. */
const orUnknown = (ids: Int32Array) => (ids.length === 0 ? Int32Array.of(Vocabulary.unknown) : ids)

/** The ids of each text's words. */
const encodeTexts = (
  texts: readonly string[],
  { vocabulary, maxLength }: Omit<Encoders, 'labels'>,
) => vocabulary.encodeTexts(texts, { maxLength }).map(orUnknown)

function checkExamples({ texts, labels }: LabelledTexts): void {
  checkTexts('classify', texts)
  if (texts.length === 0) {
    throw new RefrainError('BAD_DATA', 'classify: expected at least one example, got none')
  }
  if (texts.length !== labels.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      'classify: expected a label for each text, ' +
        `got ${texts.length} texts and ${labels.length} labels`,
    )
  }
}

/** Factors that make every label weigh the same in all. */
function balancingWeights(classes: Int32Array, size: number): Record<number, number> {
  const counts = new Array<number>(size).fill(0)
  for (const label of classes) counts[label]++
  return Object.fromEntries(counts.map((n, i) => [i, n === 0 ? 1 : classes.length / (size * n)]))
}

/**
 * Trains a classifier on labelled texts. Vocabulary and weights come from the training part alone;
 * the validation part decides when to stop, and the best epoch's weights stay.
 *
 * Throws `BAD_DATA` if there are fewer than two labels.
 */
export async function train(
  examples: LabelledTexts,
  options: ClassifyOptions = {},
): Promise<Classifier> {
  const settings = settingsOf('classify.train', defaults, options)
  checkNumber("classify.train 'validation'", settings.validation, 0, 0.9)
  checkInteger("classify.train 'maxLength'", settings.maxLength)
  checkExamples(examples)
  const labels = LabelEncoder.build(examples.labels)
  if (labels.size < 2) {
    throw new RefrainError(
      'BAD_DATA',
      `classify: expected at least two different labels, got only ${show(labels.labels[0])}`,
      'give examples of each label that the model shall tell apart',
    )
  }
  const classes = labels.encode(examples.labels)
  const { seed, maxLength, validation } = settings
  const parts = split(Array.from(classes), { validation, seed })
  const texts = pick(examples.texts, parts.train)
  const { vocabulary, ids } = Vocabulary.fromTexts(texts, {
    maxSize: settings.vocabulary,
    minCount: settings.minCount,
    maxLength,
  })
  const classesOf = (indices: readonly number[]) => Int32Array.from(indices, (i) => classes[i])
  const targets = classesOf(parts.train)
  const validated = parts.validation.length > 0
  const stop = stoppingByAccuracy(settings.patience, parts.validation.length)
  const model = buildModel(vocabulary.size, labels.size, settings)
  // Before training, so that a checkpoint can predict, too; the settings, to resume with the same.
  model.encoders = { ...encodersOf({ vocabulary, labels, maxLength }), settings }
  const history = await model.fit(ids.map(orUnknown), targets, {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: validated
      ? [
          encodeTexts(pick(examples.texts, parts.validation), { vocabulary, maxLength }),
          classesOf(parts.validation),
        ]
      : undefined,
    classWeight: settings.balance ? balancingWeights(targets, labels.size) : undefined,
    callbacks: [...(validated ? [stop] : []), ...(options.callbacks ?? [])],
    resume: options.resume,
  })
  return new Classifier({ model, vocabulary, labels, maxLength, history })
}

function buildModel(words: number, labels: number, settings: Settings): Model {
  const { embedding, units, dropout, learningRate, clipNorm, seed } = settings
  const layers = [
    embeddingLayer({ inputDim: words, outputDim: embedding, maskZero: true }),
    dropoutLayer({ rate: dropout }),
    bidirectional(lstm({ units, returnSequences: true })),
    globalMaxPooling1d(),
    dropoutLayer({ rate: dropout }),
    dense({ units: labels, activation: 'softmax' }),
  ]
  const model = sequential(layers, { name: task, seed })
  model.compile({
    optimizer: adam({ learningRate, globalClipNorm: clipNorm }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  return model
}

/** Reads a classifier that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Classifier> {
  return fromFile(await loadFile(path), path)
}

/** The classifier in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Classifier {
  const { model } = file
  const json = encodersOfTask(file, path, task, 'a text classifier')
  let parts: Encoders
  try {
    parts = {
      vocabulary: Vocabulary.fromJSON(json.vocabulary),
      labels: LabelEncoder.fromJSON(json.labels),
      maxLength: checkInteger('maxLength', json.maxLength),
    }
  } catch (cause) {
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }
  const weights = model.parameters.parameters
  const words = weights[0].shape[0]
  const outputs = weights[weights.length - 1].shape.at(-1)
  if (words !== parts.vocabulary.size || outputs !== parts.labels.size) {
    throw new RefrainError(
      'BAD_FILE',
      `${path}: its vocabulary of ${parts.vocabulary.size} words and its ${parts.labels.size} labels ` +
        `do not fit its weights, which are for ${words} words and ${outputs} labels`,
    )
  }
  return new Classifier({ model, ...parts })
}
