/** `generate` in the command: text and music. */
import { writeFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { readAbc, tuneText } from '../../data/abc.ts'
import { abcMidi, abcPiece, abcProblems } from '../../data/abc-music.ts'
import { readDocuments } from '../../data/documents.ts'
import { midiBytes, readMidi } from '../../data/midi.ts'
import { lengthOf, type Piece, type Roll, toRoll } from '../../data/music.ts'
import { readRolls } from '../../data/rolls.ts'
import { locate } from '../../data/row.ts'
import { RefrainError } from '../../errors.ts'
import { checkWritable } from '../../platform/node.ts'
import * as generate from '../../tasks/generate/index.ts'
import type { RunOptions } from '../../tasks/training.ts'
import { pianoRoll } from '../charts.ts'
import { count, plural } from '../io.ts'
import { numberFrom, wholeNumber } from '../options.ts'
import type { Fact, GenerateVerb, Task } from '../task.ts'

interface ReadOptions {
  documents?: 'file' | 'blankLine' | 'line'
  fields?: string
  encoding?: 'events' | 'roll'
  stepsPerBeat?: number
}

interface WriteOptions {
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

type Data =
  | { kind: 'text'; texts: string[]; where(i: number): string }
  | { kind: 'events'; pieces: Piece[]; where(i: number): string }
  | { kind: 'roll'; rolls: Roll[]; where(i: number): string }

interface Types {
  trainOptions: ReadOptions
  evaluateOptions: ReadOptions
  generateOptions: WriteOptions
  data: Data
}

const defaults = { ...generate.rollDefaults, ...generate.tuneDefaults, ...generate.defaults }

const filesHelp = `
Files, told by their names, all of one kind:
  .abc            tunes in ABC notation, written as text
  .mid, .midi     music, written note by note, or step by step with --encoding roll
  .json, .jsonl   piano rolls: pieces of steps of MIDI numbers, [[[60,64],[60],[]], …]
  others          text in UTF-8; a folder: its .txt files
each of them but MIDI also with .gz behind it.`

export const generateTask: Task<generate.Generator, Types> = {
  name: 'generate',
  fromFile: generate.fromFile,
  inspect: describeGenerator,

  train: {
    description: 'train a model that writes: text, tunes, polyphonic music',
    files: 'texts, tunebooks, MIDI files or piano rolls',
    defaults,
    unit: 'sequences',
    options: addTrainOptions,
    help: `${filesHelp}

Few texts are one stream, whose end is for validation. Many (two batches at least: tunes, or names with
--documents line) begin and end each by itself, and some are for validation.`,
    examples: [
      'refrain train generate moby-dick.txt --out whale.refrain',
      'refrain train generate tunes.abc --out tunes.refrain --epochs 30',
      'refrain train generate names.txt --documents line --out names.refrain',
      'refrain train generate preludes/*.mid --out preludes.refrain --transpose 6',
    ],
    async read({ files, options }) {
      const data = await readFiles(files, options)
      return { data, fact: describeData(data), record: { format: formatOf(files[0]) } }
    },
    train,
    kept: describeKept,
    size: (trained) => ({ text: sizeOf(trained), json: { kind: trained.kind } }),
  },

  evaluate: {
    description: 'how well a model that writes foretells other texts or music',
    files: 'files of the kind that it learned from',
    options: addReadOptions,
    help: filesHelp,
    examples: [
      'refrain evaluate whale.refrain typee.txt',
      'refrain evaluate tunes.refrain more.abc',
    ],
    async run({ trained, files, options }) {
      const music = trained.kind === 'text' ? undefined : trained
      const data = await readFiles(files, {
        ...options,
        encoding: music?.kind,
        stepsPerBeat: music?.stepsPerBeat,
      })
      return evaluate(trained, data)
    },
  },

  generate: {
    description: 'write text or music',
    inputs: ['prompt', 'text to go on from'],
    plots: 'music as a piano roll',
    options: addWriteOptions,
    help: `
Text comes out as it is written, behind the prompt. Music goes to a file: --out tune.mid, which is a MIDI
file whatever the model, or --out tune.abc for a model of ABC tunes. Of tunes in ABC only those are given
that parse; a model that was trained well seldom needs a second attempt.`,
    examples: [
      'refrain generate whale.refrain "Call me " --temperature 0.7',
      'refrain generate tunes.refrain --out tune.mid',
      'refrain generate preludes.refrain --prime phrase.mid --out prelude.mid --seed 3',
      'refrain generate names.refrain --count 10',
    ],
    run: write,
  },
}

const ending = (file: string) => /\.(\w+)(\.gz)?$/.exec(file)?.[1].toLowerCase() ?? ''

/** What a file holds, by its name. */
function formatOf(file: string): 'abc' | 'midi' | 'rolls' | 'text' {
  const found = ending(file)
  if (found === 'abc') return 'abc'
  if (found === 'mid' || found === 'midi') return 'midi'
  return found === 'json' || found === 'jsonl' ? 'rolls' : 'text'
}

async function readFiles(files: readonly string[], options: ReadOptions): Promise<Data> {
  const format = formatOf(files[0])
  const other = files.find((file) => formatOf(file) !== format)
  if (other !== undefined) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `expected files of one kind, got ${files[0]} (${format}) and ${other} (${formatOf(other)})`,
    )
  }
  if (format === 'text') {
    return { kind: 'text', ...(await readDocuments(files, { documents: options.documents })) }
  }
  const places: string[] = []
  const where = (i: number) => places[i]
  if (format === 'abc') {
    const texts: string[] = []
    for await (const tune of readAbc(files)) {
      texts.push(tuneText(tune, { fields: options.fields }))
      places.push(locate(tune))
    }
    return { kind: 'text', texts, where }
  }
  if (format === 'rolls') {
    const rolls: Roll[] = []
    for await (const row of readRolls(files)) {
      rolls.push(row.roll)
      places.push(locate(row))
    }
    return { kind: 'roll', rolls, where }
  }
  const pieces: Piece[] = []
  const roll = options.encoding === 'roll'
  const stepsPerBeat = options.stepsPerBeat ?? (roll ? defaults.stepsPerBeat : undefined)
  for (const file of files) {
    pieces.push(await readMidi(file, { stepsPerBeat }))
    places.push(file)
  }
  return roll
    ? { kind: 'roll', rolls: pieces.map(toRoll), where }
    : { kind: 'events', pieces, where }
}

