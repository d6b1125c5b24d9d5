/** `generate` in the command: text and music. */
import { type Command, Option } from 'commander'
import { RefrainError } from '../../errors.ts'
import * as generate from '../../tasks/generate/index.ts'
import type { RunOptions } from '../../tasks/training.ts'
import { count, plural } from '../io.ts'
import { numberFrom, wholeNumber } from '../options.ts'
import type { Fact, Task } from '../task.ts'
import {
  addReadOptions,
  type Data,
  describeData,
  filesHelp,
  formatOf,
  type ReadOptions,
  readFiles,
} from './generate-data.ts'
import { addWriteOptions, type WriteOptions, write } from './generate-write.ts'

interface Types {
  trainOptions: ReadOptions
  evaluateOptions: ReadOptions
  generateOptions: WriteOptions
  data: Data
}

const defaults = { ...generate.rollDefaults, ...generate.tuneDefaults, ...generate.defaults }

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
      'share of the numbers dropped in training (default: 0.2; of rolls 0.5)',
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
