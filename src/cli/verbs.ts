/**
 * Verbs on a model: `evaluate`, `predict`, `generate`. Their options are those of the model's task, so
 * the model is read before the rest of the line; without one, help shows every task's.
 */
import { Command } from 'commander'
import { RefrainError } from '../errors.ts'
import type { Io } from './io.ts'
import { type Opened, openModel } from './model.ts'
import { addCommon, modelHelp, plotOption, threadsOption, useThreads } from './options.ts'
import { checkPlot } from './plot.ts'
import type { Task, Verb } from './task.ts'
import { tasks } from './tasks/index.ts'

/** Options that every verb on a model has. */
export interface ModelOptions {
  plot?: string
  threads?: number
  json?: boolean
}

/** A verb on a model; without a task its help is for all of them. */
export interface ModelVerb {
  readonly name: 'evaluate' | 'predict' | 'generate'
  /** What it does, whichever the task. */
  readonly description: string
  /** The arguments after the model and what they are. */
  inputs(task?: Task): readonly [name: string, description: string]
  /** Adds the options that all tasks have, beside those of all verbs. */
  options(command: Command, task?: Task): void
  run(opened: Opened, inputs: string[], options: ModelOptions, io: Io): Promise<void>
}

/** The end of a help text: more about the verb, then examples. */
export const helpOf = (help: string, examples: readonly string[]) =>
  `${help && `${help}\n`}\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`

/** Adds a verb for the model that was named, or for whichever. */
export function addVerb(program: Command, verb: ModelVerb, io: Io, opened?: Opened): void {
  const { task } = opened ?? {}
  const own = task?.[verb.name]
  const command = program
    .command(verb.name)
    .description(own?.description ?? verb.description)
    .argument('<model>', modelHelp)
    .argument(...verb.inputs(task))
  own?.options?.(command)
  verb.options(command, task)
  const plots = own ? own.plots : 'charts of what is printed, where the task has some,'
  if (plots) command.addOption(plotOption(plots))
  command.addOption(threadsOption())
  addCommon(command)
  const help = own
    ? helpOf(own.help ?? '', own.examples)
    : helpOf(moreHelp(verb), addOptionsOfAll(command, verb))
  command
    .addHelpText('after', help)
    .action(async (_model: string, inputs: string[], options: ModelOptions) => {
      useThreads(options.threads)
      await checkPlot(options.plot)
      await verb.run(opened!, inputs, options, io)
    })
}

const moreHelp = ({ name }: ModelVerb) =>
  `\nrefrain ${name} <model> --help says what a model of its task takes and prints.`

/** Adds every task's options, each once, under the tasks that have it; returns their first examples. */
function addOptionsOfAll(command: Command, { name }: ModelVerb): string[] {
  const verbs = tasks.flatMap((task) =>
    task[name] ? [[task.name, task[name] as Verb] as const] : [],
  )
  const owners = new Map<string, string[]>()
  const options = verbs.flatMap(([task, { options }]) => {
    const scratch = new Command()
    options?.(scratch)
    for (const { long } of scratch.options) owners.set(long!, [...(owners.get(long!) ?? []), task])
    return scratch.options
  })
  for (const [long, names] of owners) {
    const option = options.find((option) => option.long === long)!
    command.addOption(option.helpGroup(`For models of ${names.join(', ')}:`))
  }
  return verbs.map(([, { examples }]) => examples[0])
}

/** The model that the arguments of a verb on models name, read; undefined if they name none. */
export async function openNamed(
  program: Command,
  verbs: readonly ModelVerb[],
  args: readonly string[],
): Promise<Opened | undefined> {
  const at = args.findIndex((arg) => !arg.startsWith('-'))
  const verb = verbs.find(({ name }) => name === args[at])
  if (!verb) return undefined
  const command = program.commands.find((command) => command.name() === args[at])!
  // Values are judged when the model's task is known.
  for (const option of command.options) option.parseArg = undefined
  const [model] = command.parseOptions(args.slice(at + 1)).operands
  if (model === undefined) return undefined
  const opened = await openModel(model)
  const { name } = opened.task
  if (!(verb.name in opened.task)) {
    const able = verbs.filter(({ name }) => name in opened.task).map(({ name }) => name)
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${model}: a model for ${name}, which has no refrain ${verb.name}`,
      `It has: ${able.join(', ')}`,
    )
  }
  return opened
}
