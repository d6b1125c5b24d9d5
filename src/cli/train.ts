/** `refrain train <task>`: what training is for every task: options, checkpoints, progress, the file. */
import { rm, stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { RefrainError } from '../errors.ts'
import { defaultBackend } from '../kernels/backend.ts'
import { loadFile } from '../model/index.ts'
import { checkWritable } from '../platform/node.ts'
import type { RunOptions } from '../tasks/training.ts'
import { type Callback, checkpoint } from '../train/callbacks.ts'
import type { History } from '../train/plan.ts'
import { formatNumber, progress } from '../train/progress.ts'
import { lossCurves } from './charts.ts'
import { type Io, Printer, plural } from './io.ts'
import {
  addCommon,
  numberFrom,
  plotOption,
  threadsOption,
  useThreads,
  wholeNumber,
} from './options.ts'
import { checkPlot, plotTo } from './plot.ts'
import type { Fact, Task } from './task.ts'
import { tasks } from './tasks/index.ts'
import { helpOf } from './verbs.ts'

interface TrainOptions extends Record<string, unknown> {
  out?: string
  float16?: boolean
  int8?: boolean
  resume?: boolean
  plot?: string
  threads?: number
  json?: boolean
  quiet?: boolean
}

/** Adds `train` and its tasks. */
export function addTrain(program: Command, io: Io): void {
  const train = program.command('train').description('train a model on your data')
  for (const task of tasks) addTask(train, task, io)
}

function addTask(train: Command, task: Task, io: Io): void {
  const { description, files, options, help, examples } = task.train
  const command = train
    .command(task.name)
    .description(description)
    .argument('<files...>', files)
    .option('--out <file>', 'file to write, ending in .refrain')
  options?.(command)
  addSettings(command, task.train.defaults)
  command
    .option('--float16', 'write the weights in half precision: half the file')
    .addOption(
      new Option('--int8', 'write the weights in 8 bits: a quarter of the file').conflicts(
        'float16',
      ),
    )
    .option('--resume', 'go on from where Ctrl-C or a crash ended this very command')
    .addOption(plotOption('loss and metrics of each epoch'))
    .addOption(threadsOption())
    .option('--json', 'print JSON lines')
    .option('--quiet', 'print nothing but errors')
    .addHelpText('after', helpOf(`${help ?? ''}\n\n${interruptHelp}`, examples))
    .action((files: string[], options: TrainOptions) => trainTask(task, files, options, io))
  addCommon(command)
}

const interruptHelp = 'Ctrl-C saves a checkpoint; the same command with --resume goes on from it.'

/** The settings that most tasks have: flags, description, parser. */
const commonSettings = {
  epochs: ['--epochs <n>', 'most passes over the data', wholeNumber(1)],
  seed: ['--seed <n>', 'the same seed gives the same model', wholeNumber(0)],
  validation: [
    '--validation <share>',
    'share of the data that decides when to stop; 0: all epochs run',
    numberFrom(0, 0.9),
  ],
  patience: [
    '--patience <n>',
    'epochs without a better result on the validation data before training stops',
    wholeNumber(0),
  ],
  batchSize: ['--batch-size <n>', 'rows in a step', wholeNumber(1)],
  learningRate: ['--learning-rate <x>', 'step width of the optimizer', numberFrom(1e-8, 10)],
  clipNorm: ['--clip-norm <x>', "limit of the gradients' global norm", numberFrom(1e-8, 1e8)],
} as const

/** Adds an option for each of the common settings that the task has. */
function addSettings(command: Command, defaults: Readonly<Record<string, unknown>>): void {
  for (const [name, [flags, description, parse]] of Object.entries(commonSettings)) {
    if (Object.hasOwn(defaults, name)) {
      const value = defaults[name] as number | null
      const usual = value === null ? ' (default: by what is trained)' : ''
      command.option(flags, description + usual, parse, value ?? undefined)
    }
  }
}

/** reviews.refrain → reviews.checkpoint.refrain */
const checkpointOf = (out: string) => out.replace(/\.refrain$/, '.checkpoint.refrain')

async function trainTask(
  task: Task,
  files: string[],
  options: TrainOptions,
  io: Io,
): Promise<void> {
  useThreads(options.threads)
  const { resume = false, json = false, quiet = false } = options
  const out = await checkOut(task, options.out)
  const saveTo = checkpointOf(out)
  await checkWritable(saveTo)
  await checkPlot(options.plot)
  const settings = settingsOf(task, options)
  if (resume) await checkResumable(task, saveTo, settings)
  const printer = new Printer(io, { json, quiet })
  const { data, fact, warning, record } = await task.train.read({ files, options })
  announce(printer, fact)
  if (warning && !quiet) io.stderr.write(`refrain: warning: ${warning}\n`)
  const signal = io.interruptible()
  const { unit } = task.train
  const run: RunOptions = {
    resume: resume ? saveTo : undefined,
    // A checkpoint knows callbacks by their place: those that only show something come last.
    callbacks: [
      checkpoint({ path: saveTo, everySeconds: 60 }),
      interruption(signal, saveTo),
      ...(quiet ? [] : [json ? jsonProgress(printer) : liveProgress(io, unit)]),
    ],
  }
  const trained = await task.train.train(data, { ...settings, ...run })
  const history = trained.history!
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
  const kept = task.train.kept ? task.train.kept(trained) : keptByLoss(history)
  if (kept) printer.note(kept.text, { event: 'kept', ...kept.json })
  await trained.save(out, {
    training: { ...record, ...kept?.json },
    dtype: options.int8 ? 'int8' : options.float16 ? 'float16' : undefined,
  })
  await rm(saveTo, { force: true })
  const { size } = await stat(out)
  const more = task.train.size?.(trained)
  printer.note(`saved ${out} (${(size / 1e6).toFixed(1)} MB${more ? `, ${more.text}` : ''})`, {
    event: 'saved',
    file: out,
    bytes: size,
    ...more?.json,
  })
  if (options.plot === undefined) return
  const best = (kept?.json as { bestEpoch?: number } | undefined)?.bestEpoch
  await plotTo(options.plot, [lossCurves(history, out, best)])
  printer.note(`drew ${options.plot}`, { event: 'plotted', file: options.plot })
}

/** The file to write, which can be written. */
async function checkOut({ name, train }: Task, out: string | undefined): Promise<string> {
  if (!out) {
    const example = /--out (\S+)/.exec(train.examples.join(' '))?.[1] ?? 'model.refrain'
    throw new RefrainError(
      'BAD_ARGUMENT',
      `train ${name}: --out is missing`,
      `Name the file to write: --out ${example}`,
    )
  }
  if (!out.endsWith('.refrain')) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--out: expected a name ending in .refrain, got '${out}'`,
    )
  }
  await checkWritable(out)
  return out
}

/** The options that are settings; those not given are undefined, and the task's defaults hold. */
function settingsOf({ train }: Task, options: TrainOptions): Record<string, unknown> {
  return Object.fromEntries(Object.keys(train.defaults).map((name) => [name, options[name]]))
}

/** Settings that a resumed run need not share with the one before. */
const free = ['epochs', 'patience']

/** Fails without a checkpoint, and on the first setting that differs from that of the run that wrote it. */
async function checkResumable(
  { train: { defaults } }: Task,
  saveTo: string,
  settings: Record<string, unknown>,
): Promise<void> {
  if (!(await stat(saveTo).catch(() => undefined))) {
    throw new RefrainError(
      'FILE_NOT_FOUND',
      `--resume: there is no checkpoint ${saveTo}`,
      'Leave --resume out to start anew',
    )
  }
  const { encoders } = await loadFile(saveTo)
  const before = (encoders as { settings?: Record<string, unknown> } | null)?.settings ?? {}
  for (const [name, value] of Object.entries(defaults)) {
    const now = settings[name] ?? value
    if (free.includes(name) || !(name in before) || same(before[name], now)) continue
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const [was, is] = [before[name], now].map((value) =>
      typeof value === 'boolean' ? (value ? 'given' : 'not given') : String(value),
    )
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--resume: ${option} was ${was} when ${saveTo} was written, and is ${is} now`,
      'Resume with the same options, or leave --resume out to start anew',
    )
  }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** Says what was read and what computes. */
function announce(printer: Printer, { text, json }: Fact): void {
  const { name, variant, threads } = defaultBackend()
  printer.note(`${text}\ncomputing with ${name} ${variant}, ${plural(threads, 'thread')}`, {
    event: 'start',
    ...json,
    backend: name,
    variant,
    threads,
  })
}

/** The epoch of the lowest validation loss, for a task that keeps that one. */
function keptByLoss({ history: { valLoss } }: History): Fact | undefined {
  if (!valLoss?.length) return undefined
  const best = valLoss.indexOf(Math.min(...valLoss))
  return {
    text: `kept epoch ${best + 1}: validation loss ${formatNumber(valLoss[best])}`,
    json: { bestEpoch: best + 1, validationLoss: valLoss[best] },
  }
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

function liveProgress(io: Io, unit?: string): Callback {
  const write = (text: string) => io.stdout.write(text)
  return progress({ live: io.stdout.isTTY ?? false, write, unit })
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
