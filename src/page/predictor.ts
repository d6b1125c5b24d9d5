/**
 * A model in one file that stands alone: `refrain convert m.refrain page.html` and `m.mjs` put the model's bytes and a
 * bundle of this folder together. The bundle of a module is this file, those of pages are `plain.ts` and `tunes.ts`;
 * `npm run build` makes them (scripts/bundle.mjs).
 */
import { RefrainError, show } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import { decodeModel, type LoadedFile } from '../model/load.ts'
import { classify, forecast, generate, regress, tag, translate } from '../tasks/index.ts'

/** What opens the file of a task: the field `task` of its encoders. */
const openers = {
  classify: classify.fromFile,
  'classify-series': classify.fromFile,
  'classify-audio': classify.fromFile,
  'classify-video': classify.fromFile,
  tag: tag.fromFile,
  translate: translate.fromFile,
  generate: generate.fromFile,
  forecast: forecast.fromFile,
  regress: regress.fromFile,
} satisfies Record<string, (file: LoadedFile, path: string) => unknown>

/** A classifier of anything. */
export interface ItemClassifier {
  predict(items: readonly unknown[]): Promise<classify.Prediction[]>
}

/** A model of a task by the task's name, or one of none. */
export type Opened =
  | { readonly task: 'classify'; readonly trained: classify.Classifier<'text'> }
  | {
      readonly task: 'classify-series' | 'classify-audio' | 'classify-video'
      readonly trained: ItemClassifier
    }
  | { readonly task: 'tag'; readonly trained: tag.Tagger }
  | { readonly task: 'translate'; readonly trained: translate.Translator }
  | {
      readonly task: 'generate'
      readonly trained: generate.Generator
      /** Whether its texts are tunes in ABC. */
      readonly abc: boolean
    }
  | { readonly task: 'forecast'; readonly trained: forecast.Forecaster }
  | { readonly task: 'regress'; readonly trained: regress.Regressor }
  | { readonly task: null; readonly trained: AnyModel }

/** The model in the bytes of a `.refrain` file, in base64; `name` is for errors. Throws `BAD_FILE`. */
export function openBase64(base64: string, name: string): Opened {
  const bytes = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0))
  const file = decodeModel(bytes, name)
  const task = (file.encoders as { task?: keyof typeof openers } | null)?.task
  if (task === undefined || !Object.hasOwn(openers, task)) {
    return { task: null, trained: file.model as AnyModel }
  }
  const abc = file.training?.format === 'abc'
  return { task, trained: openers[task](file, name), abc } as Opened
}

/**
 * Answers to inputs: what the task's own `predict` gives. A text, or a series, by itself gets its answer by itself, a
 * list gets a list. Models that write take a text to go on from, and the options of sampling.
 */
export async function predict({ task, trained }: Opened, input: unknown, options: object = {}) {
  if (task === 'generate') {
    if (trained.kind !== 'text') return trained.compose((input ?? options) as object)
    const prompt = (input ?? '') as string
    return prompt + (await trained.write(prompt, options))
  }
  if (task === null) {
    const found = await trained.predict(input as never)
    return Array.isArray(found) ? Promise.all(found.map((one) => one.array())) : found.array()
  }
  if (input === undefined) {
    throw new RefrainError('BAD_ARGUMENT', `predict: expected inputs, got ${show(input)}`)
  }
  const alone = !Array.isArray(input)
  const inputs = alone ? [input] : input
  const answers: readonly unknown[] = await trained.predict(inputs as never, options as never)
  return alone ? answers[0] : answers
}
