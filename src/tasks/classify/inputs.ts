/** The kinds of inputs that there are, and the examples of each. */
import type { Sound } from '../../data/wav.ts'
import { RefrainError, show } from '../../errors.ts'
import { type AudioOptions, audio } from './audio.ts'
import { type SeriesOptions, type Steps, series } from './series.ts'
import type { Labels } from './targets.ts'
import { type ClassifyOptions, texts } from './texts.ts'
import { type Clip, type VideoOptions, video } from './video.ts'

/** All kinds of inputs. */
export const inputs = { text: texts, series, audio, video }

/** A kind of inputs. */
export type InputKind = keyof typeof inputs

interface Labelled {
  /** The label of each example or, where it may have several or none, a list of its labels. */
  readonly labels: Labels
  /** Where example i comes from, for errors. */
  where?(i: number): string
}

/** Texts with their labels. */
export interface LabelledTexts extends Labelled {
  readonly texts: readonly string[]
}

/** Series, of any lengths, with their labels. */
export interface LabelledSeries extends Labelled {
  readonly series: readonly Steps[]
}

/** Sounds with their labels. */
export interface LabelledSounds extends Labelled {
  readonly sounds: readonly Sound[]
}

/** Clips with their labels. */
export interface LabelledClips extends Labelled {
  readonly clips: readonly Clip[]
}

/** Labelled items of one kind. */
export type Examples = LabelledTexts | LabelledSeries | LabelledSounds | LabelledClips

/** The kind of these examples. */
export type KindOf<E> = E extends LabelledTexts
  ? 'text'
  : E extends LabelledSeries
    ? 'series'
    : E extends LabelledSounds
      ? 'audio'
      : E extends LabelledClips
        ? 'video'
        : never

/** The options of `train` for these examples. */
export type OptionsOf<E> = E extends LabelledTexts
  ? ClassifyOptions
  : E extends LabelledSeries
    ? SeriesOptions
    : E extends LabelledSounds
      ? AudioOptions
      : E extends LabelledClips
        ? VideoOptions
        : never

/** The name of the items among the examples, by their kind. */
const fields: Record<InputKind, string> = {
  text: 'texts',
  series: 'series',
  audio: 'sounds',
  video: 'clips',
}

/** The kind of the examples' items. Throws `BAD_ARGUMENT` for no examples. */
export function kindOf(where: string, examples: Examples): InputKind {
  for (const kind of Object.keys(fields) as InputKind[]) {
    if (typeof examples === 'object' && examples && fields[kind] in examples) return kind
  }
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected { ${Object.values(fields).join(' | ')}, labels }, got ${show(examples)}`,
  )
}

/** The examples' items. Throws `BAD_DATA` if they are of another kind. */
export function itemsOf(where: string, examples: Examples, kind: InputKind): readonly unknown[] {
  const own = kindOf(where, examples)
  if (own === kind) return (examples as never)[fields[kind]]
  throw new RefrainError('BAD_DATA', `${where}: expected ${fields[kind]}, got ${fields[own]}`)
}
