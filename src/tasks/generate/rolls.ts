/**
 * Polyphonic music as piano rolls: which pitches sound in each step, each foretold by a sigmoid of its own
 * from the steps before (Boulanger-Lewandowski, Bengio & Vincent 2012; Chung et al. 2014).
 */
import { fromRoll, type Piece, type Roll, transposeRoll } from '../../data/music.ts'
import { pick, split } from '../../data/split.ts'
import { RefrainError, show } from '../../errors.ts'
import { dense } from '../../layers/dense.ts'
import type { Model } from '../../model/model.ts'
import { sequential } from '../../model/sequential.ts'
import { Random } from '../../tensor/random.ts'
import { pauser } from '../../train/pause.ts'
import type { History } from '../../train/plan.ts'
import { checkInteger, checkNumber, checkOptions } from '../../util/check.ts'
import { type FileOptions, settingsOf } from '../training.ts'
import {
  fitSequences,
  type GenerateOptions,
  optimizerFor,
  rollSize,
  sharedDefaults,
  sized,
  stacked,
  stepsOf,
} from './settings.ts'

/** Options of `generate.trainRolls`. */
export interface RollOptions extends GenerateOptions {
  /**
   * Each roll of the training part is also learned so many semitones, and fewer, higher and lower, as
   * far as there are keys. Default 5; 0: as it is.
   */
  transpose?: number
  /** Lowest pitch, a MIDI number. Default 21, the lowest of a piano. */
  lowest?: number
  /** Highest pitch. Default 108, the highest of a piano. */
  highest?: number
  /** Steps of the grid in a quarter note, for what comes out. Default 2. */
  stepsPerBeat?: number
  /** Quarter notes a minute of what comes out. Default 100. */
  tempo?: number
}

/** The options' defaults. */
export const rollDefaults = {
  ...sharedDefaults,
  transpose: 5,
  lowest: 21,
  highest: 108,
  stepsPerBeat: 2,
  tempo: 100,
}

/** Options of a roll composer's `generate` and `compose`. */
export interface RollComposeOptions {
  /** Steps to go on from; they are the beginning of what comes out of `compose`. Default: none. */
  prime?: Roll
  /** Steps, without those of `prime`. Default 64. */
  length?: number
  /** Odds are raised to 1 / temperature; below 1 the unlikely becomes unlikelier. Default 0.8. */
  temperature?: number
  /** The same seed gives the same music. Default 0. */
  seed?: number
}

/** Rolls to learn from. */
export interface Rolls {
  readonly rolls: readonly Roll[]
  /** For validation, instead of a share of `rolls`. */
  readonly validation?: readonly Roll[]
  /** Where roll i comes from, for errors. */
  where?(i: number): string
}

/** How well a model foretells rolls. */
export interface RollEvaluation {
  readonly pieces: number
  readonly steps: number
  /**
   * Negative log-likelihood of a step, nats: the sum over all pitches, the mean over all steps of all
   * pieces, the first ones too, as the literature counts.
   */
  readonly loss: number
}

/** What a roll composer is beside its model. */
export interface RollParts {
  readonly lowest: number
  readonly highest: number
  readonly stepsPerBeat: number
  readonly tempo: number
  readonly bpttSteps: number
}

/** Writes music step by step. */
export class RollComposer implements RollParts {
  readonly kind = 'roll'
  readonly model: Model
  readonly lowest: number
  readonly highest: number
  readonly stepsPerBeat: number
  readonly tempo: number
  readonly bpttSteps: number
  /** Epoch by epoch; null for a loaded composer. */
  readonly history: History | null

  constructor(parts: RollParts & { model: Model; history?: History }) {
    this.model = parts.model
    this.lowest = parts.lowest
    this.highest = parts.highest
    this.stepsPerBeat = parts.stepsPerBeat
    this.tempo = parts.tempo
    this.bpttSteps = parts.bpttSteps
    this.history = parts.history ?? null
  }

  /** The pitches of one step after the other. Throws `BAD_DATA` for a pitch that the model lacks. */
  async *generate(options: RollComposeOptions = {}): AsyncGenerator<number[]> {
    checkOptions('generate', options, ['prime', 'length', 'temperature', 'seed'])
    const { prime = [], temperature = 0.8, seed = 0, length = 64 } = options
    checkInteger("generate 'length'", length)
    checkNumber("generate 'temperature'", temperature, 0.01, 100)
    checkRange("generate 'prime'", prime, this)
    const random = new Random(checkInteger("generate 'seed'", seed, 0), 'roll')
    const state = this.model.initialState()
    const keys = new Float32Array(this.highest - this.lowest + 1)
    let { y } = this.model.step(keys, state)
    const play = (pitches: readonly number[]) => {
      keys.fill(0)
      for (const pitch of pitches) keys[pitch - this.lowest] = 1
      y = this.model.step(keys, state).y
    }
    for (const step of prime) play(step)
    const pause = pauser()
    for (let t = 0; t < length; t++) {
      const pitches: number[] = []
      for (let key = 0; key < keys.length; key++) {
        const odds = (y[key] / (1 - y[key])) ** (1 / temperature)
        // Odds of infinity are a probability of 1.
        if (random.uniform() < 1 - 1 / (1 + odds)) pitches.push(this.lowest + key)
      }
      yield pitches
      play(pitches)
      await pause()
    }
  }

  /** The piece that `generate` writes, behind the steps that it goes on from. */
  async compose(options: RollComposeOptions & { title?: string } = {}): Promise<Piece> {
    const { title = '', ...rest } = options
    const roll: (readonly number[])[] = [...(rest.prime ?? [])]
    for await (const step of this.generate(rest)) roll.push(step)
    const { stepsPerBeat, tempo } = this
    return fromRoll(roll, { stepsPerBeat, tempo, title })
  }

