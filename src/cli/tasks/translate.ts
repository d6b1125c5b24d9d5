/** `translate` in the command: texts and what each becomes. */
import type { Command } from 'commander'
import { type Pairs, readPairs, readParallel } from '../../data/pairs.ts'
import type { TableFormat } from '../../data/table.ts'
import { RefrainError } from '../../errors.ts'
import * as translate from '../../tasks/translate/index.ts'
import { attentionMap } from '../charts.ts'
import { count, percent, plural, table } from '../io.ts'
import {
  describeSkipped,
  formatOption,
  numberFrom,
  skipMissingOption,
  wholeNumber,
} from '../options.ts'
import type { Fact, Task, TrainingRecord } from '../task.ts'
import { readTextItems, type TextItem, textLinesHelp, withResult } from '../texts.ts'

const { defaults } = translate

interface ReadOptions {
  source?: string
  target?: string
  parallel?: boolean
  header?: boolean
  skipMissing?: boolean
  format?: TableFormat
}

interface SearchOptions {
  beam?: number
  lengthPenalty?: number
}

interface Types {
  trainOptions: ReadOptions
  evaluateOptions: ReadOptions & SearchOptions & { grouped?: boolean }
  predictOptions: SearchOptions & {
    nBest?: number
    attention?: boolean
    plot?: string
    source?: string
    format?: TableFormat
  }
  data: Pairs
  item: TextItem
}

const files =
  'tables of pairs, or with --parallel two files, line 7 of one becoming line 7 of the other'

const help = `
Files: .csv, .tsv, .json (an array of objects), .jsonl or .ndjson with the columns source and target, or
those that --source and --target name; with --no-header, texts with tabs between them, whose columns are
1, 2, …; with --parallel, a file of sources and a file of targets. Each may have .gz behind it.`

export const translateTask: Task<translate.Translator, Types> = {
  name: 'translate',
  fromFile: translate.fromFile,
  inspect: ({ source, target, model }) =>
    `Translates texts of ${count(source.size)} pieces into texts of ${count(target.size)}\n` +
    `Weights: ${count(model.parameters.values.size)}`,

  train: {
    description: 'train a translator: a bidirectional LSTM, and an LSTM that attends to it',
    files,
    defaults,
    unit: 'pairs',
    options: addTrainOptions,
    help,
    examples: [
      'refrain train translate pairs.tsv --source en --target fr --out en-fr.refrain',
      'refrain train translate train.de train.en --parallel --out de-en.refrain',
      'refrain train translate words.tsv --no-header --letters --embedding 64 --out say.refrain',
    ],
    async read({ files, options }) {
      const data = await readFiles(files, options)
      const { sources, targets, skipped } = data
      const { source, target, parallel } = options
      return {
        data,
        fact: {
          text:
            `${plural(sources.length, 'pair')}, such as '${shorten(sources[0])}' → ` +
            `'${shorten(targets[0])}'${skipped > 0 ? `\n${describeSkipped(skipped)}` : ''}`,
          json: { pairs: sources.length, skipped },
        },
        record: parallel ? {} : { columns: { source, target } },
      }
    },
    train: ({ sources, targets }, settings) => translate.train({ sources, targets }, settings),
    size: ({ source, target }) => ({
      text: `${count(source.size)} and ${count(target.size)} pieces`,
      json: { sourcePieces: source.size, targetPieces: target.size },
    }),
  },

  evaluate: {
    description: 'compare translations with those that the data have',
    files,
    options: (command) =>
      addSearchOptions(addReadOptions(command)).option(
        '--grouped',
        'pairs of one source are one example with several references',
      ),
    help,
    examples: [
      'refrain evaluate de-en.refrain test.de test.en --parallel',
      'refrain evaluate say.refrain test.tsv --no-header --grouped --json',
    ],
    async run({ trained, training, files, options }) {
      const { grouped, beam, lengthPenalty } = options
      const data = await readFiles(files, { ...columnsOf(training), ...options })
      const result = await trained.evaluate(data, { grouped, beam, lengthPenalty })
      const { translations: _, ...scores } = result
      const left = data.skipped > 0 ? `\n${describeSkipped(data.skipped)}` : ''
      return { text: describe(result) + left, json: { ...scores, skipped: data.skipped } }
    },
  },

  predict: {
    description: 'translate texts: arguments, files, or lines on standard input',
    plots: 'where each piece looked in the source',
    inputs: ['texts', 'texts to translate'],
    files: 'tables with texts',
    options: (command) =>
      addSearchOptions(command)
        .option('--n-best <n>', 'print the n best translations of each text', wholeNumber(1))
        .option('--attention', 'with --json: also say where each piece looked')
        .option('--source <column>', 'column with the texts (default: as in training)')
        .addOption(formatOption()),
    help: `
Prints the translation; with --n-best a line for each, with its score before it, and a blank line. JSON
lines have the columns of the input and translation, score and, if asked for, nBest and attention.

${textLinesHelp}`,
    examples: [
      'refrain predict en-fr.refrain "Where is the station?"',
      'cat lines.en | refrain predict en-fr.refrain --beam 1',
      'refrain predict en-fr.refrain --file new.csv --source en --json',
      'refrain predict en-fr.refrain "Where is the station?" --plot attention.svg',
    ],
    read: ({
      training,
      source,
      options: { source: text = columnsOf(training).source, format },
      io,
    }) => readTextItems(source, { text, format, purpose: 'translate', io }),
    async answer({ trained, items, options }) {
      const { beam, lengthPenalty, nBest, attention, plot } = options
      const found = await trained.predict(
        items.map(({ text }) => text),
        { beam, lengthPenalty, nBest, attention: attention || plot !== undefined },
      )
      return found.map((one, i) => answerOf(one, items[i], attention))
    },
    jsonForStdin: false,
  },

  explain: {
    inputs: 'texts: where each piece of the translation looked in the source',
    examples: ['refrain explain en-fr.refrain "Where is the station?"'],
    async run({ trained, inputs }) {
      const found = await trained.predict(inputs, { attention: true })
      return found.map(({ text, score, attention }, i) => ({
        text: `${text}\n${describeAttention(attention!)}`,
        json: { text: inputs[i], translation: text, score, attention },
      }))
    },
  },
}

