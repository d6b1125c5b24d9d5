/** Classifiers of series, sounds and clips in the command; they differ in what they read. */
import { type Command, Option } from 'commander'
import {
  readClips,
  readFrames,
  readLabelledSeries,
  readSounds,
  readTable,
  readWav,
} from '../../data/index.ts'
import { RefrainError } from '../../errors.ts'
import * as classify from '../../tasks/classify/index.ts'
import { count, list, plural } from '../io.ts'
import { numberFrom, wholeNumber } from '../options.ts'
import type { Fact, InputSource, Task } from '../task.ts'
import { formatContributions } from '../why.ts'
import {
  chartOf,
  countLabels,
  decayOption,
  describeEvaluation,
  describeKept,
  doubtsAbout,
  poolingOption,
} from './classify.ts'

/** What is different about a kind of recordings. */
interface Kind {
  readonly kind: 'series' | 'audio' | 'video'
  readonly description: string
  /** One of them, and several: 'sound', 'sounds'. */
  readonly one: string
  /** What the arguments of train and evaluate are. */
  readonly files: string
  /** What the arguments of predict are. */
  readonly inputs: readonly [name: string, description: string]
  readonly help: string
  readonly examples: {
    readonly train: readonly string[]
    readonly evaluate: string
    readonly predict: string
  }
  readonly defaults: Omit<typeof classify.seriesDefaults, 'noise'> & Record<string, unknown>
  options?(command: Command): void
  read(files: readonly string[], options: Options): Promise<Labelled>
  /** One of them from the file or folder of an argument. */
  open(path: string, features: readonly string[]): Promise<unknown>
  describe(encoder: classify.Classifier['encoder']): string
}

interface Options {
  id?: string
  label?: string
}

type Labelled = classify.Examples & { labels: string[]; features?: string[] }
type Any = classify.Classifier
interface Item {
  readonly path: string
  readonly item: unknown
}

function taskOf(own: Kind): Task<Any, { data: Labelled; item: Item; trainOptions: Options }> {
  const { kind, defaults, one } = own
  const name = `classify-${kind}`
  return {
    name,
    fromFile: classify.fromFile,
    inspect: ({ encoder, labels }) =>
      `${own.describe(encoder)}\n${plural(labels.size, 'label')}: ${list(labels.labels.slice(0, 20))}` +
      `${labels.size > 20 ? ', …' : ''}`,
    train: {
      description: own.description,
      files: own.files,
      defaults,
      unit: 'examples',
      options(command) {
        own.options?.(command)
        command
          .option('--units <n>', 'LSTM units in each direction', wholeNumber(1), defaults.units)
          .option('--layers <n>', 'LSTMs upon each other', wholeNumber(1), defaults.layers)
          .option(
            '--dropout <share>',
            'share of the numbers dropped in training',
            numberFrom(0, 0.99),
            defaults.dropout,
          )
          .addOption(poolingOption(defaults.pooling))
          .addOption(decayOption(defaults.decay))
          .option(
            '--balance',
            'make rare labels count as much as frequent ones (default: if one has 20 times as many)',
          )
          .option('--no-balance', 'leave them as they are')
      },
      help: own.help,
      examples: own.examples.train,
      async read({ files, options }) {
        const data = await own.read(files, options)
        const counts = countLabels(data.labels)
        const { id, label } = options
        return {
          data,
          fact: {
            text: `${plural(data.labels.length, one)} with ${counts.length} labels: ${counts
              .slice(0, 6)
              .map(([label, n]) => `${list([label])} ${count(n)}`)
              .join(', ')}${counts.length > 6 ? `, ${counts.length - 6} more` : ''}`,
            json: { rows: data.labels.length, labels: Object.fromEntries(counts) },
          },
          warning: doubtsAbout(counts, data.labels.length),
          record: { columns: { id, label }, features: data.features },
        }
      },
      train: (data, settings) => classify.train(data, settings) as Promise<Any>,
      kept: describeKept,
    },
    evaluate: {
      description: `compare a classifier with labelled ${own.one}s`,
      files: own.files,
      help: own.help,
      plots: 'the confusion matrix',
      examples: [own.examples.evaluate],
      async run({ trained, training, files }) {
        const result = await trained.evaluate(
          await own.read(files, (training?.columns ?? {}) as Options),
        )
        return { text: describeEvaluation(result), json: result, chart: chartOf(result, files) }
      },
    },
    predict: {
      description: `classify ${own.inputs[0]}`,
      inputs: own.inputs,
      files: own.inputs[1],
      help: '\nPrints the label, its probability and the path, separated by tabs.',
      examples: [own.examples.predict],
      async *read({ source, training }) {
        const features = (training?.features ?? []) as string[]
        for (const path of pathsOf(source)) yield { path, item: await own.open(path, features) }
      },
      async answer({ trained, items }) {
        const predictions = await trained.predict(items.map(({ item }) => item) as never)
        return predictions.map(({ label, probability, probabilities }, i) => ({
          text: `${label}\t${probability.toFixed(4)}\t${items[i].path}`,
          json: { file: items[i].path, predicted: label, probability, probabilities },
        }))
      },
    },
    explain: {
      inputs: `${own.inputs[0]}: what each ${kind === 'series' ? 'measurement' : 'stretch of time'} adds to it`,
      examples: [own.examples.predict.replace('predict', 'explain')],
      takes: ['label'],
      async run({ trained, training, inputs, options: { label } }) {
        const features = (training?.features ?? []) as string[]
        const facts: Fact[] = []
        for (const path of inputs) {
          const item = (await own.open(path, features)) as never
          const why = await (trained as classify.Classifier<'series'>).explain(item, label)
          const { shape, data } = why.contributions
          const rows =
            kind === 'series' ? byFeature(why.contributions, features) : byTime(data, shape[0])
          const json = { file: path, ...why, contributions: { shape, data: [...data] } }
          facts.push({ text: formatContributions(why, '(all at their mean)', rows), json })
        }
        return facts
      },
    },
  }
}