function describeData(data: Data): Fact {
  if (data.kind === 'text') {
    const characters = data.texts.reduce((sum, { length }) => sum + length, 0)
    return {
      text: `${plural(data.texts.length, 'text')}, ${plural(characters, 'character')}`,
      json: { texts: data.texts.length, characters },
    }
  }
  if (data.kind === 'events') {
    const notes = data.pieces.reduce((sum, piece) => sum + piece.notes.length, 0)
    return {
      text: `${plural(data.pieces.length, 'piece')}, ${plural(notes, 'note')}`,
      json: { pieces: data.pieces.length, notes },
    }
  }
  const steps = data.rolls.reduce((sum, { length }) => sum + length, 0)
  return {
    text: `${plural(data.rolls.length, 'piece')}, ${plural(steps, 'step')}`,
    json: { pieces: data.rolls.length, steps },
  }
}

/** Trains by what the data is; settings that are given but not for that fail by name. */
function train(
  data: Data,
  { callbacks, resume, ...settings }: Record<string, unknown> & RunOptions,
): Promise<generate.Generator> {
  const own = {
    text: generate.defaults,
    events: generate.tuneDefaults,
    roll: generate.rollDefaults,
  }
  const given = Object.entries(settings).filter(([name, value]) => {
    if (value === undefined || name in own[data.kind]) return value !== undefined
    // Options of other kinds have values by default; the grid of events is that of the files.
    return value !== defaults[name as keyof typeof defaults] && name !== 'stepsPerBeat'
  })
  const options = { ...Object.fromEntries(given), callbacks, resume }
  if (data.kind === 'text') return generate.train(data, options)
  return data.kind === 'events'
    ? generate.trainTunes(data, options)
    : generate.trainRolls(data, options)
}

async function evaluate(trained: generate.Generator, data: Data): Promise<Fact> {
  const fail = (): never => {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `evaluate: expected files for a model of ${nameOf(trained)}, got ${describeData(data).text}`,
    )
  }
  if (trained.kind === 'text') {
    const result = await trained.evaluate(data.kind === 'text' ? data : fail())
    const { symbols, loss, perplexity, bitsPerCharacter } = result
    return {
      text:
        `${bitsPerCharacter.toFixed(4)} bits a character; ${loss.toFixed(4)} nats a symbol, ` +
        `perplexity ${perplexity.toFixed(2)}, on ${plural(symbols, 'symbol')}`,
      json: result,
    }
  }
  if (trained.kind === 'events') {
    const result = await trained.evaluate(data.kind === 'events' ? data : fail())
    const { events, loss, perplexity } = result
    return {
      text: `${loss.toFixed(4)} nats an event, perplexity ${perplexity.toFixed(2)}, on ${plural(events, 'event')}`,
      json: result,
    }
  }
  const result = await trained.evaluate(data.kind === 'roll' ? data : fail())
  return {
    text: `${result.loss.toFixed(4)} nats a step, on ${plural(result.steps, 'step')}`,
    json: result,
  }
}

