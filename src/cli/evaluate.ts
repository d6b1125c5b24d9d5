/** `refrain evaluate`: how well a classifier does on labelled data. */
import type { Command } from 'commander'
import { readExamples } from '../data/examples.ts'
import type { TableFormat } from '../data/table.ts'
import type * as classify from '../tasks/classify.ts'
import { loadClassifier } from './classifier.ts'
import { count, type Io, Printer, percent, plural, table } from './io.ts'
import {
  addCommon,
  describeSkipped,
  filesHelp,
  formatOption,
  skipMissingOption,
  threadsOption,
  useThreads,
} from './options.ts'

interface EvaluateOptions {
  text?: string
  label?: string
  skipMissing?: boolean
  format?: TableFormat
  threads?: number
  json?: boolean
}

/** Adds `evaluate`. */
export function addEvaluate(program: Command, io: Io): void {
  const command = program
    .command('evaluate')
    .description('compare a classifier with labelled data')
    .argument('<model>', 'a .refrain file')
    .argument('<files...>', 'tables, or folders with a sub-folder for each label')
    .option('--text <column>', 'column with the texts (default: as in training)')
    .option('--label <column>', 'column with the labels (default: as in training)')
    .addOption(skipMissingOption())
    .addOption(formatOption())
    .addOption(threadsOption())
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${filesHelp}

Examples:
  $ refrain evaluate reviews.refrain test.csv
  $ refrain evaluate imdb.refrain aclImdb/test --json`,
    )
    .action((model: string, files: string[], options: EvaluateOptions) =>
      evaluate(model, files, options, io),
    )
  addCommon(command)
}

async function evaluate(path: string, files: string[], options: EvaluateOptions, io: Io) {
  useThreads(options.threads)
  const { classifier, columns } = await loadClassifier(path)
  const data = await readExamples(files, {
    text: options.text ?? columns?.text,
    label: options.label ?? columns?.label,
    format: options.format,
    minLabels: 1,
    skipMissing: options.skipMissing,
  })
  const result = await classifier.evaluate(data)
  const left = data.skipped > 0 ? `\n${describeSkipped(data.skipped)}` : ''
  new Printer(io, options).print(describe(result) + left, { ...result, skipped: data.skipped })
}

const share = (value: number) => (value * 100).toFixed(1)

function describe({ examples, accuracy, loss, labels, confusion }: classify.Evaluation) {
  const most = labels.reduce((a, b) => (b.examples > a.examples ? b : a))
  const lines = [
    `accuracy ${percent(accuracy)} on ${plural(examples, 'row')}, loss ${loss.toFixed(4)}`,
    `always answering '${most.label}' would be right in ${percent(most.examples / examples)}`,
    '',
    table([
      ['label', 'rows', 'precision %', 'recall %', 'F1 %'],
      ...labels.map(({ label, examples, precision, recall, f1 }) => [
        label,
        count(examples),
        share(precision),
        share(recall),
        share(f1),
      ]),
    ]),
  ]
  // A matrix of more labels than a screen is wide helps nobody; --json has it.
  if (labels.length <= 10) {
    const names = labels.map(({ label }) => label)
    const matrix = names.map((name, i) => [name, ...confusion[i].map(count)])
    lines.push('', table([['is \\ predicted', ...names], ...matrix]))
  }
  return lines.join('\n')
}
