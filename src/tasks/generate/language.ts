/** Language models: embedding → LSTMs → the probability of each symbol to come next. */

import { pick, split } from '../../data/split.ts'
import { RefrainError } from '../../errors.ts'
import { dense } from '../../layers/dense.ts'
import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import { embedding as embeddingLayer } from '../../layers/embedding.ts'
import { tiedDense } from '../../layers/tied-dense.ts'
import type { Model } from '../../model/model.ts'
import { sequential } from '../../model/sequential.ts'
import { perplexity } from '../../train/metrics-more.ts'
import type { History } from '../../train/plan.ts'
import type { RunOptions } from '../training.ts'
import { documentRows, joined, rowsFor, type Sequences, streamRows } from './sequences.ts'
import { fitSequences, optimizerFor, type Shared, stacked, stepsOf } from './settings.ts'
import type { Symbols } from './symbols.ts'

/** What a language model has beside the shared settings. */
export interface LanguageSettings extends Shared {
  embedding: number
  tied: boolean
}

/** Texts as ids, for training and validation. */
export interface Parts {
  readonly train: Sequences
  readonly validation: Sequences | null
}

/** Symbols that each row of a stream has at least when it is evaluated, so that few lack a context. */
const evaluatedSteps = 1000

/** Windows that each row of a stream has at least in training. */
const trainedWindows = 8

/** Whether texts are rows of their own: if there are enough of them to fill batches. */
export const areDocuments = (texts: number, batchSize: number) => texts >= 2 * batchSize

/** The texts of the training part, or all with the place where a stream is cut. */
export function partOf(
  texts: readonly string[],
  { validation, batchSize, seed }: Shared,
): { train: string[]; validation: string[] } {
  if (validation === 0) return { train: [...texts], validation: [] }
  if (areDocuments(texts.length, batchSize)) {
    const parts = split(new Array(texts.length).fill(0), { validation, seed })
    return { train: pick(texts, parts.train), validation: pick(texts, parts.validation) }
  }
  // The end of the stream, by characters, never between the halves of one.
  const total = texts.reduce((sum, text) => sum + text.length, 0)
  let left = Math.floor(total * (1 - validation))
  const train: string[] = []
  const held: string[] = []
  for (const text of texts) {
    let at = Math.max(0, Math.min(left, text.length))
    if (at < text.length && /[\udc00-\udfff]/.test(text[at] ?? '')) at++
    left -= text.length
    if (at > 0) train.push(text.slice(0, at))
    if (at < text.length) held.push(text.slice(at))
  }
  return { train, validation: held }
}

/** Rows for training; those of validation are longer, and the number of rows is that of the batch. */
export function sequencesOf(
  texts: readonly ArrayLike<number>[],
  { batchSize, bpttSteps }: Pick<Shared, 'batchSize' | 'bpttSteps'>,
  documents: boolean,
  training: boolean,
): Sequences {
  if (documents) return documentRows(texts)
  const stream = joined(texts, texts.length > 1)
  const rows = training
    ? rowsFor(stream.length, trainedWindows, bpttSteps, batchSize)
    : rowsFor(stream.length, 1, evaluatedSteps, batchSize)
  return streamRows(stream, rows)
}

/** The model, not yet trained. */
export function languageModel(
  symbols: Symbols,
  settings: LanguageSettings,
  stepsPerEpoch: number,
): Model {
  const { embedding, units, dropout, tied, seed } = settings
  const table = embeddingLayer({ inputDim: symbols.size, outputDim: embedding })
  const model = sequential(
    [
      table,
      ...(dropout > 0 && symbols.unit !== 'characters' ? [dropoutLayer({ rate: dropout })] : []),
      ...stacked(settings, tied ? embedding : units),
      tied
        ? tiedDense(table, { activation: 'softmax' })
        : dense({ units: symbols.size, activation: 'softmax' }),
    ],
    { name: 'generate', seed },
  )
  model.compile({
    optimizer: optimizerFor(settings, stepsPerEpoch),
    loss: 'sparseCategoricalCrossentropy',
    metrics: [perplexity()],
  })
  return model
}

/** Trains it. */
export async function fitLanguage(
  model: Model,
  { train, validation }: Parts,
  settings: Shared,
  options: RunOptions,
): Promise<History> {
  const held = validation && ([validation.x, validation.y] as const)
  const { callbacks, resume } = options
  return fitSequences(model, [train.x, train.y], held, settings, {
    callbacks,
    resume,
    monitor: 'valPerplexity',
  })
}

/** Steps of an epoch. */
export const stepsPerEpoch = ({ x }: Sequences, settings: Shared) =>
  stepsOf(
    x.map(({ length }) => length),
    settings,
  )

/** Mean nats a symbol. */
export async function natsOf(
  model: Model,
  { x, y }: Sequences,
  batchSize: number,
  bpttSteps: number,
): Promise<number> {
  model.compile({ loss: 'sparseCategoricalCrossentropy', metrics: [perplexity()] })
  const { perplexity: value } = await model.evaluate(x, y, { batchSize, bpttSteps })
  return Math.log(value)
}

/** Throws `BAD_FILE` unless the model's first and last weights are for these symbols. */
export function checkFit(model: Model, symbols: Symbols, path: string): void {
  const weights = model.parameters.parameters
  const inputs = weights[0]?.shape[0]
  const outputs = weights.at(-1)?.shape.at(-1)
  if (inputs === symbols.size && outputs === symbols.size) return
  throw new RefrainError(
    'BAD_FILE',
    `${path}: its ${symbols.size} symbols do not fit its weights, which read ${inputs} and write ${outputs}`,
  )
}