/** Attempts at a tune in ABC that parses. */
const attempts = 20

async function write(from: Parameters<GenerateVerb<generate.Generator, WriteOptions>['run']>[0]) {
  const { trained, training, inputs, options, io, printer, draw } = from
  const { out, prime, unknown, length, stop, count: wanted, json: asJson } = options
  const { temperature, topK, topP, repetitionPenalty, seed } = options
  const sampling = { temperature, topK, topP, repetitionPenalty, seed }
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

const nameOf = ({ kind }: generate.Generator) =>
  ({ text: 'text', events: 'music in notes', roll: 'piano rolls' })[kind]

const sizeOf = (trained: generate.Generator) =>
  trained.kind === 'roll'
    ? `${trained.highest - trained.lowest + 1} keys`
    : plural(trained.symbols.size, 'symbol')

function describeKept({ history, kind, ...trained }: generate.Generator): Fact | undefined {
  const { valPerplexity, valBinaryCrossentropy } = history!.history
  const values = kind === 'roll' ? valBinaryCrossentropy : valPerplexity
  if (!values?.length) return undefined
  const best = Math.min(...values)
  const bestEpoch = values.indexOf(best) + 1
  if (kind === 'roll') {
    const { highest, lowest } = trained as unknown as generate.RollComposer
    const loss = best * (highest - lowest + 1)
    return {
      text: `kept epoch ${bestEpoch}: validation ${loss.toFixed(4)} nats a step`,
      json: { bestEpoch, validationLoss: loss },
    }
  }
  return {
    text: `kept epoch ${bestEpoch}: validation perplexity ${best.toFixed(3)}, ${Math.log2(best).toFixed(4)} bits a symbol`,
    json: { bestEpoch, validationPerplexity: best },
  }
}

function describeGenerator(trained: generate.Generator): string {
  const what = `Writes ${nameOf(trained)}`
  if (trained.kind === 'roll') {
    return `${what}: keys ${trained.lowest} to ${trained.highest}, ${trained.stepsPerBeat} steps a quarter note`
  }
  const { symbols } = trained
  const shown = symbols.texts.filter((text) => text !== '').slice(0, 40)
  return [
    `${what}: ${count(symbols.size)} symbols, which are ${symbols.unit}`,
    `The most frequent: ${shown.map((text) => JSON.stringify(text).slice(1, -1)).join(' ')}`,
    ...(trained.kind === 'events' ? [`${trained.stepsPerBeat} steps a quarter note`] : []),
  ].join('\n')
}

function addReadOptions(command: Command): void {
  command
    .addOption(
      new Option('--documents <cut>', 'of text: what a document is')
        .choices(['file', 'blankLine', 'line'])
        .default('file'),
    )
    .option('--fields <letters>', 'of ABC: header fields that stay, beside X and K', 'TRMLQ')
}

function addTrainOptions(command: Command): void {
  addReadOptions(command)
  command
    .addOption(
      new Option('--encoding <kind>', 'of MIDI: note by note, or step by step')
        .choices(['events', 'roll'])
        .default('events'),
    )
    .addOption(
      new Option('--unit <symbols>', 'of text: what is foretold one by one')
        .choices(['characters', 'words', 'subwords'])
        .default(defaults.unit),
    )
    .option('--vocabulary <n>', 'of text: most symbols', wholeNumber(3), defaults.vocabulary)
    .option('--units <n>', 'units of each LSTM (default: 256)', wholeNumber(1))
    .option('--layers <n>', 'LSTMs above each other (default: 2; of rolls 1)', wholeNumber(1))
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training (default: 0.2; of rolls 0.3)',
      numberFrom(0, 0.99),
    )
    .option(
      '--embedding <n>',
      "width of the symbols' vectors (default: 64; of words as many as --units)",
      wholeNumber(1),
    )
    .option('--bptt-steps <n>', 'steps that gradients go back', wholeNumber(1), defaults.bpttSteps)
    .option(
      '--transpose <n>',
      'of MIDI and rolls: semitones up and down in which each piece is also learned',
      wholeNumber(0),
      defaults.transpose,
    )
    .option(
      '--steps-per-beat <n>',
      'of MIDI and rolls: steps of the grid in a quarter note (default: 4; of rolls 2)',
      wholeNumber(1),
    )
}

function addWriteOptions(command: Command): void {
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
