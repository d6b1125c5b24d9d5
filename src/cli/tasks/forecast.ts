/** `forecast` in the command: series of numbers. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  type Fill,
  type ReadSeriesOptions,
  readSeries,
  type SeriesTable,
} from '../../data/read-series.ts'
import type { Series } from '../../data/series.ts'
import type { Source } from '../../data/source.ts'
import type { TableFormat } from '../../data/table.ts'
import { describeStep, timeAt, writeTime } from '../../data/time.ts'
import { RefrainError } from '../../errors.ts'
import * as forecast from '../../tasks/forecast/index.ts'
import { normalizations, scalings } from '../../tasks/forecast/scale.ts'
import { forecastChart } from '../charts.ts'
import { count, list, plural, table } from '../io.ts'
import { formatOption, numberFrom, wholeNumber } from '../options.ts'
import type { Fact, Task, TrainingRecord } from '../task.ts'
import { formatForecastWhy } from '../why.ts'

const { defaults } = forecast

/** Where in the files a series is. */
interface Columns {
  time?: string
  id?: string
  values?: string[]
  past?: string[]
  known?: string[]
  fill?: Fill
  format?: TableFormat
}

interface Types {
  trainOptions: Columns
  evaluateOptions: Columns & { from?: number; stride?: number }
  predictOptions: Columns
  data: Series[]
  item: Series
}

const filesHelp = `
Files: .csv, .tsv, .json (an array of objects), .jsonl or .ndjson, each also with .gz behind it. A row
is a time of a series, oldest first; times are dates (2016-07-01, 2016-07-01 13:00, 2016-07) or
numbers, equally spaced. --fill says what to do about missing rows and numbers.`

export const forecastTask: Task<forecast.Forecaster, Types> = {
  name: 'forecast',
  fromFile: forecast.fromFile,
  inspect: describeForecaster,
  inspectRecord: (training) =>
    typeof training.verdict === 'string' ? `On the validation part: ${training.verdict}` : '',

  train: {
    description: 'train a forecaster of series: an LSTM that reads a window',
    files: 'tables with a row for each time',
    defaults,
    unit: 'windows',
    options: addTrainOptions,
    help: filesHelp,
    examples: [
      'refrain train forecast energy.csv --values load --horizon 24 --out energy.refrain',
      'refrain train forecast shops.csv --id shop --values sales --known holiday --out shops.refrain',
      'refrain train forecast co2.csv --values CO2 --fill linear --quantiles 0.1,0.9 --out co2.refrain',
    ],
    async read({ files, options }) {
      const read = await readSeries(files, readOptions(options))
      const { time, id, past, known, fill } = options
      return {
        data: read.series,
        fact: describeSeries(read),
        record: { columns: { time, id, past, known, fill } },
      }
    },
    train: forecast.train,
    kept: describeKept,
    size: ({ layout: { window, horizon } }) => ({
      text: `${plural(horizon, 'step')} from ${window}`,
      json: { window, horizon },
    }),
  },

  evaluate: {
    description: 'forecast the past of series from every origin, beside naive forecasts',
    files: 'tables with a row for each time',
    options: (command) => {
      addColumnOptions(command, ' (default: as in training)')
      command
        .option(
          '--from <n>',
          'first step to forecast, counted from 0, or from the end if negative: --from=-48',
          whole,
        )
        .option('--stride <n>', 'steps from one forecast to the next', wholeNumber(1), 1)
    },
    help: `${filesHelp}

All before --from is history: give the training data, too, and name where the test begins.`,
    examples: [
      'refrain evaluate energy.refrain energy-all.csv --from=-720',
      'refrain evaluate energy.refrain energy-2017.csv --stride 24 --json',
    ],
    async run({ trained, training, files, options }) {
      const series = await seriesOf(files, trained, training, options)
      const { from, stride } = options
      const result = await trained.evaluate(series, { from, stride })
      const verdict = forecast.verdict(result)
      return { text: `${describeBacktest(result)}\n\n${verdict}`, json: { ...result, verdict } }
    },
  },

  predict: {
    description: 'continue series: tables, or numbers as arguments',
    inputs: ['numbers', 'the numbers of a series, oldest first'],
    files: 'tables with a row for each time',
    options: (command) => addColumnOptions(command, ' (default: as in training)'),
    jsonForStdin: false,
    plots: 'the forecast of the first column, behind what came before',
    help: `${filesHelp}
Standard input is CSV, if --format says nothing else. Columns known in advance (--known) must go on
after the last value.

Prints a line for each step: the series (where there are several), the time, and for each column the
forecast, then its quantiles, separated by tabs. JSON lines have a series each.`,
    examples: [
      'refrain predict energy.refrain --file energy.csv',
      'refrain predict energy.refrain --file energy.csv --json',
      'refrain predict airline.refrain 112 118 132 129 121 135 148 148 136 119 104 118',
    ],
    async *read({ trained, training, source, options }) {
      if (source.kind === 'arguments') yield seriesOfNumbers(trained, source.inputs)
      else if (source.kind === 'files') {
        yield* await seriesOf(source.files, trained, training, options)
      } else {
        const { format = 'csv' } = options
        yield* await seriesOf(source.stdin, trained, training, { ...options, format })
      }
    },
    async answer({ trained, items }) {
      const named = items.length > 1 || items[0].id !== '1'
      return (await trained.predict(items)).map((one, i) => ({
        ...describeForecast(one, named),
        chart: () => chartOf(items[i], one, trained.layout),
      }))
    },
  },

  explain: {
    inputs: 'a table, or the numbers of a series: what each value adds to the forecast',
    examples: [
      'refrain explain energy.refrain energy.csv --ahead 3',
      'refrain explain airline.refrain 112 118 132 129 121 135 148 148 136 119 104 118',
    ],
    takes: ['column', 'ahead'],
    async run({ trained, training, inputs, options: { column, ahead } }) {
      const series = inputs.every((input) => /^[-+.,;\d\seE]+$/.test(input))
        ? [seriesOfNumbers(trained, inputs)]
        : await seriesOf(inputs, trained, training, {})
      const steps = Array.from({ length: trained.layout.horizon }, (_, h) => h + 1)
      const facts: Fact[] = []
      for (const one of ahead === undefined ? steps : [ahead]) {
        for (const why of await trained.explain(series, { column, ahead: one })) {
          facts.push({ text: formatForecastWhy(why, series.length > 1), json: why })
        }
      }
      return facts
    },
  },
}

