/** `regress` in the command: rows of numbers. */
import type { Command } from 'commander'
import { type ReadVectorsOptions, readVectors, type VectorTable } from '../../data/read-vectors.ts'
import type { TableFormat } from '../../data/table.ts'
import { RefrainError } from '../../errors.ts'
import * as regress from '../../tasks/regress.ts'
import { list, plural, table } from '../io.ts'
import { describeSkipped, formatOption, wholeNumber } from '../options.ts'
import type { Fact, Task } from '../task.ts'
import { formatSum } from '../why.ts'

const { defaults } = regress

interface Columns {
  inputs?: string[]
  target?: string[]
  skipMissing?: boolean
  format?: TableFormat
}

interface Types {
  trainOptions: Columns
  evaluateOptions: Omit<Columns, 'inputs' | 'target'>
  predictOptions: { format?: TableFormat }
  data: VectorTable
  item: readonly number[]
}

const filesHelp = `
Files: .csv, .tsv, .json (an array of objects), .jsonl or .ndjson, each also with .gz behind it, with
numbers in each row.`

export const regressTask: Task<regress.Regressor, Types> = {
  name: 'regress',
  fromFile: regress.fromFile,
  inspect: ({ columns: { inputs, targets } }) => `Tells ${list(targets)} from ${list(inputs)}`,

  train: {
    description: 'train a network that tells numbers from the numbers beside them',
    files: 'tables of numbers',
    defaults,
    options: addTrainOptions,
    help: filesHelp,
    examples: [
      'refrain train regress houses.csv --target price --out houses.refrain',
      'refrain train regress lab.csv --inputs heat,pressure --target yield,waste --out lab.refrain',
    ],
    async read({ files, options }) {
      const { inputs, target: targets, skipMissing, format } = options
      const data = await readVectors(files, { inputs, targets, skipMissing, format })
      const { columns, skipped } = data
      return {
        data,
        fact: {
          text:
            `${plural(data.inputs.length, 'row')}: ${list(columns.targets)} from ` +
            list(columns.inputs) +
            (skipped > 0 ? `\n${describeSkipped(skipped)}` : ''),
          json: { rows: data.inputs.length, skipped, columns },
        },
      }
    },
    train: regress.train,
  },

  evaluate: {
    description: 'compare a regressor with rows whose targets are known',
    files: 'tables of numbers',
    options: (command) => command.addOption(skipOption(command)).addOption(formatOption()),
    help: filesHelp,
    examples: ['refrain evaluate houses.refrain test.csv'],
    async run({ trained, files, options: { skipMissing, format } }) {
      const data = await readVectors(files, { ...trained.columns, skipMissing, format })
      const result = await trained.evaluate(data)
      const row = (name: string, { mae, rmse }: regress.RegressionScores) => [
        name,
        short(mae),
        short(rmse),
      ]
      const text = [
        `${plural(result.rows, 'row')}, R² ${short(result.r2)}`,
        '',
        table([
          ['', 'MAE', 'RMSE'],
          row('model', result),
          row('mean', result.mean),
          row('linear', result.linear),
        ]),
        ...(result.best === 'model'
          ? []
          : ['', `${result.best === 'mean' ? 'The mean' : 'A linear regression'} does better.`]),
      ]
      return { text: text.join('\n'), json: result }
    },
  },

  predict: {
    description: 'tell numbers: of arguments, each a row, or of tables',
    inputs: ['rows', 'rows of numbers, separated by commas'],
    files: 'tables of numbers',
    options: (command) => command.addOption(formatOption()),
    jsonForStdin: false,
    help: `${filesHelp}
Standard input is CSV, if --format says nothing else. Prints the targets of each row, separated by
tabs.`,
    examples: [
      'refrain predict houses.refrain 120,4,1987',
      'refrain predict houses.refrain --file new.csv',
    ],
    async *read({ trained, source, options: { format } }) {
      if (source.kind === 'arguments') {
        yield* source.inputs.map(rowOf)
        return
      }
      const from = source.kind === 'files' ? source.files : source.stdin
      const reading: ReadVectorsOptions = {
        inputs: trained.columns.inputs,
        targets: [],
        format: format ?? (source.kind === 'stdin' ? 'csv' : undefined),
      }
      yield* (await readVectors(from, reading)).inputs
    },
    async answer({ trained, items }) {
      const names = trained.columns.targets
      return (await trained.predict(items)).map((row) => ({
        text: row.map((value) => String(Number(value.toPrecision(7)))).join('\t'),
        json: Object.fromEntries(names.map((name, i) => [name, row[i]])),
      }))
    },
  },

  explain: {
    inputs: 'rows of numbers, separated by commas: what each adds to what is told',
    examples: ['refrain explain houses.refrain 120,4,1987'],
    takes: ['column'],
    async run({ trained, inputs, options: { column } }) {
      const facts: Fact[] = []
      for (const row of inputs.map(rowOf)) {
        const why = await trained.explain(row, column)
        const { target, prediction, baseline, contributions } = why
        const parts = Object.entries(contributions)
        const text = formatSum(`${target}:`, ['(all at their mean)', baseline], parts, [
          'sum',
          prediction,
        ])
        facts.push({ text, json: why })
      }
      return facts
    },
  },
}

function addTrainOptions(command: Command): void {
  command
    .option('--target <columns>', 'columns to tell, separated by commas (default: the last)', names)
    .option('--inputs <columns>', 'columns to tell them from (default: all others)', names)
    .option('--units <n>', 'units of each layer', wholeNumber(1), defaults.units)
    .option('--layers <n>', 'layers with tanh; 0: a linear map', wholeNumber(0), defaults.layers)
    .addOption(skipOption(command))
    .addOption(formatOption())
}

const skipOption = (command: Command) =>
  command.createOption('--skip-missing', 'leave out rows that lack a number instead of failing')

const names = (text: string) => text.split(',').map((name) => name.trim())

const short = (value: number) => (Number.isNaN(value) ? '–' : String(Number(value.toPrecision(4))))

function rowOf(text: string): number[] {
  const cells = text.split(',')
  const row = cells.map((cell) => (cell.trim() === '' ? Number.NaN : Number(cell)))
  const bad = row.findIndex((number) => !Number.isFinite(number))
  if (bad < 0) return row
  throw new RefrainError(
    'BAD_ARGUMENT',
    `predict: expected numbers separated by commas, got '${text}'`,
    `'${cells[bad]}' is no number; a file goes behind --file`,
  )
}
