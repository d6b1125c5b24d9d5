/** Loads a classifier with what its training record says about tables. */
import { loadFile } from '../model/index.ts'
import * as classify from '../tasks/classify.ts'

/** Columns of the table that a model was trained on. */
export interface Columns {
  text: string
  label: string
}

/** A classifier, and the columns that `refrain train` recorded, if it made the file. */
export async function loadClassifier(path: string) {
  const file = await loadFile(path)
  return { classifier: classify.fromFile(file, path), columns: columnsOf(file.training) }
}

/** The columns in a training record. */
export function columnsOf(training: Record<string, unknown> | null): Columns | undefined {
  const { text, label } = (training?.columns ?? {}) as Partial<Record<keyof Columns, unknown>>
  return typeof text === 'string' && typeof label === 'string' ? { text, label } : undefined
}
