/** `refrain train classify`: trains a text classifier on tables or folders. */
import { rm, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { type Examples, readExamples } from '../data/examples.ts'
import type { TableFormat } from '../data/table.ts'
import { RefrainError } from '../errors.ts'
import { defaultBackend } from '../kernels/backend.ts'
import { loadFile } from '../model/index.ts'
import { checkWritable } from '../platform/node.ts'
import * as classify from '../tasks/classify.ts'
import { type Callback, checkpoint } from '../train/callbacks.ts'
import type { History } from '../train/plan.ts'
import { progress } from '../train/progress.ts'
import { count, type Io, list, Printer, percent, plural } from './io.ts'
import {
  addCommon,
  describeSkipped,
  filesHelp,
  formatOption,
  numberFrom,
  skipMissingOption,
  threadsOption,
  useThreads,
  wholeNumber,
} from './options.ts'

type ClassifyOptions = classify.ClassifyOptions
const { defaults } = classify

interface TrainOptions extends Omit<ClassifyOptions, 'resume' | 'callbacks'> {
  text: string
  label: string
  out?: string
  resume?: boolean
  skipMissing?: boolean
  format?: TableFormat
  threads?: number
  json?: boolean
  quiet?: boolean
}

/** Adds `train` and its tasks. */
export function addTrain(program: Command, io: Io): void {
  const train = program.command('train').description('train a model on your data')
  const command = train
    .command('classify')
    .description('train a text classifier: a bidirectional LSTM')
    .argument('<files...>', 'tables, or folders with a sub-folder for each label')
    .option('--text <column>', 'column with the texts', 'text')
    .option('--label <column>', 'column with the labels', 'label')
    .option('--out <file>', 'file to write, ending in .refrain')
    .option('--epochs <n>', 'most passes over the data', wholeNumber(1), defaults.epochs)
    .option('--seed <n>', 'the same seed gives the same model', wholeNumber(0), defaults.seed)
    .option(
      '--validation <share>',
      'share of the rows that decides when to stop; 0: all epochs run',
      numberFrom(0, 0.9),
      defaults.validation,
    )
    .option(
      '--patience <n>',
      'epochs without a better validation accuracy or loss before training stops',
      wholeNumber(0),
      defaults.patience,
    )
    .option('--units <n>', 'LSTM units in each direction', wholeNumber(1), defaults.units)
    .option('--embedding <n>', 'width of the word vectors', wholeNumber(1), defaults.embedding)
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training',
      numberFrom(0, 0.99),
      defaults.dropout,
    )
    .option('--batch-size <n>', 'rows in a step', wholeNumber(1), defaults.batchSize)
    .option(
      '--learning-rate <x>',
      'step width of the optimizer Adam',
      numberFrom(1e-8, 10),
      defaults.learningRate,
    )
    .option(
      '--clip-norm <x>',
      "limit of the gradients' global norm",
      numberFrom(1e-8, 1e8),
      defaults.clipNorm,
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
    .option('--balance', 'make rare labels count as much as frequent ones')
    .option('--resume', 'go on from where Ctrl-C or a crash ended this very command')
    .addOption(skipMissingOption())
    .addOption(formatOption())
    .addOption(threadsOption())
    .option('--json', 'print JSON lines')
    .option('--quiet', 'print nothing but errors')
    .addHelpText(
      'after',
      `${filesHelp}

Ctrl-C saves a checkpoint; the same command with --resume goes on from it.

Examples:
  $ refrain train classify reviews.csv --text review --label sentiment --out reviews.refrain
  $ refrain train classify aclImdb/train --out imdb.refrain --epochs 5
  $ refrain train classify a.jsonl b.jsonl --out tickets.refrain --units 128 --json`,
    )
    .action((files: string[], options: TrainOptions) => trainClassifier(files, options, io))
  addCommon(command)
}

/** reviews.refrain → reviews.checkpoint.refrain */
const checkpointOf = (out: string) => out.replace(/\.refrain$/, '.checkpoint.refrain')

async function trainClassifier(files: string[], options: TrainOptions, io: Io): Promise<void> {
  useThreads(options.threads)
  const { out, text, label, format, resume = false, json = false, quiet = false } = options
  if (!out) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      'train classify: --out is missing',
      'Name the file to write: --out reviews.refrain',
    )
  }
  if (!out.endsWith('.refrain')) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--out: expected a name ending in .refrain, got '${out}'`,
    )
  }
  await checkWritable(out)
  const saveTo = checkpointOf(out)
  await checkWritable(saveTo)
  if (resume && !(await stat(saveTo).catch(() => undefined))) {
    throw new RefrainError(
      'FILE_NOT_FOUND',
      `--resume: there is no checkpoint ${saveTo}`,
      'Leave --resume out to start anew',
    )
  }
  if (resume) await checkSameOptions(saveTo, settingsOf(options))
  const printer = new Printer(io, { json, quiet })
  const { skipMissing } = options
  const examples = await readExamples(files, { text, label, format, skipMissing })
  const counts = describeExamples(printer, examples)
  const doubt = doubtsAbout(counts, examples.labels.length)
  if (doubt && !quiet) io.stderr.write(`refrain: warning: ${doubt}\n`)
  const signal = io.interruptible()
  const classifier = await classify.train(examples, {
    ...settingsOf(options),
    resume: resume ? saveTo : undefined,
    // A checkpoint knows callbacks by their place: those that only show something come last.
    callbacks: [
      checkpoint({ path: saveTo, everySeconds: 60 }),
      interruption(signal, saveTo),
      ...(quiet ? [] : [json ? jsonProgress(printer) : liveProgress(io)]),
    ],
  })
  const history = classifier.history!
  if (history.stopped === interrupted) {
    // The live progress line has no end yet.
    if (io.stdout.isTTY && !json && !quiet) io.stdout.write('\n')
    throw new RefrainError(
      'UNSUPPORTED',
      `interrupted in epoch ${history.epoch.length + 1}; saved ${saveTo}`,
      'The same command with --resume goes on from there',
    )
  }
  if (history.stopped) {
    printer.note(`stopped: ${history.stopped}`, { event: 'stopped', why: history.stopped })
  }
  await classifier.save(out, { columns: { text, label }, ...describeResult(printer, history) })
  await rm(saveTo, { force: true })
  const { size } = await stat(out)
  printer.note(
    `saved ${out} (${(size / 1e6).toFixed(1)} MB, ${count(classifier.vocabulary.size)} words)`,
    { event: 'saved', file: out, bytes: size, vocabulary: classifier.vocabulary.size },
  )
}

/** What the task takes; options that were not given are undefined, and the task's defaults hold. */
function settingsOf(options: TrainOptions): ClassifyOptions {
  const { epochs, seed, validation, patience, units, embedding, dropout, balance } = options
  const { batchSize, learningRate, clipNorm, vocabulary, minCount, maxLength } = options
  const model = { units, embedding, dropout, vocabulary, minCount, maxLength }
  const training = {
    epochs,
    patience,
    validation,
    batchSize,
    learningRate,
    clipNorm,
    balance,
    seed,
  }
  return { ...model, ...training }
}

/** Options that a resumed run must share with the one before; `epochs` and `patience` may change. */
const fixed = Object.keys(defaults).filter((name) => !['epochs', 'patience'].includes(name))

/** Fails on the first option that differs from that of the run that wrote the checkpoint. */
async function checkSameOptions(saveTo: string, settings: ClassifyOptions): Promise<void> {
  const { encoders } = await loadFile(saveTo)
  const before = (encoders as { settings?: Record<string, unknown> } | null)?.settings ?? {}
  const now: Record<string, unknown> = { ...defaults, ...given(settings) }
  for (const name of fixed) {
    if (!(name in before) || before[name] === now[name]) continue
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const [was, is] = [before[name], now[name]].map((value) =>
      typeof value === 'boolean' ? (value ? 'given' : 'not given') : String(value),
    )
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--resume: ${option} was ${was} when ${saveTo} was written, and is ${is} now`,
      'Resume with the same options, or leave --resume out to start anew',
    )
  }
}