/** Each piece of the target with the pieces that had at least a tenth of its attention, most first. */
function describeAttention({ source, target, weights }: translate.AttentionMatrix): string {
  const rows = target.map((piece, t) => {
    const looked = source
      .map((from, s) => [from, weights[t][s]] as const)
      .filter(([, weight]) => weight >= 0.1)
      .sort((a, b) => b[1] - a[1])
    return [
      piece.trim(),
      looked.map(([from, weight]) => `${from.trim()} ${(100 * weight).toFixed(0)} %`).join('  '),
    ]
  })
  return table(rows, false)
}

function answerOf(found: translate.Prediction, item: TextItem, withAttention = false): Fact {
  const { text, score, nBest, attention } = found
  const plain = (line: string) => line.replace(/\s+/g, ' ')
  const lines = nBest?.map((one) => `${one.score.toFixed(4)}\t${plain(one.text)}\n`)
  const others = nBest?.map(({ attention, ...one }) =>
    withAttention ? { ...one, attention } : one,
  )
  return {
    text: lines ? lines.join('') : plain(text),
    json: withResult(item.values, {
      translation: text,
      score,
      ...(nBest && { nBest: others }),
      ...(withAttention && { attention }),
    }),
    chart: attention && (() => attentionMap(attention.source, attention.target, attention.weights)),
  }
}

function addTrainOptions(command: Command): void {
  addReadOptions(command)
    .option(
      '--units <n>',
      "the encoder's LSTM units in each direction; the decoder has twice as many",
      wholeNumber(1),
      defaults.units,
    )
    .option('--embedding <n>', "width of the pieces' vectors", wholeNumber(1), defaults.embedding)
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training',
      numberFrom(0, 0.99),
      defaults.dropout,
    )
    .option(
      '--label-smoothing <share>',
      "what wrong pieces get of a target's probability",
      numberFrom(0, 0.9),
      defaults.labelSmoothing,
    )
    .option(
      '--source-vocabulary <n>',
      'most pieces of the sources',
      wholeNumber(261),
      defaults.sourceVocabulary,
    )
    .option(
      '--target-vocabulary <n>',
      'most pieces of the targets',
      wholeNumber(261),
      defaults.targetVocabulary,
    )
    .option('--letters', 'read the source letter by letter, as for pronunciations')
    .option('--input-feeding', 'each step of the decoder reads what the one before it found')
    .option(
      '--scheduled-sampling <share>',
      'share of the pieces that the decoder reads as it predicts them',
      numberFrom(0, 0.99),
      defaults.scheduledSampling,
    )
    .option(
      '--max-length <n>',
      'leave out pairs with more pieces on either side',
      wholeNumber(1),
      defaults.maxLength,
    )
}

function addReadOptions(command: Command): Command {
  return command
    .option('--source <column>', "column with the texts (default: 'source')")
    .option('--target <column>', "column with what they become (default: 'target')")
    .option('--parallel', 'the two files are the lines of sources and of targets')
    .option('--no-header', 'tables are texts with tabs between them, without names of columns')
    .addOption(skipMissingOption())
    .addOption(formatOption())
}

function addSearchOptions(command: Command): Command {
  return command
    .option('--beam <n>', 'translations that are followed at a time (default: 5)', wholeNumber(1))
    .option(
      '--length-penalty <x>',
      'what lengths count to the power of; 0 prefers short translations (default: 1)',
      numberFrom(0, 10),
    )
}

async function readFiles(files: string[], options: ReadOptions): Promise<Pairs> {
  const { source, target, parallel, header, skipMissing, format } = options
  if (!parallel) return readPairs(files, { source, target, header, skipMissing, format })
  if (files.length !== 2) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--parallel: expected two files, of sources and of targets, got ${files.length}`,
      'Join the files of each side first',
    )
  }
  return readParallel(files[0], files[1], { skipMissing })
}

/** The columns in a training record, if `refrain train` made it and was told them. */
function columnsOf(training: TrainingRecord): { source?: string; target?: string } {
  const { source, target } = (training?.columns ?? {}) as Record<string, unknown>
  return {
    ...(typeof source === 'string' && { source }),
    ...(typeof target === 'string' && { target }),
  }
}

const shorten = (text: string) => (text.length > 40 ? `${text.slice(0, 39)}…` : text)

function describe({
  examples,
  bleu,
  chrf,
  tokenErrorRate,
  errorRate,
}: translate.Evaluation): string {
  const { score, precisions, brevityPenalty, length, referenceLength } = bleu
  return [
    `BLEU ${score.toFixed(2)} on ${plural(examples, 'text')} ` +
      `(${precisions.map((p) => p.toFixed(1)).join('/')}, brevity penalty ` +
      `${brevityPenalty.toFixed(3)}, ${count(length)} tokens for ${count(referenceLength)})`,
    `chrF ${chrf.toFixed(2)}`,
    `error of words, or of phones: ${percent(tokenErrorRate)}`,
    `texts that are not as in the data: ${percent(errorRate)}`,
  ].join('\n')
}
