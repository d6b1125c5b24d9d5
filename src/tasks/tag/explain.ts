/** What in a sentence made a word's tag. */
import { Vocabulary } from '../../data/vocabulary.ts'
import { RefrainError, show } from '../../errors.ts'
import type { Crf } from '../../layers/crf.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { suggest } from '../../util/check.ts'
import { attribute, logOdds, pathOfSteps, type Scored } from '../attributions.ts'
import type { TaggerParts } from './tagger.ts'

/** What each word of a sentence adds to the score of one word's tag. */
export interface TagExplanation {
  /** The word whose tag it is, and where it stands, from 0. */
  readonly word: string
  readonly at: number
  readonly tag: string
  readonly probability: number
  /** log p / (1 - p) of the tag, in nats. */
  readonly score: number
  /** The same in a sentence of as many unknown words. */
  readonly baseline: number
  /** All words, with contributions whose sum is `score - baseline`. */
  readonly tokens: readonly { readonly token: string; readonly contribution: number }[]
}

/** Where a word stands: as given, or the first that reads so. */
export function findWord(tokens: readonly string[], word: number | string): number {
  const at = typeof word === 'string' ? tokens.indexOf(word) : word
  if (tokens.length === 0) {
    throw new RefrainError('BAD_ARGUMENT', 'explain: expected a sentence, got one without words')
  }
  if (Number.isInteger(at) && at >= 0 && at < tokens.length) return at
  if (typeof word === 'string') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `explain: the sentence has no word ${show(word)}`,
      suggest(word, tokens),
    )
  }
  throw new RefrainError(
    'BAD_ARGUMENT',
    `explain 'word': expected a word, or the number of one from 0 to ${tokens.length - 1}, got ${show(word)}`,
  )
}

/**
 * The explanation of a word's tag.
 *
 * @param chosen labels of the model that come out as the tag
 */
export async function explainTag(
  { model, encoder, labels, spans }: Omit<TaggerParts, 'history'>,
  tokens: readonly string[],
  at: number,
  chosen: ReadonlySet<number>,
): Promise<Omit<TagExplanation, 'word' | 'at' | 'tag'>> {
  const { calls, outputs } = model.graph!
  const spelling = calls.find(({ layer }) => layer.name === 'characters')!.outputs[0]
  const vectors = calls.find(({ inputs }) => inputs.includes(spelling))!.outputs[0]
  const { size } = labels
  const steps = tokens.length
  const rowOf = ({ values }: Tensor, row: number) =>
    Array.from(values.subarray(row * steps * size, (row + 1) * steps * size))
  const scoreOf = (output: Tensor) => {
    const tensor = spans ? output : output.logits!.tensor
    const rows = Array.from({ length: output.shape[0] }, (_, row) =>
      spans
        ? scoreOfPaths(model.layers.at(-1) as Crf, rowOf(tensor, row), at, chosen, size)
        : scoreOfStep(rowOf(tensor, row), at, chosen, size),
    )
    return { tensor, rows }
  }
  const { contributions, ...scores } = await attribute(
    model,
    spans ? outputs[0].node!.inputs[0] : outputs[0],
    (arena) => {
      const { words, characters } = encoder.encode([tokens])
      const width = characters[0][0].length
      // The second example: words that are unknown, of one character that is.
      const ids = new Int32Array(2 * steps).fill(Vocabulary.unknown)
      const spelt = new Int32Array(2 * steps * width)
      ids.set(words[0])
      for (let t = 0; t < steps; t++) {
        spelt.set(characters[0][t], t * width)
        spelt[(steps + t) * width] = Vocabulary.unknown
      }
      const inputs = [
        { shape: [2, steps], data: ids },
        { shape: [2, steps, width], data: spelt },
      ]
      return [pathOfSteps(model, vectors, arena, inputs)]
    },
    scoreOf,
  )
  const [own] = contributions
  return {
    ...scores,
    probability: 1 / (1 + Math.exp(-scores.score)),
    tokens: tokens.map((token, i) => ({ token, contribution: own[i] })),
  }
}

/** Of one step's softmax. */
function scoreOfStep(
  logits: readonly number[],
  at: number,
  chosen: ReadonlySet<number>,
  size: number,
): Scored {
  const own = logOdds(logits.slice(at * size, (at + 1) * size), chosen)
  const slopes = new Float64Array(logits.length)
  slopes.set(own.slopes, at * size)
  return { value: own.value, slopes }
}

/**
 * Of all legal paths of a CRF: with Z the sum of their weights, log Z(chosen at the step) - log Z(others
 * there), whose derivatives are the differences of the two sets' marginals.
 */
function scoreOfPaths(
  crf: Crf,
  emissions: readonly number[],
  at: number,
  chosen: ReadonlySet<number>,
  size: number,
): Scored {
  const marginalsOf = (side?: boolean) => {
    const rows = Array.from({ length: emissions.length / size }, (_, t) =>
      emissions
        .slice(t * size, (t + 1) * size)
        .map((value, k) =>
          side === undefined || t !== at || chosen.has(k) === side ? value : value - 1e4,
        ),
    )
    return Array.from(crf.marginals([rows]).values)
  }
  const step = marginalsOf().slice(at * size, (at + 1) * size)
  const total = (side: boolean) =>
    step.reduce((sum, p, k) => sum + (chosen.has(k) === side ? p : 0), 0)
  const [inside, outside] = [marginalsOf(true), marginalsOf(false)]
  return {
    value: Math.log(Math.max(total(true), 1e-300)) - Math.log(Math.max(total(false), 1e-300)),
    slopes: Float64Array.from(inside, (p, i) => p - outside[i]),
  }
}
