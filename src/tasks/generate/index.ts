/**
 * One to many: models that write text and music.
 *
 * `train` makes a `Writer` of text, `trainTunes` a `TuneComposer`, which writes notes as events, and
 * `trainRolls` a `RollComposer`, which writes step by step which pitches sound. Each is one `.refrain` file.
 */
import { RefrainError, show } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import { checkInteger, checkNumber } from '../../util/check.ts'
import { encodersOfTask } from '../training.ts'
import { TuneComposer } from './composer.ts'
import { isEvent } from './events.ts'
import { checkFit } from './language.ts'
import { RollComposer } from './rolls.ts'
import { Symbols } from './symbols.ts'
import { Writer } from './writer.ts'

export {
  type ComposeOptions,
  type Pieces,
  TuneComposer,
  type TuneEvaluation,
  type TuneOptions,
  type TuneParts,
  trainTunes,
  tuneDefaults,
} from './composer.ts'
export {
  type RollComposeOptions,
  RollComposer,
  type RollEvaluation,
  type RollOptions,
  type RollParts,
  type Rolls,
  rollDefaults,
  trainRolls,
} from './rolls.ts'
export type { SamplingOptions } from './sampling.ts'
export type { GenerateOptions } from './settings.ts'
export { Symbols, type SymbolsJson, type Unit } from './symbols.ts'
export { defaults, type TextOptions, train } from './text.ts'
export {
  type TextEvaluation,
  type Texts,
  type WriteOptions,
  Writer,
  type WriterParts,
} from './writer.ts'

/** What the files of this task hold. */
export type Generator = Writer | TuneComposer | RollComposer

/** Reads what `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Generator> {
  return fromFile(await loadFile(path), path)
}

/** The model in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Generator {
  const { model } = file
  const json = encodersOfTask(file, path, 'generate', 'a model that writes')
  try {
    return read(json)
  } catch (cause) {
    if (cause instanceof RefrainError && cause.message.startsWith(path)) throw cause
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }

  function read({ kind, symbols: saved, ends, ...rest }: Record<string, unknown>): Generator {
    const bpttSteps = checkInteger('bpttSteps', rest.bpttSteps)
    if (kind === 'roll') {
      const lowest = checkInteger('lowest', rest.lowest, 0)
      const highest = checkInteger('highest', rest.highest, lowest + 1)
      checkKeys(highest - lowest + 1)
      return new RollComposer({ model, lowest, highest, bpttSteps, ...grid(rest) })
    }
    if (kind !== 'text' && kind !== 'events') {
      throw new Error(`expected a model of text, events or rolls, got ${show(kind)}`)
    }
    const symbols = Symbols.fromJSON(saved)
    checkFit(model, symbols, path)
    if (kind === 'text') {
      if (typeof ends !== 'boolean')
        throw new Error(`expected 'ends' true or false, got ${show(ends)}`)
      return new Writer({ model, symbols, ends, bpttSteps })
    }
    const wrong = symbols.texts.slice(2).find((text) => !isEvent(text))
    if (symbols.unit !== 'events' || wrong !== undefined) {
      throw new Error(`expected events of music, got ${show(wrong ?? symbols.unit)}`)
    }
    return new TuneComposer({ model, symbols, bpttSteps, ...grid(rest) })
  }

  function checkKeys(keys: number): void {
    const weights = model.parameters.parameters
    const [inputs, outputs] = [weights[0]?.shape[0], weights.at(-1)?.shape.at(-1)]
    if (inputs === keys && outputs === keys) return
    throw new Error(
      `its ${keys} keys do not fit its weights, which read ${inputs} and write ${outputs}`,
    )
  }
}

const grid = ({ stepsPerBeat, tempo }: Record<string, unknown>) => ({
  stepsPerBeat: checkInteger('stepsPerBeat', stepsPerBeat),
  tempo: checkNumber('tempo', tempo, 1, 1000),
})
