/** Values of options, and options that several verbs share. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { defaultBackend } from '../kernels/backend.ts'
import { plural } from './io.ts'

/** A parser of whole numbers of at least `minimum`. */
export const wholeNumber = (minimum: number) => (text: string) => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < minimum) {
    throw new InvalidArgumentError(`Expected a whole number of at least ${minimum}.`)
  }
  return value
}

/** A parser of numbers from `low` to `high`. */
export const numberFrom = (low: number, high: number) => (text: string) => {
  const value = Number(text)
  if (text.trim() === '' || !(value >= low && value <= high)) {
    throw new InvalidArgumentError(`Expected a number from ${low} to ${high}.`)
  }
  return value
}

/** Adds what every verb takes. */
export function addCommon(command: Command): Command {
  return command.option('--debug', 'on an error, show where in the program it arose')
}

/** What the argument that names a model may be. */
export const modelHelp = 'a .refrain file, or the name of a model that comes with Refrain'

/** The formats of `readTable`, for sources whose name does not tell. */
export const formatOption = () =>
  new Option('--format <format>', 'format of the files, where the name does not tell').choices([
    'csv',
    'tsv',
    'json',
    'jsonl',
  ])

/** How many threads a verb that computes uses; `useThreads` obeys it. */
export const threadsOption = () =>
  new Option(
    '--threads <n>',
    'threads to compute with; no result depends on it (default: REFRAIN_THREADS, or one for each core)',
  ).argParser((text: string) => {
    const count = wholeNumber(1)(text)
    if (count > 1024) throw new InvalidArgumentError('Expected at most 1024.')
    return count
  })

/** Has the backend in use compute with that many threads, if a number was given. */
export function useThreads(threads: number | undefined): void {
  if (threads !== undefined) defaultBackend().threads = threads
}

/** Where a chart goes. */
export const plotOption = (what: string) => new Option('--plot <file>', `draw ${what} as SVG`)

/** Whether rows without a text or label are left out. */
export const skipMissingOption = () =>
  new Option('--skip-missing', 'leave out rows without a text or label instead of failing')

/** What `--skip-missing` did. */
export const describeSkipped = (rows: number) =>
  `left out ${plural(rows, 'row')} without a text or label`

/** What a verb's help says about its files. */
export const filesHelp = `
Files: .csv, .tsv, .json (an array of objects), .jsonl or .ndjson, each also with .gz behind it; or
a folder with a sub-folder of .txt files for each label, as the public IMDb archive has it; --text and
--label are not for folders.`
