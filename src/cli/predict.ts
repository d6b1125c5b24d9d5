/** `refrain predict`: labels for texts from arguments, files or standard input. */
import type { Command } from 'commander'
import { readTexts } from '../data/examples.ts'
import type { TableFormat } from '../data/table.ts'
import { RefrainError } from '../errors.ts'
import type { Classifier } from '../tasks/classify.ts'
import { loadClassifier } from './classifier.ts'
import { type Io, Printer } from './io.ts'
import { addCommon, formatOption } from './options.ts'

interface PredictOptions {
  file?: string[]
  text?: string
  format?: TableFormat
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
    .description('classify texts: arguments, files, or JSON lines on standard input')
    .argument('<model>', 'a .refrain file')
    .argument('[texts...]', 'texts to classify')
    .option('--file <files...>', 'tables with texts')
    .option('--text <column>', 'column with the texts (default: as in training)')
    .addOption(formatOption())
    .option('--json', 'print JSON lines; always so for texts from standard input')
    .addHelpText(
      'after',
      `
Prints the label, its probability and the text, separated by tabs. JSON lines have the columns of
the input and predicted, probability and probabilities.

Examples:
  $ refrain predict reviews.refrain "a fine film" "two hours too long"
  $ refrain predict reviews.refrain --file new.csv --text review > labelled.tsv
  $ echo '{"text":"a fine film"}' | refrain predict reviews.refrain`,
    )
    .action((model: string, texts: string[], options: PredictOptions) =>
      predict(model, texts, options, io),
    )
  addCommon(command)
}

async function predict(path: string, texts: string[], options: PredictOptions, io: Io) {
  const { file, format } = options
  if (texts.length > 0 && file) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'predict: got texts and --file',
      'Give one of them; several files go behind --file, after the model',
    )
  }
  const fromStdin = texts.length === 0 && !file
  if (fromStdin && io.stdin.isTTY) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'predict: there is nothing to classify',
      'Give texts, --file, or JSON lines on standard input; see: refrain predict --help',
    )
  }
  const { classifier, columns } = await loadClassifier(path)
  const text = options.text ?? columns?.text
  const printer = new Printer(io, { json: options.json || fromStdin })
  if (texts.length > 0) {
    await predictAll(
      classifier,
      texts.map((given) => ({ text: given, values: { text: given } })),
      printer,
    )
    return
  }
  const source = file ?? { name: 'standard input', stream: io.stdin }
  const items = readTexts(source, { text, format: fromStdin ? (format ?? 'jsonl') : format })
  for await (const batch of inBatches(items, mostAtOnce)) {
    await predictAll(
      classifier,
      batch.map(({ text, row }) => ({ text, values: row.values })),
      printer,
    )
  }
}

async function predictAll(classifier: Classifier, items: Item[], printer: Printer): Promise<void> {
  const predictions = await classifier.predict(items.map(({ text }) => text))
  for (const [i, { label, probability, probabilities }] of predictions.entries()) {
    const { text, values } = items[i]
    printer.print(`${label}\t${probability.toFixed(4)}\t${text.replace(/\s+/g, ' ')}`, {
      ...values,
      predicted: label,
      probability,
      probabilities,
    })
  }
}

/**
 * Items in arrays of at most `size`; fewer as soon as the next one is slow to come, so that a
 * program that waits for each answer gets it.
 */
async function* inBatches<Value>(items: AsyncGenerator<Value>, size: number) {
  const waiting = Symbol('waiting')
  const turn = () => new Promise<typeof waiting>((resolve) => setImmediate(resolve, waiting))
  let batch: Value[] = []
  let next = items.next()
  for (;;) {
    const result = batch.length > 0 ? await Promise.race([next, turn()]) : await next
    if (result === waiting) {
      yield batch
      batch = []
      continue
    }
    if (result.done) break
    batch.push(result.value)
    next = items.next()
    if (batch.length === size) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}
