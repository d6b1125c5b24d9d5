/** `refrain explain`: which way a model's layers run on this machine, and how fast. */
import type { Command } from 'commander'
import { createBackend, defaultBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { explain, loadModel } from '../model/index.ts'
import { type Io, Printer } from './io.ts'
import { findModel } from './model.ts'
import { addCommon, modelHelp, threadsOption, useThreads, wholeNumber } from './options.ts'

interface Options {
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
    .description('time each layer of a model on this machine and say what is slow, and why')
    .argument('<model>', modelHelp)
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
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
For predictions and for training steps, each layer's operations (MFLOP), bytes moved (MB), least time
on this machine (est. ms), measured time, share of the machine's multiply-add peak, and share of the
step's time. Computes with random data; the file stays as it is.

Examples:
  $ refrain explain reviews.refrain
  $ refrain explain reviews.refrain --batch-size 1 --steps 20
  $ refrain explain reviews.refrain --backend wasm
  $ refrain explain reviews.refrain --json | jq .training`,
    )
    .action(async (path: string, options: Options) => {
      const model = await loadModel(await findModel(path), { backend: backendOf(options) })
      const { batchSize, steps } = options
      const explanation = await explain(model, { batchSize, steps })
      new Printer(io, options).print(String(explanation), explanation)
    })
  addCommon(command)
}

/** The backend in use, or the one that is asked for. */
function backendOf({ backend, threads }: Options): Backend {
  if (backend !== undefined) return createBackend(backend, '--backend', threads)
  useThreads(threads)
  return defaultBackend()
}
