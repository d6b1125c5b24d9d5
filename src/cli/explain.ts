/** `refrain explain`: how fast a model's layers run on this machine or, with inputs, why its answers are theirs. */
import type { Command } from 'commander'
import { RefrainError } from '../errors.ts'
import { loadModel } from '../formats/load.ts'
import { createBackend, defaultBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { explain } from '../model/index.ts'
import { type Io, Printer } from './io.ts'
import { findModel, openModel } from './model.ts'
import { addCommon, modelHelp, threadsOption, useThreads, wholeNumber } from './options.ts'
import type { ExplainOptions } from './task.ts'
import { tasks } from './tasks/index.ts'

interface Options extends ExplainOptions {
  batchSize: number
  steps: number
  backend?: string
  threads?: number
  json?: boolean
}

/** Adds `explain`. */
export function addExplain(program: Command, io: Io): void {
  const command = program
    .command('explain')
    .description(
      "say why a model's answers are what they are or, without inputs, what is slow in it",
    )
    .argument('<model>', modelHelp)
    .argument('[inputs...]', "what to explain the answer to, by the model's task")
    .option(
      '--label <label>',
      'of classifiers and taggers: the label or tag to explain (default: the likeliest)',
    )
    .option(
      '--word <word>',
      'of taggers: the word whose tag to explain, as written (default: each)',
    )
    .option(
      '--column <name>',
      'of forecasters and regressors: the column to explain (default: the first)',
    )
    .option(
      '--ahead <n>',
      'of forecasters: the step of the forecast to explain, from 1 (default: each)',
      wholeNumber(1),
    )
    .option('--batch-size <n>', 'rows of a batch', wholeNumber(1), 32)
    .option(
      '--steps <steps>',
      'length of sequences, if the model leaves it open',
      wholeNumber(1),
      100,
    )
    .option(
      '--backend <name>',
      'native, wasm, reference, or such as wasm:simd128 (default: REFRAIN_BACKEND, or the fastest here)',
    )
    .addOption(threadsOption())
    .option('--json', 'print one JSON object, with inputs one for each')
    .addHelpText(
      'after',
      `
With inputs, what the answer to each comes from:
${explainable.map(({ name, explain }) => `  ${name.padEnd(16)}${explain!.inputs}`).join('\n')}

Without, for predictions and for training steps, each layer's operations (MFLOP), bytes moved (MB), least time
on this machine (est. ms), measured time, share of the machine's multiply-add peak, and share of the
step's time. Computes with random data; the file stays as it is.

Examples:
${explainable.flatMap(({ explain }) => explain!.examples.map((line) => `  $ ${line}`)).join('\n')}
  $ refrain explain reviews.refrain
  $ refrain explain reviews.refrain --batch-size 1 --steps 20
  $ refrain explain reviews.refrain --backend wasm
  $ refrain explain reviews.refrain --json | jq .training`,
    )
    .action(async (path: string, inputs: string[], options: Options) => {
      if (inputs.length > 0) {
        useThreads(options.threads)
        const printer = new Printer(io, options)
        for (const { text, json } of await explainInputs(path, inputs, options)) {
          printer.print(text, json)
        }
        return
      }
      const model = await loadModel(await findModel(path), { backend: backendOf(options) })
      const { batchSize, steps } = options
      const explanation = await explain(model, { batchSize, steps })
      new Printer(io, options).print(String(explanation), explanation)
    })
  addCommon(command)
}

const explainable = tasks.filter(({ explain }) => explain)

/** The options that say what is explained. */
const choices = ['label', 'word', 'column', 'ahead'] as const

async function explainInputs(path: string, inputs: string[], options: ExplainOptions) {
  const { name, task, trained, file } = await openModel(path)
  if (!task.explain) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${name}: a model for ${task.name}, whose answers are not explained`,
      `Those of ${explainable.map((task) => task.name).join(', ')} are; without inputs its speed is`,
    )
  }
  const { takes = [], run } = task.explain
  const other = choices.find((one) => options[one] !== undefined && !takes.includes(one))
  if (other) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--${other}: a model for ${task.name} has no ${other} to explain`,
      takes.length > 0 ? `It has ${takes.map((one) => `--${one}`).join(' and ')}` : 'Leave it out',
    )
  }
  return run({ trained, training: file.training, inputs, options })
}

/** The backend in use, or the one that is asked for. */
function backendOf({ backend, threads }: Options): Backend {
  if (backend !== undefined) return createBackend(backend, '--backend', threads)
  useThreads(threads)
  return defaultBackend()
}