/** The first column: its forecast, the outermost quantiles, and two windows of its past. */
function chartOf(series: Series, one: forecast.Forecast, { window, horizon }: forecast.Layout) {
  const { axis, length } = series
  const at = (i: number) => {
    if (!axis) return i + 1
    const time = timeAt(axis, i)
    return axis.unit === 'numbers' ? time : new Date(time).toISOString()
  }
  const [column] = Object.keys(one.values)
  const bands = Object.values(one.quantiles).map((of) => of[column])
  const start = Math.max(0, length - 2 * Math.max(window, horizon))
  const past = Array.from(series.values[column].subarray(start), (value, i) => ({
    at: at(start + i),
    value,
  }))
  const points = one.values[column].map((value, h) => ({
    at: at(length + h),
    value,
    ...(bands.length > 1 && { low: bands[0][h], high: bands[bands.length - 1][h] }),
  }))
  return forecastChart(
    { past, forecast: points },
    series.id === '1' ? column : `${column}, ${series.id}`,
  )
}

const whole = (text: string) => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value)) {
    throw new InvalidArgumentError('Expected a whole number.')
  }
  return value
}

const names = (text: string) => text.split(',').map((name) => name.trim())

function addColumnOptions(command: Command, byDefault = ''): void {
  command
    .option('--time <column>', `column with the times, or none${byDefault}`)
    .option('--id <column>', `column that tells several series apart${byDefault}`)
    .option('--past <columns>', `columns that are read, not forecast${byDefault}`, names)
    .option('--known <columns>', `columns that are known in advance${byDefault}`, names)
    .option(
      '--fill <way>',
      `for missing numbers and rows: linear, previous or a number${byDefault}`,
      (text): Fill => {
        if (text === 'linear' || text === 'previous') return text
        if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
        throw new InvalidArgumentError('Expected linear, previous or a number.')
      },
    )
    .addOption(formatOption())
}

