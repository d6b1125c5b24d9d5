/** Runs the command line: parses it, calls the verb, and turns every failure into one line. */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { RefrainError, withHint } from '../errors.ts'
import { addConvert } from './convert.ts'
import { addDoctor } from './doctor.ts'
import { evaluateVerb } from './evaluate.ts'
import { addExplain } from './explain.ts'
import { generateVerb } from './generate.ts'
import { addInspect } from './inspect.ts'
import type { Io } from './io.ts'
import type { Opened } from './model.ts'
import { addCommon } from './options.ts'
import { predictVerb } from './predict.ts'
import { addTrain } from './train.ts'
import { addVerb, openNamed } from './verbs.ts'

/** The version in package.json, seen from src/cli/ and from dist/cli/ alike. */
export const version: string = createRequire(import.meta.url)('../../package.json').version

const verbs = [evaluateVerb, predictVerb, generateVerb]

function makeProgram(io: Io, opened?: Opened): Command {
  const program = new Command('refrain')
    .description('Trains and runs LSTM networks.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {} })
    .addHelpText(
      'after',
      `
Examples:
  $ refrain train classify reviews.csv --text review --label sentiment --out reviews.refrain
  $ refrain evaluate reviews.refrain test.csv
  $ refrain predict reviews.refrain "a fine film"
  $ refrain inspect reviews.refrain
  $ refrain explain reviews.refrain
  $ refrain convert model.keras model.refrain --verify

refrain <command> --help shows a command's options and examples.`,
    )
  addCommon(program)
  addTrain(program, io)
  for (const verb of verbs) addVerb(program, verb, io, opened)
  addInspect(program, io)
  addConvert(program, io)
  addExplain(program, io)
  addDoctor(program, io)
  return program
}

/**
 * Runs `refrain` with these arguments. Resolves to the exit status: 0, or 1 with one line on
 * standard error (and the stack below it with --debug).
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let program = makeProgram(io)
  try {
    const opened = await openNamed(program, verbs, args)
    if (opened) program = makeProgram(io, opened)
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    io.stderr.write(`refrain: ${oneLine(describe(error, program, args))}\n`)
    if (args.includes('--debug')) io.stderr.write(`${stackOf(error)}\n`)
    return 1
  }
}

const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, ' ')

/** An error's stack, then those of its causes. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause ? `${error.stack}\nCaused by: ${stackOf(error.cause)}` : (error.stack ?? '')
}

function describe(error: unknown, program: Command, args: readonly string[]): string {
  if (error instanceof CommanderError) return describeUsage(error, program, args)
  if (error instanceof RefrainError) return error.message
  const message = error instanceof Error ? error.message : String(error)
  return `internal error: ${message}. This is a mistake in Refrain; --debug shows where it arose`
}

/** Commander's message in one line, with the nearest name or where to read on. */
function describeUsage(error: CommanderError, program: Command, args: readonly string[]): string {
  const command = commandOf(program, args)
  const path = pathOf(command)
  const help = `See: ${path} --help`
  if (error.code === 'commander.help') {
    const known = command.commands.map((sub) => sub.name()).filter((name) => name !== 'help')
    return `${command.name()}: expected a command after it: ${known.join(', ')}. ${help}`
  }
  const [what, suggestion] = error.message.replace(/^error: /, '').split('\n')
  const close = /Did you mean (?:one of )?(.+?)\?/.exec(suggestion ?? '')?.[1]
  const next = close ? `did you mean '${close.split(', ').join("' or '")}'?` : help
  return withHint(what.replace(/\.$/, ''), next)
}

/** The command that the arguments name. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program
  for (const name of args) {
    const sub = command.commands.find((candidate) => candidate.name() === name)
    if (sub) command = sub
  }
  return command
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}
