/** `refrain predict`: a model's answers to arguments, files or standard input. */
import { RefrainError } from '../errors.ts'
import { type Io, Printer } from './io.ts'
import { type Chart, plotTo } from './plot.ts'
import type { InputSource, Task } from './task.ts'
import type { ModelOptions, ModelVerb } from './verbs.ts'

interface PredictOptions extends ModelOptions {
  file?: string[]
}

/** Inputs given to the model at once. */
const mostAtOnce = 512

/** Charts in one file. */
const mostCharts = 20

export const predictVerb: ModelVerb = {
  name: 'predict',
  description: "print a model's answers to inputs: arguments, files, or lines on standard input",
  inputs(task) {
    const [name, description] = task?.predict?.inputs ?? ['inputs', 'what to answer']
    return [`[${name}...]`, description]
  },
  options: (command, task) =>
    command
      .option('--file <files...>', task?.predict?.files ?? 'files with inputs')
      .option('--json', `print JSON lines${jsonForStdin(task) ? stdinToo : ''}`),
  async run({ task, trained, file }, inputs, options: PredictOptions, io) {
    const verb = task.predict!
    const { training } = file
    const source = sourceOf(task, inputs, options.file, io.stdin)
    if (source.kind === 'stdin' && io.stdin.isTTY) throw nothingTo(task)
    const json = options.json || (source.kind === 'stdin' && jsonForStdin(task))
    const printer = new Printer(io, { json })
    const items = verb.read({ trained, training, source, options, io })
    const charts: Chart[] = []
    let answered = 0
    for await (const batch of inBatches(items, mostAtOnce)) {
      answered += batch.length
      const answers = await verb.answer({ trained, items: batch, options })
      for (const { text, json, chart } of answers) {
        printer.print(text, json)
        if (options.plot && chart && charts.length < mostCharts) charts.push(chart())
      }
    }
    if (answered === 0) throw nothingTo(task)
    if (charts.length === 0) return
    await plotTo(options.plot!, charts)
    if (answered <= mostCharts) return
    io.stderr.write(`refrain: ${options.plot} shows the first ${mostCharts} of ${answered}\n`)
  },
}

const jsonForStdin = (task?: Task) => task?.predict?.jsonForStdin ?? true

const stdinToo = '; always so for inputs from standard input'

/** Standard input, unless there are arguments or files. */
function sourceOf(
  { predict }: Task,
  inputs: string[],
  files: string[] | undefined,
  stdin: Io['stdin'],
): InputSource {
  if (inputs.length > 0 && files) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `predict: got ${predict!.inputs[0]} and --file`,
      'Give one of them; several files go behind --file, after the model',
    )
  }
  if (files) return { kind: 'files', files }
  if (inputs.length > 0) return { kind: 'arguments', inputs }
  return { kind: 'stdin', stdin: { name: 'standard input', stream: stdin } }
}

const nothingTo = ({ name, predict }: Task) =>
  new RefrainError(
    'BAD_ARGUMENT',
    `predict: there is nothing to ${name}`,
    `Give ${predict!.inputs[0]}, --file, or lines on standard input; see: refrain predict --help`,
  )

/**
 * Items in arrays of at most `size`; fewer as soon as the next one is slow to come, so that a
 * program that waits for each answer gets it. Those before an error come before it.
 */
async function* inBatches<Value>(items: AsyncIterable<Value>, size: number) {
  const source = items[Symbol.asyncIterator]()
  const waiting = Symbol('waiting')
  const turn = () => new Promise<typeof waiting>((resolve) => setImmediate(resolve, waiting))
  let batch: Value[] = []
  const ask = () => {
    const answer = source.next()
    // An error that comes while the batch before is in work is raised when it is its turn.
    answer.catch(() => {})
    return answer
  }
  let next = ask()
  for (;;) {
    const result = await (batch.length > 0 ? Promise.race([next, turn()]) : next).catch(
      (error: unknown) => ({ error }),
    )
    if (result === waiting || 'error' in result) {
      if (batch.length > 0) yield batch
      batch = []
      if (result !== waiting) throw result.error
      continue
    }
    if (result.done) break
    batch.push(result.value)
    next = ask()
    if (batch.length === size) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}
