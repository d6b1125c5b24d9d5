/** `classify` in the command: texts and their labels. */
import { type Command, Option } from 'commander'
import { type Examples, readExamples } from '../../data/examples.ts'
import type { TableFormat } from '../../data/table.ts'
import { Vocabulary } from '../../data/vocabulary.ts'
import * as classify from '../../tasks/classify/index.ts'
import { confusionMatrix } from '../charts.ts'
import { count, list, percent, plural, table } from '../io.ts'
import {
  describeSkipped,
  filesHelp,
  formatOption,
  numberFrom,
  skipMissingOption,
  wholeNumber,
} from '../options.ts'
import type { Fact, Task, TrainingRecord } from '../task.ts'
import { readTextItems, type TextItem, textLinesHelp, withResult } from '../texts.ts'
import { formatContributions, formatWhy } from '../why.ts'

const { defaults } = classify

interface TrainOptions {
  text: string
  label: string
  several?: boolean
  skipMissing?: boolean
  format?: TableFormat
}

interface Types {
  trainOptions: TrainOptions
  evaluateOptions: Partial<Omit<TrainOptions, 'several'>>
  predictOptions: { text?: string; format?: TableFormat; why?: boolean }
  data: Examples | Examples<string[]>
  item: TextItem
}

export const classifyTask: Task<classify.Classifier<'text'>, Types> = {
  name: 'classify',
  fromFile: (file, path) => classify.fromFile(file, path) as classify.Classifier<'text'>,
  inspect: describeClassifier,
  inspectRecord: describeRecord,

  train: {
    description: 'train a text classifier: a bidirectional LSTM',
    files: 'tables, or folders with a sub-folder for each label',
    defaults,
    unit: 'examples',
    options: addTrainOptions,
    help: filesHelp,
    examples: [
      'refrain train classify reviews.csv --text review --label sentiment --out reviews.refrain',
      'refrain train classify aclImdb/train --out imdb.refrain --epochs 5',
      'refrain train classify a.jsonl b.jsonl --out tickets.refrain --units 128 --json',
      'refrain train classify tickets.csv --several --label topics --out topics.refrain',
    ],
    async read({ files, options: { text, label, several, format, skipMissing } }) {
      const data = await readExamples(files, { text, label, several, format, skipMissing })
      const counts = countLabels(data.labels.flat())
      return {
        data,
        fact: describeExamples(data, counts),
        warning: several ? '' : joinedLabels(counts) || doubtsAbout(counts, data.labels.length),
        record: { columns: { text, label } },
      }
    },
    train: (data, settings) => classify.train(data, settings),
    kept: describeKept,
    size: ({ encoder: { size, unit } }) => ({
      text: `${count(size)} ${unit}`,
      json: { vocabulary: size },
    }),
  },

  evaluate: {
    description: 'compare a classifier with labelled data',
    files: 'tables, or folders with a sub-folder for each label',
    options: (command) =>
      command
        .option('--text <column>', 'column with the texts (default: as in training)')
        .option('--label <column>', 'column with the labels (default: as in training)')
        .addOption(skipMissingOption())
        .addOption(formatOption()),
    help: filesHelp,
    plots: 'the confusion matrix',
    examples: [
      'refrain evaluate reviews.refrain test.csv',
      'refrain evaluate imdb.refrain aclImdb/test --json',
    ],
    async run({ trained, training, files, options }) {
      const columns = columnsOf(training)
      const data = await readExamples(files, {
        text: options.text ?? columns?.text,
        label: options.label ?? columns?.label,
        format: options.format,
        several: trained.several,
        minLabels: 1,
        skipMissing: options.skipMissing,
      })
      const result = await trained.evaluate(data)
      const left = data.skipped > 0 ? `\n${describeSkipped(data.skipped)}` : ''
      return {
        text: describeEvaluation(result) + left,
        json: { ...result, skipped: data.skipped },
        chart: chartOf(result, files),
      }
    },
  },

  predict: {
    description: 'classify texts: arguments, files, or lines on standard input',
    inputs: ['texts', 'texts to classify'],
    files: 'tables with texts',
    options: (command) =>
      command
        .option('--text <column>', 'column with the texts (default: as in training)')
        .option('--why', 'show what each word contributes to the label')
        .addOption(formatOption()),
    help: `
Prints the label, its probability and the text, separated by tabs; where texts may have several labels,
those that are likely enough and their probabilities, with semicolons between. JSON lines have the
columns of the input and predicted (several: an array), probability and probabilities; an input's column
with one of these names is kept as input_predicted and so on. An empty text gets the label of a text of
unknown words.

With --why the words of the text speak for the label (green, +) or against it (red, -), in nats: their
sum is log p/(1-p) of the label less that of a text of as many unknown words.

${textLinesHelp}`,
    examples: [
      'refrain predict reviews.refrain "a fine film" "two hours too long"',
      'refrain predict reviews.refrain --file new.csv --text review > labelled.tsv',
      `echo '{"text":"a fine film"}' | refrain predict reviews.refrain`,
      'cat lines.txt | refrain predict reviews.refrain',
      'refrain predict reviews.refrain --why "not as dull as its title"',
    ],
    read: ({ training, source, options: { text = columnsOf(training)?.text, format }, io }) =>
      readTextItems(source, { text, format, purpose: 'classify', io }),
    async answer({ trained, items, options }) {
      const predictions = await trained.predict(items.map(({ text }) => text))
      const facts: Fact[] = []
      for (const [i, prediction] of predictions.entries()) {
        const { text, values } = items[i]
        const { label, labels, probability, probabilities } = prediction
        const { several } = trained
        const chances = (several ? labels : [label]).map((one) => probabilities[one].toFixed(4))
        const why = options.why ? await trained.explain(text) : undefined
        const shown = why ? formatWhy(why, useColour()) : text.replace(/\s+/g, ' ')
        const { score, baseline, tokens } = why ?? {}
        facts.push({
          text: `${several ? labels.join(';') : label}\t${chances.join(';')}\t${shown}`,
          json: withResult(values, {
            predicted: several ? labels : label,
            ...(!several && { probability }),
            probabilities,
            ...(why && { score, baseline, tokens }),
          }),
        })
      }
      return facts
    },
  },

  explain: {
    inputs: 'texts: what each word adds to the score of the label, log p/(1-p)',
    examples: [
      'refrain explain reviews.refrain "not as dull as its title"',
      'refrain explain reviews.refrain --label bad "not as dull as its title"',
    ],
    takes: ['label'],
    async run({ trained, inputs, options: { label } }) {
      const facts: Fact[] = []
      for (const text of inputs) {
        const why = await trained.explain(text, label)
        const rows = why.tokens.map(({ token, contribution }) => [token, contribution] as const)
        const json = { text, ...why }
        facts.push({ text: formatContributions(why, '(unknown words)', rows), json })
      }
      return facts
    },
  },
}