function addTrainOptions(command: Command): void {
  const quantiles = (text: string) => names(text).map(numberFrom(0.001, 0.999))
  command.option(
    '--values <columns>',
    'columns to forecast, separated by commas (default: all others)',
    names,
  )
  addColumnOptions(command)
  command
    .option('--horizon <n>', 'steps to forecast (default: one season, or 1)', wholeNumber(1))
    .option(
      '--window <n>',
      'steps to forecast from (default: by horizon and season)',
      wholeNumber(1),
    )
    .option(
      '--season <n>',
      'steps after which a series repeats itself (default: found)',
      wholeNumber(1),
    )
    .option('--quantiles <list>', 'quantiles to forecast, such as 0.1,0.9', quantiles)
    .addOption(
      new Option('--network <kind>', 'all steps at once, or by a decoder')
        .choices(['direct', 'decoder'])
        .default(defaults.network),
    )
    .addOption(
      new Option('--scale <kind>', 'scale of each series')
        .choices(scalings)
        .default(defaults.scale),
    )
    .addOption(
      new Option('--normalize <kind>', 'what is taken out of each window')
        .choices(normalizations)
        .default(defaults.normalize),
    )
    .addOption(
      new Option('--loss <name>', 'of forecasts without quantiles')
        .choices(forecast.losses)
        .default(defaults.loss),
    )
    .option(
      '--spread-weight <x>',
      'how much more series of wide scales count, from 0 to 1',
      numberFrom(0, 1),
      defaults.spreadWeight,
    )
    .option('--no-calendar', 'do not read the time of the day, week and year')
    .option('--no-linear', 'leave out the linear map from window to forecast')
    .option('--windows <n>', 'most windows to train on', wholeNumber(1), defaults.windows)
    .option('--units <n>', 'units of each LSTM', wholeNumber(1), defaults.units)
    .option('--layers <n>', 'LSTMs, one after the other', wholeNumber(1), defaults.layers)
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training',
      numberFrom(0, 0.99),
      defaults.dropout,
    )
}

/** The command's columns as the reader takes them. */
const readOptions = ({
  time,
  values,
  id,
  past,
  known,
  fill,
  format,
}: Columns): ReadSeriesOptions => ({
  time: time === 'none' ? null : time,
  values,
  id,
  past,
  known,
  fill,
  format,
})

/** Series with the columns that the model was trained on; options win over its record. */
async function seriesOf(
  sources: Source | readonly Source[],
  { layout: { columns } }: forecast.Forecaster,
  training: TrainingRecord,
  options: Columns,
): Promise<Series[]> {
  const before = (training?.columns ?? {}) as Columns
  const { past, known } = options
  const { series } = await readSeries(
    sources,
    readOptions({
      time: options.time ?? before.time,
      id: options.id ?? before.id,
      fill: options.fill ?? before.fill,
      format: options.format,
      values: [...columns.values],
      past: past ?? [...columns.past],
      known: known ?? [...columns.known],
    }),
  )
  return series
}

/** A series of the arguments, which may be separated by commas, too. */
function seriesOfNumbers({ layout }: forecast.Forecaster, inputs: readonly string[]): Series {
  const [column, ...more] = layout.columns.values
  if (more.length + layout.columns.past.length + layout.columns.known.length > 0) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'predict: the model reads several columns, and arguments are one',
      'Give a table with --file',
    )
  }
  const numbers = inputs.flatMap((input) => input.split(/[\s,;]+/).filter(Boolean)).map(Number)
  const bad = numbers.findIndex((number) => !Number.isFinite(number))
  if (bad >= 0) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `predict: expected numbers, got ${JSON.stringify(inputs[bad] ?? inputs[0])}`,
      'A file goes behind --file',
    )
  }
  const values = { [column]: Float64Array.from(numbers) }
  return { id: '1', axis: null, length: numbers.length, values, past: {}, known: {} }
}