  /** How well the model foretells these rolls. */
  async evaluate({ rolls, where }: Rolls): Promise<RollEvaluation> {
    checkRolls(rolls, this, where)
    const { x, y } = rollRows(rolls, this)
    compile(this.model)
    const { binaryCrossentropy } = await this.model.evaluate(x, y, { bpttSteps: this.bpttSteps })
    const steps = rolls.reduce((sum, roll) => sum + roll.length, 0)
    const keys = this.highest - this.lowest + 1
    return { pieces: rolls.length, steps, loss: binaryCrossentropy * keys }
  }

  /** Writes the model to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, { ...options, encoders: rollEncoders(this) })
  }
}

/** What a roll composer's file holds beside the model. */
export const rollEncoders = ({ lowest, highest, stepsPerBeat, tempo, bpttSteps }: RollParts) => ({
  task: 'generate',
  kind: 'roll',
  lowest,
  highest,
  stepsPerBeat,
  tempo,
  bpttSteps,
})

type Range = Pick<RollParts, 'lowest' | 'highest'>

function checkRolls(rolls: readonly Roll[], range: Range, where?: (i: number) => string): void {
  if (!(rolls?.length > 0)) {
    throw new RefrainError('BAD_DATA', 'generate: expected at least one roll, got none')
  }
  rolls.forEach((roll, i) => {
    const at = where?.(i) ?? `roll ${i + 1}`
    if (!(roll?.length > 0)) throw new RefrainError('BAD_DATA', `${at}: it has no steps`)
    checkRange(at, roll, range)
  })
}

function checkRange(where: string, roll: Roll, { lowest, highest }: Range): void {
  roll.forEach((step, t) => {
    for (const pitch of step) {
      if (Number.isInteger(pitch) && pitch >= lowest && pitch <= highest) continue
      throw new RefrainError(
        'BAD_DATA',
        `${where}: step ${t + 1}: expected pitches from ${lowest} to ${highest}, got ${show(pitch)}`,
        'lowest and highest say which the model has',
      )
    }
  })
}

/** 1 for each key that sounds; the inputs are a step late, after one of silence. */
function rollRows(rolls: readonly Roll[], { lowest, highest }: Range) {
  const keys = highest - lowest + 1
  const y = rolls.map((roll) => {
    const data = new Float32Array(roll.length * keys)
    roll.forEach((step, t) => {
      for (const pitch of step) data[t * keys + pitch - lowest] = 1
    })
    return { shape: [roll.length, keys], data }
  })
  const x = y.map(({ shape, data }) => {
    const late = new Float32Array(data.length)
    late.set(data.subarray(0, data.length - keys), keys)
    return { shape, data: late }
  })
  return { x, y }
}

function compile(model: Model, optimizer?: ReturnType<typeof optimizerFor>): void {
  model.compile({ optimizer, loss: 'binaryCrossentropy', metrics: ['binaryCrossentropy'] })
}

/**
 * Trains a model that writes polyphonic music like these rolls. Some are for validation, unless `data`
 * has rolls for that. Throws `BAD_DATA` for empty rolls and pitches out of range.
 */
export async function trainRolls(data: Rolls, options: RollOptions = {}): Promise<RollComposer> {
  const given = settingsOf('generate.trainRolls', rollDefaults, options)
  const settings = sized(given, rollSize)
  const { lowest, highest, stepsPerBeat, tempo, bpttSteps, seed } = settings
  checkNumber("generate.trainRolls 'validation'", settings.validation, 0, 0.9)
  checkInteger("generate.trainRolls 'transpose'", settings.transpose, 0)
  checkInteger("generate.trainRolls 'lowest'", lowest, 0)
  checkInteger("generate.trainRolls 'highest'", highest, lowest + 1)
  checkRolls(data.rolls, settings, data.where)
  if (data.validation) checkRolls(data.validation, settings, (i) => `validation roll ${i + 1}`)
  const share = data.validation ? 0 : settings.validation
  const parts = split(new Array(data.rolls.length).fill(0), { validation: share, seed })
  const held = data.validation ?? pick(data.rolls, parts.validation)
  const shifts = Array.from(
    { length: 2 * settings.transpose + 1 },
    (_, i) => i - settings.transpose,
  )
  const rolls = pick(data.rolls, parts.train).flatMap((roll) =>
    shifts.map((by) => transposeRoll(roll, by, lowest, highest)).filter((moved) => moved !== null),
  )
  const [trained, validation] = [rollRows(rolls, settings), rollRows(held, settings)]
  const keys = highest - lowest + 1
  const model = sequential([...stacked(settings), dense({ units: keys, activation: 'sigmoid' })], {
    name: 'generate',
    seed,
  })
  const lengths = rolls.map(({ length }) => length)
  compile(model, optimizerFor(settings, stepsOf(lengths, settings)))
  model.build([null, null, keys])
  const range = { lowest, highest, stepsPerBeat, tempo, bpttSteps }
  model.encoders = { ...rollEncoders(range), settings: given }
  const history = await fitSequences(
    model,
    [trained.x, trained.y],
    held.length > 0 ? [validation.x, validation.y] : null,
    settings,
    { ...pickRun(options), monitor: 'valBinaryCrossentropy' },
  )
  return new RollComposer({ model, ...range, history })
}

const pickRun = ({ callbacks, resume }: RollOptions) => ({ callbacks, resume })