/** How the LSTM's outputs become one vector. */
export const poolingOption = (usual: string = defaults.pooling) =>
  new Option('--pooling <kind>', "what the label is read from: of each unit's outputs over time")
    .choices(['max', 'mean', 'mean+max', 'last', 'attention'])
    .default(usual)

/** How the learning rate falls. */
export const decayOption = (usual: string = defaults.decay) =>
  new Option('--decay <kind>', 'how the learning rate falls over --epochs')
    .choices(['none', 'cosine'])
    .default(usual)

const useColour = () => process.stdout.isTTY && !process.env.NO_COLOR

function addTrainOptions(command: Command): void {
  command
    .option('--text <column>', 'column with the texts', 'text')
    .option('--label <column>', 'column with the labels', 'label')
    .option('--several', 'a row may have several labels (fast;cheap, or an array in JSON), or none')
    .option('--units <n>', 'LSTM units in each direction', wholeNumber(1), defaults.units)
    .option('--embedding <n>', 'width of the word vectors', wholeNumber(1), defaults.embedding)
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training',
      numberFrom(0, 0.99),
      defaults.dropout,
    )
    .addOption(
      new Option('--tokens <kind>', 'what texts are cut into')
        .choices(['words', 'subwords'])
        .default(defaults.tokens),
    )
    .option(
      '--vocabulary <n>',
      'most words, the frequent ones',
      wholeNumber(3),
      defaults.vocabulary,
    )
    .option('--min-count <n>', 'how often a word must occur', wholeNumber(1), defaults.minCount)
    .option(
      '--max-length <n>',
      'words of a text that are read, from its start',
      wholeNumber(1),
      defaults.maxLength,
    )
    .option(
      '--token-dropout <share>',
      'share of the words that training takes for unknown ones',
      numberFrom(0, 0.99),
      defaults.tokenDropout,
    )
    .addOption(poolingOption())
    .addOption(decayOption())
    .option(
      '--balance',
      'make rare labels count as much as frequent ones (default: if one has 20 times as many)',
    )
    .option('--no-balance', 'leave them as they are')
    .addOption(skipMissingOption())
    .addOption(formatOption())
}

/** The columns in a training record, if `refrain train` made it. */
function columnsOf(training: TrainingRecord): { text: string; label: string } | undefined {
  const { text, label } = (training?.columns ?? {}) as { text?: unknown; label?: unknown }
  return typeof text === 'string' && typeof label === 'string' ? { text, label } : undefined
}

type Counts = readonly (readonly [label: string, rows: number])[]

/** The examples of each label, most frequent first. */
export function countLabels(labels: readonly string[]): Counts {
  const counts = new Map<string, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
}