function describeSeries({ series, filled }: SeriesTable): Fact {
  const [first] = series
  const { axis } = first
  const lengths = series.map(({ length }) => length)
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)]
  const columns = Object.keys(first.values)
  const size =
    series.length === 1
      ? plural(most, 'value')
      : `${count(series.length)} series of ${least === most ? '' : `${count(least)} to `}${plural(most, 'value')}`
  const span = axis
    ? series.length === 1
      ? ` from ${writeTime(axis, 0)} to ${writeTime(axis, most - 1)}, in steps of ${describeStep(axis)}`
      : `, in steps of ${describeStep(axis)}`
    : ''
  const lines = [`${size} of ${list(columns)}${span}`]
  if (filled.numbers + filled.rows > 0) {
    lines.push(
      `filled ${plural(filled.rows, 'missing row')} and ${plural(filled.numbers, 'missing number')}`,
    )
  }
  return {
    text: lines.join('\n'),
    json: {
      series: series.length,
      values: lengths.reduce((sum, n) => sum + n, 0),
      columns,
      filled,
    },
  }
}

function describeKept({ history, validation }: forecast.Forecaster): Fact | undefined {
  const { valLoss } = history!.history
  if (!valLoss?.length) return undefined
  const best = valLoss.indexOf(Math.min(...valLoss))
  const epoch = `kept epoch ${best + 1}: validation loss ${short(valLoss[best])}`
  const json = { bestEpoch: best + 1, validationLoss: valLoss[best] }
  if (!validation) return { text: epoch, json }
  const verdict = forecast.verdict(validation)
  return { text: `${epoch}\n${verdict}`, json: { ...json, verdict, validation } }
}

function describeForecaster(forecaster: forecast.Forecaster): string {
  const { layout, season, quantiles, step } = forecaster
  const { window, horizon, columns, calendar } = layout
  const reads = [
    ...columns.past,
    ...columns.known,
    ...calendar.map((name) => `time of the ${name}`),
  ]
  return [
    `Forecasts ${list(columns.values)}, ${plural(horizon, 'step')}` +
      `${step ? ` of ${describeStep(step)}` : ''} from the ${window} before`,
    ...(reads.length > 0 ? [`Reads, too: ${list(reads)}`] : []),
    ...(quantiles.length > 0 ? [`Quantiles: ${quantiles.join(', ')}`] : []),
    season > 1 ? `Season: ${season} steps` : 'No season',
  ].join('\n')
}

const short = (value: number) => (Number.isNaN(value) ? '–' : String(Number(value.toPrecision(4))))

function describeBacktest(result: forecast.Backtest): string {
  const { model, naive, seasonalNaive, season, origins, horizon, coverage, columns } = result
  const row = (name: string, { mae, rmse, smape, mase, quantileLoss }: forecast.Scores) => [
    name,
    ...[mae, rmse, smape, mase, quantileLoss].map(short),
  ]
  const lines = [
    `${plural(origins, 'forecast')} of ${plural(horizon, 'step')}`,
    '',
    table([
      ['', 'MAE', 'RMSE', 'sMAPE', 'MASE', 'quantile loss'],
      row('model', model),
      ...Object.entries(columns).map(([name, scores]) => row(`  ${name}`, scores)),
      row('last value', naive),
      ...(seasonalNaive ? [row(`last ${season} steps`, seasonalNaive)] : []),
    ]),
  ]
  for (const [quantile, share] of Object.entries(coverage)) {
    lines.push(`below the quantile ${quantile}: ${(100 * share).toFixed(1)} % of the values`)
  }
  return lines.join('\n')
}

function describeForecast(
  { id, times, values, quantiles }: forecast.Forecast,
  named: boolean,
): Fact {
  const columns = Object.keys(values)
  const steps = values[columns[0]].map((_, h) => {
    const numbers = columns.flatMap((name) => [
      values[name][h],
      ...Object.values(quantiles).map((of) => of[name][h]),
    ])
    const time = times ? String(times[h]) : String(h + 1)
    const cells = [time, ...numbers.map((value) => String(Number(value.toPrecision(7))))]
    return (named ? [id, ...cells] : cells).join('\t')
  })
  return { text: steps.join('\n'), json: { id, times, values, quantiles } }
}
