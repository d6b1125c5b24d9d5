/** `refrain inspect`: what a model file holds. */
import type { Command } from 'commander'
import { platform } from '#platform'
import { describeForeign, type FileDescription } from '../formats/describe.ts'
import { isOther } from '../formats/load.ts'
import { sniff } from '../formats/sniff.ts'
import { type LoadedFile, loadFile, type Model } from '../model/index.ts'
import { waysOf } from '../model/ways.ts'
import { duration, formatNumber } from '../train/progress.ts'
import { count, type Io, Printer, plural, table } from './io.ts'
import { findModel, taskOf } from './model.ts'
import { addCommon, modelHelp } from './options.ts'
import type { Task } from './task.ts'

/** Adds `inspect`. */
export function addInspect(program: Command, io: Io): void {
  const command = program
    .command('inspect')
    .description('show layers, shapes, parameters, vocabulary and how a model was trained')
    .argument('<model>', `${modelHelp}; or a file of Keras, TensorFlow.js, PyTorch or ONNX`)
    .option('--json', 'print one JSON object, with the whole vocabulary')
    .addHelpText(
      'after',
      `
Examples:
  $ refrain inspect reviews.refrain
  $ refrain inspect reviews.refrain --json | jq .training
  $ refrain inspect model.keras        what is in it, and what could not be loaded`,
    )
    .action((model: string, options: { json?: boolean }) => inspect(model, options, io))
  addCommon(command)
}

async function inspect(path: string, options: { json?: boolean }, io: Io): Promise<void> {
  const found = await findModel(path)
  const bytes = await platform.readFile(found)
  const format = sniff(bytes)
  if (isOther(bytes, format)) {
    const description = await describeForeign(bytes, found, format)
    new Printer(io, options).print(describe(description), description)
    return
  }
  const file = await loadFile(found)
  const { model, encoders, training, dtype, checkpoint } = file
  const parts = [
    model.summary(),
    ...(dtype && smaller[dtype] ? [smaller[dtype]] : []),
    describePaths(model),
  ]
  const task = taskOf(file)
  if (task) parts.push(task.inspect(task.fromFile(file, path)))
  if (checkpoint) parts.push(describeCheckpoint(checkpoint))
  else parts.push(training ? describeTraining(training, task) : 'Not trained.')
  new Printer(io, options).print(parts.join('\n\n'), {
    architecture: model.architecture,
    weights: model.parameters.parameters.map(({ path, shape }) => ({ name: path, shape })),
    dtype,
    runs: waysOf(model),
    encoders,
    training,
    checkpoint,
  })
}

/** A file of another program, for people. */
function describe({
  format,
  producer,
  layers,
  parameters,
  unsupported,
  notes,
}: FileDescription): string {
  return [
    `${format}, written by ${producer}: ${plural(layers.length, 'layer')}, ${plural(parameters, 'parameter')}`,
    ...(layers.length > 0
      ? [
          table(
            [
              ['layer', 'kind', 'options'],
              ...layers.map((one) => [one.name, one.kind, one.options]),
            ],
            false,
          ),
        ]
      : []),
    unsupported.length > 0
      ? `Cannot be loaded. Not supported:\n${unsupported.map((what) => `  ${what}`).join('\n')}`
      : 'All of it is supported: refrain convert and loadModel take the file.',
    ...notes,
  ].join('\n\n')
}

/** Of files whose weights are smaller than the summary says. */
const smaller: Partial<Record<NonNullable<LoadedFile['dtype']>, string>> = {
  F16: 'The file holds the weights in half precision (float16), 2 bytes each',
  I8: 'The file holds the weights of matrices as 8-bit integers (int8), 1 byte each, and scales',
}

function describeCheckpoint({ epoch, step, steps }: NonNullable<LoadedFile['checkpoint']>): string {
  const place =
    step === 0 ? `after epoch ${epoch}` : `in epoch ${epoch + 1}, after its step ${count(step)}`
  return (
    `A checkpoint, written ${place} (${plural(steps, 'step')} in all): training was not over.\n` +
    'To go on: the train command that wrote it with --resume, or fit with the option resume'
  )
}

/** Which way the recurrent layers run, and what keeps one from the fused kernel. */
function describePaths(model: Model): string {
  const { backend, layers } = waysOf(model)
  const recurrent = layers.filter(({ training }) => training !== 'operations')
  const lines = recurrent.map(({ layer, training, prediction, reason }) => {
    if (prediction === 'fused' && training === 'fused') return `${layer}: fused kernel`
    const when = prediction === 'fused' ? 'in training ' : ''
    return `${layer}: ${when}step by step, slower (${reason})`
  })
  return [`Runs on ${backend}`, ...lines.map((line) => `  ${line}`)].join('\n')
}

type Training = NonNullable<Awaited<ReturnType<typeof loadFile>>['training']>

function describeTraining(training: Training, task?: Task): string {
  const { rows, validationRows, epochs, batchSize, seed, seconds, backend, history } = training
  const lines: string[] = []
  if (rows !== undefined && history) {
    lines.push(
      `Trained on ${rows === null ? 'batches from a generator' : plural(rows, 'row')}, ` +
        `validated on ${count(validationRows ?? 0)}: ${plural(epochs ?? 0, 'epoch')}, ` +
        `${rows === null ? '' : `batches of ${batchSize}, `}seed ${seed}, ` +
        `${duration(seconds ?? 0)} on ${backend}`,
    )
    const names = Object.keys(history.history)
    lines.push(
      table([
        ['epoch', ...names],
        ...history.epoch.map((epoch, i) => [
          String(epoch + 1),
          ...names.map((name) => formatNumber(history.history[name][i])),
        ]),
      ]),
    )
    if (history.stopped) lines.push(`Stopped: ${history.stopped}`)
  }
  const facts = task?.inspectRecord?.(training)
  if (facts) lines.push(facts)
  return lines.join('\n')
}
