/** Trains a model that writes text. */
import { RefrainError } from '../../errors.ts'
import { checkInteger, checkNumber, checkTexts } from '../../util/check.ts'
import { settingsOf } from '../training.ts'
import {
  areDocuments,
  fitLanguage,
  languageModel,
  partOf,
  sequencesOf,
  stepsPerEpoch,
} from './language.ts'
import { type GenerateOptions, languageSize, sharedDefaults, sized } from './settings.ts'
import { Symbols } from './symbols.ts'
import { type Texts, Writer, writerEncoders } from './writer.ts'

/** Options of `generate.train`. */
export interface TextOptions extends GenerateOptions {
  /** What a symbol is: 'characters' (default), 'words', or 'subwords' learned from the texts. */
  unit?: 'characters' | 'words' | 'subwords'
  /** Most symbols. Default 8,000. */
  vocabulary?: number
  /** Width of the symbols' vectors. Default 64 for characters, else as many as `units`. */
  embedding?: number
  /**
   * Whether the output reads the table of vectors (Press & Wolf 2017), so that the last LSTM has
   * `embedding` units. Default true for words and subwords, false for characters.
   */
  tied?: boolean
}

/** The options' defaults; null: by the unit. */
export const defaults = {
  ...sharedDefaults,
  unit: 'characters' as 'characters' | 'words' | 'subwords',
  vocabulary: 8000,
  embedding: null as number | null,
  tied: null as boolean | null,
}

/**
 * Trains a model that writes texts like these. Few texts (less than two batches) are one stream: rows of
 * it run side by side in windows of `bpttSteps`, and its end is for validation. Many are documents: each
 * begins anew, is shuffled and can end, and some of them are for validation. The symbols come from the
 * training part alone, and the best epoch's weights stay.
 *
 * Throws `BAD_DATA` if there is too little text.
 */
export async function train(data: Texts, options: TextOptions = {}): Promise<Writer> {
  const given = settingsOf('generate.train', defaults, options)
  const characters = given.unit === 'characters'
  const whole = sized(given, languageSize)
  const settings = {
    ...whole,
    tied: given.tied ?? !characters,
    embedding: given.embedding ?? (characters ? 64 : whole.units),
  }
  checkTexts('generate', data.texts)
  checkNumber("generate.train 'validation'", settings.validation, 0, 0.9)
  for (const name of ['batchSize', 'bpttSteps', 'layers'] as const) {
    checkInteger(`generate.train '${name}'`, settings[name])
  }
  if (!['characters', 'words', 'subwords'].includes(settings.unit)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `generate.train 'unit': expected 'characters', 'words' or 'subwords', got ${String(settings.unit)}`,
    )
  }
  const texts = data.texts.filter((text) => text !== '')
  const documents = areDocuments(texts.length, settings.batchSize)
  const parts = partOf(texts, settings)
  const symbols = Symbols.learn(settings.unit, parts.train, settings.vocabulary)
  const encode = (part: readonly string[]) => part.map((text) => symbols.encode(text))
  const trained = encode(parts.train)
  const held = encode(parts.validation)
  const count = (ids: readonly number[][]) => ids.reduce((sum, { length }) => sum + length, 0)
  if (count(trained) < 2 || (settings.validation > 0 && count(held) < 2)) {
    throw new RefrainError(
      'BAD_DATA',
      `generate: expected a text to learn from, got ${count(trained) + count(held)} ${settings.unit}`,
      'give a file of at least some thousand characters',
    )
  }
  const sequences = {
    train: sequencesOf(trained, settings, documents, true),
    validation: held.length > 0 ? sequencesOf(held, settings, documents, false) : null,
  }
  const model = languageModel(symbols, settings, stepsPerEpoch(sequences.train, settings))
  const writer = { symbols, ends: texts.length > 1, bpttSteps: settings.bpttSteps }
  // Before training, so that a checkpoint can write, too; the settings, to resume with the same.
  model.encoders = { ...writerEncoders(writer), settings: given }
  const history = await fitLanguage(model, sequences, settings, options)
  return new Writer({ model, ...writer, history })
}
