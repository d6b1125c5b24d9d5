/** `refrain inspect`: what a model file holds. */
import type { Command } from 'commander'
import { type LoadedFile, loadFile, type Model } from '../model/index.ts'
import { waysOf } from '../model/ways.ts'
import * as classify from '../tasks/classify.ts'
import { duration, formatNumber } from '../train/progress.ts'
import { columnsOf } from './classifier.ts'
import { count, type Io, list, Printer, percent, plural, table } from './io.ts'
import { addCommon } from './options.ts'

/** Adds `inspect`. */
export function addInspect(program: Command, io: Io): void {
  const command = program
    .command('inspect')
    .description('show layers, shapes, parameters, vocabulary and how a model was trained')
    .argument('<model>', 'a .refrain file')
    .option('--json', 'print one JSON object, with the whole vocabulary')
    .addHelpText(
      'after',
      `
Examples:
  $ refrain inspect reviews.refrain
  $ refrain inspect reviews.refrain --json | jq .training`,
    )
    .action((model: string, options: { json?: boolean }) => inspect(model, options, io))
  addCommon(command)
}

async function inspect(path: string, options: { json?: boolean }, io: Io): Promise<void> {
  const file = await loadFile(path)
  const { model, encoders, training, checkpoint } = file
  const parts = [model.summary(), describePaths(model)]
  const isClassifier = (encoders as { task?: unknown } | null)?.task === 'classify'
  if (isClassifier) parts.push(describeClassifier(classify.fromFile(file, path)))
  if (checkpoint) parts.push(describeCheckpoint(checkpoint))
  else parts.push(training ? describeTraining(training) : 'Not trained.')
  new Printer(io, options).print(parts.join('\n\n'), {
    architecture: model.architecture,
    weights: model.parameters.parameters.map(({ path, shape }) => ({ name: path, shape })),
    runs: waysOf(model),
    encoders,
    training,
    checkpoint,
  })
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

function describeClassifier({ vocabulary, labels, maxLength }: classify.Classifier): string {
  const shown = Math.min(12, vocabulary.size - 2)
  const words = vocabulary.decode(Array.from({ length: shown }, (_, i) => i + 2))
  const names = list(labels.labels.slice(0, 20))
  return [
    `Classifies texts into ${plural(labels.size, 'label')}: ${names}${labels.size > 20 ? ', …' : ''}`,
    `Vocabulary: ${count(vocabulary.size)} ids, the most frequent: ${words.join(' ')}`,
    `Reads the first ${plural(maxLength, 'word')} of a text`,
  ].join('\n')
}

type Training = NonNullable<Awaited<ReturnType<typeof loadFile>>['training']>

function describeTraining(training: Training): string {
  const { rows, validationRows, epochs, batchSize, seed, seconds, backend, history } = training
  const lines: string[] = []
  if (rows !== undefined && history) {
    lines.push(
      `Trained on ${plural(rows, 'row')}, validated on ${count(validationRows ?? 0)}: ` +
        `${plural(epochs ?? 0, 'epoch')}, batches of ${batchSize}, seed ${seed}, ` +
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
  const { validationAccuracy, bestEpoch } = training
  if (typeof validationAccuracy === 'number') {
    lines.push(`Kept epoch ${bestEpoch}, validation accuracy ${percent(validationAccuracy)}`)
  }
  const columns = columnsOf(training)
  if (columns) lines.push(`Columns: texts '${columns.text}', labels '${columns.label}'`)
  return lines.join('\n')
}