const given = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** What looks wrong in the rows of each label, most frequent first. */
function doubtsAbout(counts: readonly (readonly [string, number])[], rows: number): string {
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

/** Shows the rows of each label; returns them, most frequent first. */
function describeExamples(printer: Printer, { labels, skipped }: Examples) {
  const counts = new Map<string, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  const byCount = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const shown = byCount.slice(0, 6).map(([name, rows]) => `${list([name])} ${count(rows)}`)
  if (byCount.length > 6) shown.push(`${byCount.length - 6} more`)
  const { name, variant, threads } = defaultBackend()
  printer.note(
    `${plural(labels.length, 'row')} with ${byCount.length} labels: ${shown.join(', ')}\n` +
      (skipped > 0 ? `${describeSkipped(skipped)}\n` : '') +
      `computing with ${name} ${variant}, ${plural(threads, 'thread')}`,
    {
      event: 'start',
      rows: labels.length,
      skipped,
      labels: Object.fromEntries(byCount),
      backend: name,
      variant,
      threads,
    },
  )
  return byCount
}

/** Shows the epoch that was kept; returns it for the training record. */
function describeResult(printer: Printer, history: History): object {
  const { valLoss, valAccuracy } = history.history
  if (!valLoss?.length) return {}
  const best = classify.bestEpoch(history)
  const kept = {
    bestEpoch: best + 1,
    validationLoss: valLoss[best],
    validationAccuracy: valAccuracy[best],
  }
  printer.note(`kept epoch ${best + 1}: validation accuracy ${percent(valAccuracy[best])}`, {
    event: 'kept',
    ...kept,
  })
  return kept
}

const interrupted = 'interrupted'

/** Saves a checkpoint and stops when the signal comes. */
function interruption(signal: AbortSignal, path: string): Callback {
  return {
    name: 'interruption',
    onStepEnd(run) {
      if (!signal.aborted) return
      run.save(path)
      run.stop(interrupted)
    },
  }
}

function liveProgress(io: Io): Callback {
  const write = (text: string) => io.stdout.write(text)
  return progress({ live: io.stdout.isTTY ?? false, write, unit: 'examples' })
}

function jsonProgress(printer: Printer): Callback {
  let started = 0
  return {
    name: 'progress',
    onEpochBegin() {
      started = performance.now()
    },
    onEpochEnd(run, logs) {
      const seconds = (performance.now() - started) / 1000
      printer.note('', {
        event: 'epoch',
        epoch: run.epoch + 1,
        epochs: run.epochs,
        ...logs,
        seconds: Number(seconds.toFixed(3)),
      })
    },
  }
}
