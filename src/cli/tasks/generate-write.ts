/** `generate` of the command: writes text as it comes, tunes that parse, music into a file. */
import { writeFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { abcMidi, abcPiece, abcProblems } from '../../data/abc-music.ts'
import { midiBytes } from '../../data/midi.ts'
import { readMidi } from '../../data/midi-files.ts'
import { lengthOf, type Piece, toRoll } from '../../data/music.ts'
import { RefrainError } from '../../errors.ts'
import { checkWritable } from '../../platform/node.ts'
import type * as generate from '../../tasks/generate/index.ts'
import { pianoRoll } from '../charts.ts'
import { plural } from '../io.ts'
import { numberFrom, wholeNumber } from '../options.ts'
import type { GenerateVerb } from '../task.ts'
import { ending } from './generate-data.ts'

export interface WriteOptions {
  temperature: number
  topK: number
  topP: number
  repetitionPenalty: number
  length?: number
  count: number
  seed: number
  stop?: string[]
  unknown: 'error' | 'skip'
  prime?: string
  out?: string
  json?: boolean
}

/** Attempts at a tune in ABC that parses. */
const attempts = 20

export async function write(
  from: Parameters<GenerateVerb<generate.Generator, WriteOptions>['run']>[0],
) {
  const { trained, training, inputs, options, io, printer, draw } = from
  const { out, prime, unknown, length, stop, count: wanted, json: asJson } = options
  const { temperature, topK, topP, repetitionPenalty, seed } = options
  const sampling = { temperature, topK, topP, repetitionPenalty, seed }
  checkKind(trained, inputs, options)
  if (out !== undefined) await checkWritable(out)
  const abc = training?.format === 'abc'
  const kind = out === undefined ? '' : ending(out)
  const midi = kind === 'mid' || kind === 'midi'
  const save = async (content: string | Uint8Array, text: string, json: object) => {
    await writeFile(out!, content)
    printer.print(`wrote ${out}: ${text}`, { file: out, ...json })
  }
  if (trained.kind !== 'text') {
    if (out === undefined || !midi) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        'generate: this model writes music, which needs a MIDI file to go to',
        'Name one: --out tune.mid',
      )
    }
    const { piece, phrase } = await compose(trained, prime, { ...sampling, length })
    draw(() => chartOf(piece, phrase))
    await save(await midiBytes(piece), plural(piece.notes.length, 'note'), {
      notes: piece.notes.length,
    })
    return
  }
  if (midi && !abc) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--out: this model writes text, which does not make a MIDI file, got ${out}`,
      'Train one on .abc or .mid files',
    )
  }
  const prompt = inputs.join(' ')
  const settings = { ...sampling, unknown, length: length ?? (abc ? 2000 : 500), stop }
  if (abc) {
    const tunes = await parsing(trained, prompt, settings, out === undefined ? wanted : 1)
    const piece = await abcPiece(tunes[0])
    draw(() => chartOf({ ...piece, title: titleOf(tunes[0]) }))
    if (midi) await save(await abcMidi(tunes[0]), titleOf(tunes[0]), { abc: tunes[0] })
    else if (out) await save(`${tunes[0]}\n`, titleOf(tunes[0]), { abc: tunes[0] })
    else for (const abc of tunes) printer.print(`${abc}\n`, { abc })
    return
  }
  if (out !== undefined || wanted > 1 || asJson) {
    const texts = await trained.samples(prompt, { ...settings, count: wanted })
    const whole = texts.map((text) => prompt + text)
    if (out !== undefined) {
      await save(`${whole.join('\n')}\n`, plural(whole.length, 'text'), { texts: whole })
    } else {
      for (const text of whole) printer.print(text, { prompt, text })
    }
    return
  }
  const pieces = trained.generate(prompt, settings)
  // The first comes before the prompt is shown: if that cannot be read, nothing is.
  const first = await pieces.next()
  io.stdout.write(prompt + (first.value ?? ''))
  for await (const piece of pieces) io.stdout.write(piece)
  io.stdout.write('\n')
}

/** Fails on what a model of this kind would pass over in silence. */
function checkKind(
  { kind }: generate.Generator,
  inputs: readonly string[],
  { prime, stop, unknown, count }: WriteOptions,
): void {
  if (kind === 'text') {
    if (prime === undefined) return
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--prime: this model writes text, which does not go on from a MIDI file, got ${prime}`,
      'Give it a text to begin with instead',
    )
  }
  const of = { 'a prompt': inputs.length > 0, '--stop': stop, '--count': count > 1 }
  const extra = Object.entries({ ...of, '--unknown': unknown !== 'error' }).find(([, on]) => on)
  if (!extra) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `generate: this model writes music, and ${extra[0]} is for text`,
    'A phrase to go on from comes from a MIDI file: --prime phrase.mid',
  )
}