type Rows = [name: string, contribution: number][]

/** The contributions of each feature at all steps. */
function byFeature(
  { shape, data }: classify.NumbersExplanation['contributions'],
  names: readonly string[],
): Rows {
  const sums = Array.from<number>({ length: shape[1] }).fill(0)
  data.forEach((value, i) => {
    sums[i % shape[1]] += value
  })
  return sums.map((sum, f) => [names[f] ?? `feature ${f + 1}`, sum])
}

/** The contributions of all that is read at the same time, in at most ten stretches. */
function byTime(data: Float64Array, steps: number): Rows {
  const parts = Math.min(10, steps)
  const width = data.length / steps
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part, part + 1].map((p) => Math.round((p * steps) / parts))
    const sum = data.subarray(from * width, to * width).reduce((total, value) => total + value, 0)
    return [to - from === 1 ? `frame ${to}` : `frames ${from + 1}–${to}`, sum]
  })
}

function pathsOf(source: InputSource): readonly string[] {
  if (source.kind === 'arguments') return source.inputs
  if (source.kind === 'files') return source.files
  throw new RefrainError(
    'BAD_ARGUMENT',
    'predict: expected files, got standard input',
    'Name them behind the model',
  )
}

/** The one folder that sounds and clips lie in. */
function oneFolder(files: readonly string[]): string {
  if (files.length === 1) return files[0]
  throw new RefrainError(
    'BAD_ARGUMENT',
    `expected one folder with a sub-folder for each label, got ${files.length} names`,
  )
}

