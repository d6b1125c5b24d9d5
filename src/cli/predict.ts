/** `refrain predict`: labels for texts from arguments, files or standard input. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { readTextLines, readTexts } from '../data/examples.ts'
import type { TableFormat } from '../data/table.ts'
import { RefrainError } from '../errors.ts'
import type { Classifier } from '../tasks/classify.ts'
import { loadClassifier } from './classifier.ts'
import { type Io, Printer } from './io.ts'
import { addCommon, formatOption, threadsOption, useThreads } from './options.ts'

interface PredictOptions {
  file?: string[]
  text?: string
  format?: TableFormat
  threads?: number
  json?: boolean
}

/** A text to classify, and the columns to print with it. */
interface Item {
  text: string
  values: Record<string, unknown>
}

/** Texts given to the model at once. */
const mostAtOnce = 512

/** Adds `predict`. */
export function addPredict(program: Command, io: Io): void {
  const command = program
    .command('predict')
    .description('classify texts: arguments, files, or lines on standard input')
    .argument('<model>', 'a .refrain file')
    .argument('[texts...]', 'texts to classify')
    .option('--file <files...>', 'tables with texts')
    .option('--text <column>', 'column with the texts (default: as in training)')
    .addOption(formatOption())
    .addOption(threadsOption())
    .option('--json', 'print JSON lines; always so for texts from standard input')
    .addHelpText(
      'after',
      `
Prints the label, its probability and the text, separated by tabs. JSON lines have the columns of
the input and predicted, probability and probabilities; an input's column with one of these names is
kept as input_predicted and so on. An empty text gets the label of a text of unknown words.

Standard input: each line is a JSON object with the column of the texts if it begins with {, a text in
JSON if it is a quoted string, else a text as it stands; blank lines are skipped. With --format, a
table of that format.

Examples:
  $ refrain predict reviews.refrain "a fine film" "two hours too long"
  $ refrain predict reviews.refrain --file new.csv --text review > labelled.tsv
  $ echo '{"text":"a fine film"}' | refrain predict reviews.refrain
  $ cat lines.txt | refrain predict reviews.refrain`,
    )
    .action((model: string, texts: string[], options: PredictOptions) =>
      predict(model, texts, options, io),
    )
  addCommon(command)
}

async function predict(path: string, texts: string[], options: PredictOptions, io: Io) {
  useThreads(options.threads)
  const { file, format } = options
  if (texts.length > 0 && file) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'predict: got texts and --file',
      'Give one of them; several files go behind --file, after the model',
    )
  }
  const fromStdin = texts.length === 0 && !file
  if (fromStdin && io.stdin.isTTY) throw nothingToClassify()
  const { classifier, columns } = await loadClassifier(path)
  const text = options.text ?? columns?.text
  const printer = new Printer(io, { json: options.json || fromStdin })
  if (texts.length > 0) {
    await remarkOnFiles(texts, io)
    await predictAll(
      classifier,
      texts.map((given) => ({ text: given, values: { text: given } })),
      printer,
    )
    return
  }
  const stdin = { name: 'standard input', stream: io.stdin }
  const items =
    fromStdin && !format
      ? readTextLines(stdin, { text })
      : readTexts(file ?? stdin, { text, format })
  let any = false
  for await (const batch of inBatches(items, mostAtOnce)) {
    any = true
    await predictAll(
      classifier,
      batch.map(({ text, row }) => ({ text, values: row.values })),
      printer,
    )
  }
  if (!any) throw nothingToClassify()
}

const nothingToClassify = () =>
  new RefrainError(
    'BAD_ARGUMENT',
    'predict: there is nothing to classify',
    'Give texts, --file, or lines on standard input; see: refrain predict --help',
  )

/** Says so where a text is the name of a file: `predict model.refrain a.csv`. */
async function remarkOnFiles(texts: readonly string[], io: Io): Promise<void> {
  for (const text of texts.slice(0, 10)) {
    const found = /^\S{1,255}$/.test(text) && (await stat(text).catch(() => undefined))
    if (!found) continue
    io.stderr.write(
      `refrain: '${text}' is a ${found.isDirectory() ? 'folder' : 'file'}, here taken as a text; ` +
        `to classify what is in it: --file ${text}\n`,
    )
  }
}

/** The input's columns and the result's. An input's column with a result's name gets another one. */
function withResult(values: Record<string, unknown>, result: Record<string, unknown>) {
  const columns: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) {
    let own = name
    while (own in result || (own !== name && own in values)) own = `input_${own}`
    columns[own] = value
  }
  return { ...columns, ...result }
}

async function predictAll(classifier: Classifier, items: Item[], printer: Printer): Promise<void> {
  const predictions = await classifier.predict(items.map(({ text }) => text))
  for (const [i, { label, probability, probabilities }] of predictions.entries()) {
    const { text, values } = items[i]
    printer.print(`${label}\t${probability.toFixed(4)}\t${text.replace(/\s+/g, ' ')}`, {
      ...withResult(values, { predicted: label, probability, probabilities }),
    })
  }
}

/**
 * Items in arrays of at most `size`; fewer as soon as the next one is slow to come, so that a
 * program that waits for each answer gets it. Those before an error come before it.
 */
async function* inBatches<Value>(items: AsyncGenerator<Value>, size: number) {
  const waiting = Symbol('waiting')
  const turn = () => new Promise<typeof waiting>((resolve) => setImmediate(resolve, waiting))
  let batch: Value[] = []
  const ask = () => {
    const answer = items.next()
    // An error that comes while the batch before is in work is raised when it is its turn.
    answer.catch(() => {})
    return answer
  }
  let next = ask()
  for (;;) {
    const result = await (batch.length > 0 ? Promise.race([next, turn()]) : next).catch(
      (error: unknown) => ({ error }),
    )
    if (result === waiting || 'error' in result) {
      if (batch.length > 0) yield batch
      batch = []
      if (result !== waiting) throw result.error
      continue
    }
    if (result.done) break
    batch.push(result.value)
    next = ask()
    if (batch.length === size) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}