/** "The Kesh", or of a tune without a title "tune in D Major". */
function titleOf(abc: string): string {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(abc)?.[1].trim()
  return field('T') ?? `tune in ${field('K')}`
}

/** Tunes in ABC that parse: of more and more samples the first ones that do. */
async function parsing(
  writer: generate.Writer,
  prompt: string,
  options: generate.WriteOptions,
  wanted: number,
): Promise<string[]> {
  const tunes: string[] = []
  for (let round = 0; round < attempts && tunes.length < wanted; round++) {
    const seed = (options.seed ?? 0) + 1000 * round
    for (const text of await writer.samples(prompt, { ...options, seed, count: wanted })) {
      const problems = await abcProblems(prompt + text)
      if (problems.length === 0 && tunes.length < wanted) tunes.push(prompt + text)
    }
  }
  if (tunes.length === wanted) return tunes
  throw new RefrainError(
    'UNSUPPORTED',
    `generate: ${plural(attempts * wanted, 'attempt')} gave ${plural(tunes.length, 'tune')} that parse`,
    'Lower --temperature, or train for longer',
  )
}

async function compose(
  composer: generate.TuneComposer | generate.RollComposer,
  prime: string | undefined,
  { length, ...sampling }: generate.SamplingOptions & { length?: number },
): Promise<{ piece: Piece; phrase?: Piece }> {
  const { stepsPerBeat } = composer
  const phrase = prime === undefined ? undefined : await readMidi(prime, { stepsPerBeat })
  if (composer.kind === 'events') {
    return { piece: await composer.compose({ ...sampling, prime: phrase, length }), phrase }
  }
  const { temperature, seed } = sampling
  const roll = phrase && toRoll(phrase)
  return { piece: await composer.compose({ temperature, seed, prime: roll, length }), phrase }
}

/** The notes of a piece; those of the phrase it goes on from have a colour of their own. */
function chartOf({ notes, stepsPerBeat, title }: Piece, phrase?: Piece) {
  const given = phrase ? lengthOf(phrase) : 0
  const bars = notes.map(({ pitch, start, duration }) => ({
    pitch,
    start: start / stepsPerBeat,
    length: duration / stepsPerBeat,
    of: start < given ? 'given' : 'generated',
  }))
  return pianoRoll(bars, title || 'generated', 'quarter notes')
}

export function addWriteOptions(command: Command): void {
  command
    .option(
      '--temperature <x>',
      'below 1 the likely is likelier; 0: always',
      numberFrom(0, 100),
      0.8,
    )
    .option('--top-k <n>', 'draw from so many likeliest symbols; 0: from all', wholeNumber(0), 0)
    .option(
      '--top-p <x>',
      'draw from the likeliest that together are so probable',
      numberFrom(0.001, 1),
      1,
    )
    .option(
      '--repetition-penalty <x>',
      'above 1: what was there becomes rarer',
      numberFrom(0.01, 100),
      1,
    )
    .option('--length <n>', 'most symbols, notes or steps (default: 500, 200, 64)', wholeNumber(1))
    .option('--count <n>', 'texts to write', wholeNumber(1), 1)
    .option('--seed <n>', 'the same seed writes the same', wholeNumber(0), 0)
    .option('--stop <text...>', 'of text: end before one of these')
    .addOption(
      new Option('--unknown <what>', 'of text: what becomes of unknown symbols in the prompt')
        .choices(['error', 'skip'])
        .default('error'),
    )
    .option('--prime <file>', 'of music: a MIDI file to go on from')
    .option('--out <file>', 'file to write: .txt, .abc, .mid')
}