/** `refrain train classify-series` */
export const classifySeriesTask = taskOf({
  kind: 'series',
  description: 'train a classifier of series of measurements: a bidirectional LSTM',
  one: 'series',
  files: 'tables, or a folder with a sub-folder of tables for each label',
  inputs: ['files', 'tables of one series each'],
  help: `
Files: tables with a row a step, whose columns are id, label and measurements; JSON lines with a row a
series, {"label": "walk", "series": [[0.1, 20], [0.3, 21]]}; or a folder with a sub-folder for each
label, in which each table is a series. Columns 'time' and 't' are left out.`,
  examples: {
    train: ['refrain train classify-series sensors.csv --id run --label state --out s.refrain'],
    evaluate: 'refrain evaluate s.refrain test.csv',
    predict: 'refrain predict s.refrain run-17.csv',
  },
  defaults: classify.seriesDefaults,
  options: (command) =>
    command
      .option('--id <column>', 'column that tells series apart', 'id')
      .option('--label <column>', 'column with the labels', 'label')
      .option(
        '--noise <x>',
        'noise added in training, in units of the standard deviation of each measurement',
        numberFrom(0, 1),
        classify.seriesDefaults.noise,
      ),
  read: (files, { id, label }) => readLabelledSeries(files, { id, label }),
  async open(path, features) {
    const steps: number[][] = []
    for await (const { values, row } of readTable(path)) {
      const names = features.length > 0 ? features : Object.keys(values)
      steps.push(
        names.map((name) => {
          const value = Number(values[name] === '' ? Number.NaN : (values[name] ?? Number.NaN))
          if (Number.isFinite(value)) return value
          throw new RefrainError(
            'BAD_DATA',
            `${path}, row ${row}: expected a number in the column '${name}', got ${values[name]}`,
          )
        }),
      )
    }
    return steps
  },
  describe: ({ size }) => `Classifies series of ${plural(size, 'measurement')} a step`,
})

/** `refrain train classify-audio` */
export const classifyAudioTask = taskOf({
  kind: 'audio',
  description: 'train a classifier of sounds: log-mel frames, a bidirectional LSTM',
  one: 'sound',
  files: 'a folder with a sub-folder of WAV files for each label',
  inputs: ['files', 'WAV files'],
  help: `
Files: FOLDER/label/*.wav, uncompressed; channels are mixed to one, and all brought to one sample rate.`,
  examples: {
    train: ['refrain train classify-audio words/train --out words.refrain'],
    evaluate: 'refrain evaluate words.refrain words/test',
    predict: 'refrain predict words.refrain a.wav b.wav',
  },
  defaults: classify.audioDefaults,
  options: (command) =>
    command
      .option(
        '--sample-rate <hz>',
        'samples a second to which all are brought; 0: the lowest there is, at most 16000',
        wholeNumber(0),
        classify.audioDefaults.sampleRate,
      )
      .option(
        '--bands <n>',
        'bands of the mel scale',
        wholeNumber(1),
        classify.audioDefaults.bands,
      ),
  read: (files) => readSounds(oneFolder(files)),
  open: readWav,
  describe: (encoder) =>
    `Classifies sounds by ${plural(encoder.size, 'band')} at ` +
    `${count((encoder as classify.AudioEncoder).mel.sampleRate)} samples a second`,
})

/** `refrain train classify-video` */
export const classifyVideoTask = taskOf({
  kind: 'video',
  description: 'train a classifier of clips: convolutions for each frame, a bidirectional LSTM',
  one: 'clip',
  files: 'a folder with a sub-folder for each label, and in it one for each clip',
  inputs: ['folders', 'folders of PNG frames'],
  help: `
Files: FOLDER/label/clip/*.png, the frames in the order of the numbers in their names, all of one size.`,
  examples: {
    train: ['refrain train classify-video gestures/train --out gestures.refrain'],
    evaluate: 'refrain evaluate gestures.refrain gestures/test',
    predict: 'refrain predict gestures.refrain new/clip-1',
  },
  defaults: classify.videoDefaults as typeof classify.videoDefaults & Record<string, unknown>,
  options: (command) =>
    command.addOption(
      new Option('--reader <kind>', 'convolutions for each frame, or a convolutional LSTM')
        .choices(['conv', 'convLstm'])
        .default(classify.videoDefaults.reader),
    ),
  read: (files) => readClips(oneFolder(files)),
  open: (path) => readFrames(path),
  describe: (encoder) =>
    `Classifies clips of ${(encoder as classify.VideoEncoder).frame.join(' × ')} pixels and channels`,
})