function describeExamples({ labels, skipped }: Types['data'], counts: Counts): Fact {
  const shown = counts.slice(0, 6).map(([name, rows]) => `${list([name])} ${count(rows)}`)
  if (counts.length > 6) shown.push(`${counts.length - 6} more`)
  return {
    text:
      `${plural(labels.length, 'row')} with ${plural(counts.length, 'label')}: ${shown.join(', ')}` +
      (skipped > 0 ? `\n${describeSkipped(skipped)}` : ''),
    json: { rows: labels.length, skipped, labels: Object.fromEntries(counts) },
  }
}

/** Says so where labels look like several in one. */
function joinedLabels(counts: Counts): string {
  const joined = counts.filter(([name]) => name.includes(';'))
  if (joined.length === 0) return ''
  return (
    `${plural(joined.length, 'label')} with semicolons, such as ${list([joined[0][0]])}; --several takes ` +
    'them for several labels of a row'
  )
}

/** What looks wrong in the rows of each label. */
export function doubtsAbout(counts: Counts, rows: number): string {
  const single = counts.filter(([, n]) => n === 1).map(([name]) => name)
  if (counts.length > 100 || counts.length > rows / 2) {
    return (
      `there are ${count(counts.length)} different labels in ${plural(rows, 'row')}; ` +
      'did you mean --text and --label the other way round?'
    )
  }
  if (single.length === 0) return ''
  const names = list(single.slice(0, 5)) + (single.length > 5 ? ', …' : '')
  return `too few to learn from: only one row has the label ${names}`
}

export function describeKept({ history }: classify.Classifier): Fact | undefined {
  const { valLoss, valAccuracy } = history!.history
  if (!valLoss?.length) return undefined
  const best = classify.bestEpoch(history!)
  return {
    text: `kept epoch ${best + 1}: validation accuracy ${percent(valAccuracy[best])}`,
    json: {
      bestEpoch: best + 1,
      validationLoss: valLoss[best],
      validationAccuracy: valAccuracy[best],
    },
  }
}

function describeClassifier({ encoder, labels, several }: classify.Classifier<'text'>): string {
  const { vocabulary, maxLength } = encoder
  const names = list(labels.labels.slice(0, 20))
  const lines = [
    `Classifies texts into ${plural(labels.size, 'label')}${several ? ', each yes or no' : ''}: ` +
      `${names}${labels.size > 20 ? ', …' : ''}`,
  ]
  if (vocabulary instanceof Vocabulary) {
    const shown = Math.min(12, vocabulary.size - 2)
    const words = vocabulary.decode(Array.from({ length: shown }, (_, i) => i + 2))
    lines.push(`Vocabulary: ${count(vocabulary.size)} ids, the most frequent: ${words.join(' ')}`)
    lines.push(`Reads the first ${plural(maxLength, 'word')} of a text`)
  } else {
    lines.push(`Vocabulary: ${count(vocabulary.size)} pieces of words`)
    lines.push(`Reads the first ${plural(maxLength, 'piece')} of a text`)
  }
  return lines.join('\n')
}

function describeRecord(training: NonNullable<TrainingRecord>): string {
  const { validationAccuracy, bestEpoch } = training
  const columns = columnsOf(training)
  return [
    ...(typeof validationAccuracy === 'number'
      ? [`Kept epoch ${bestEpoch}, validation accuracy ${percent(validationAccuracy)}`]
      : []),
    ...(columns ? [`Columns: texts '${columns.text}', labels '${columns.label}'`] : []),
  ].join('\n')
}

const share = (value: number) => (value * 100).toFixed(1)

/** The confusion matrix, where examples have one label. */
export function chartOf({ labels, confusion }: classify.Evaluation, files: readonly string[]) {
  const names = labels.map(({ label }) => label)
  return confusion.length > 0 ? () => confusionMatrix(names, confusion, files.join(' ')) : undefined
}

/** Scores of an evaluation, as tables. */
export function describeEvaluation({
  examples,
  accuracy,
  loss,
  macroF1,
  microF1,
  calibrationError,
  labels,
  confusion,
}: classify.Evaluation): string {
  const most = labels.reduce((a, b) => (b.examples > a.examples ? b : a))
  const several = confusion.length === 0
  const also = `loss ${loss.toFixed(4)}, probabilities off by ${percent(calibrationError)}`
  const lines = [
    ...(several
      ? [
          `micro F1 ${percent(microF1)}, macro F1 ${percent(macroF1)} on ${plural(examples, 'row')}, ${also}`,
          `all labels of a row are right in ${percent(accuracy)}`,
        ]
      : [
          `accuracy ${percent(accuracy)} on ${plural(examples, 'row')}, ${also}`,
          `always answering '${most.label}' would be right in ${percent(most.examples / examples)}`,
        ]),
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
  if (!several && labels.length <= 10) {
    const names = labels.map(({ label }) => label)
    const matrix = names.map((name, i) => [name, ...confusion[i].map(count)])
    lines.push('', table([['is \\ predicted', ...names], ...matrix]))
  }
  return lines.join('\n')
}
