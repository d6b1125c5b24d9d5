/** A trained classifier: a model with what turns items into its inputs and its outputs into labels. */
import { LabelEncoder } from '../../data/labels.ts'
import { Vocabulary } from '../../data/vocabulary.ts'
import { RefrainError, show } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import type { History } from '../../train/plan.ts'
import { checkNumber, suggest } from '../../util/check.ts'
import { attribute, logOdds, pathOfSteps, type Score } from '../attributions.ts'
import { encodersOfTask, type FileOptions } from '../training.ts'
import { cool, likeliest, type Probabilities } from './calibration.ts'
import type { Encoder } from './encoder.ts'
import { type Examples, type InputKind, inputs, itemsOf } from './inputs.ts'
import { chosen, type Evaluation, evaluate } from './scores.ts'
import { checkThresholds, type Labels, Targets } from './targets.ts'

/** The likeliest label, and the probability of every label. */
export interface Prediction {
  readonly label: string
  readonly probability: number
  readonly probabilities: Readonly<Record<string, number>>
  /** The label or, where an example may have several, all that are likely enough: perhaps none. */
  readonly labels: readonly string[]
}

/** Why an item has a label: from which score to which it comes. */
export interface Explained {
  readonly label: string
  readonly probability: number
  /** log p / (1 - p) of the label, in nats. */
  readonly score: number
  /** The same of a text of as many unknown words, or where every number is its mean in training. */
  readonly baseline: number
}

/** What each word of a text adds to a label's score. */
export interface TextExplanation extends Explained {
  /** The words that were read, with contributions whose sum is `score - baseline`. */
  readonly tokens: readonly { readonly token: string; readonly contribution: number }[]
}

/** What each number that the model reads adds to a label's score. */
export interface NumbersExplanation extends Explained {
  /**
   * [steps, features] of series, [frames, bands] of sounds, [frames, height, width, channels] of clips:
   * contributions whose sum is `score - baseline`.
   */
  readonly contributions: { readonly shape: readonly number[]; readonly data: Float64Array }
}

/** The name of the task in files and in the command, by the kind of inputs. */
export const taskOf = (kind: InputKind) => (kind === 'text' ? 'classify' : `classify-${kind}`)

/** The parts of a classifier. */
export interface Parts<Kind extends InputKind = InputKind> {
  readonly model: Model
  readonly encoder: EncoderOf<Kind>
  readonly targets: Targets
  /** By which logits are divided. */
  readonly temperature: number
  /** The probability from which on an example has each label, where it may have several. */
  readonly thresholds: readonly number[]
  readonly history?: History | null
}

type EncoderOf<Kind extends InputKind> = ReturnType<(typeof inputs)[Kind]['fromJSON']>
interface Row {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

type Item<Kind extends InputKind> = Parameters<(typeof inputs)[Kind]['check']>[1][number]

/** A trained classifier of texts, series, sounds or clips. */
export class Classifier<Kind extends InputKind = InputKind> {
  readonly model: Model
  /** What turns items into the model's inputs; its `kind` says which items. */
  readonly encoder: EncoderOf<Kind>
  readonly labels: LabelEncoder
  /** Whether an example may have several labels, or none. */
  readonly several: boolean
  readonly temperature: number
  readonly thresholds: readonly number[]
  /** Epoch by epoch; null for a loaded classifier. */
  readonly history: History | null
  readonly #targets: Targets

  constructor({ model, encoder, targets, temperature, thresholds, history }: Parts<Kind>) {
    this.model = model
    this.encoder = encoder
    this.#targets = targets
    this.labels = targets.encoder
    this.several = targets.several
    this.temperature = temperature
    this.thresholds = thresholds
    this.history = history ?? null
  }

  /** Labels of items, with probabilities, in the order of the items. */
  async predict(items: readonly Item<Kind>[]): Promise<Prediction[]> {
    this.#check('predict', items)
    if (items.length === 0) return []
    const probabilities = await this.#probabilities(items)
    const { values, size } = probabilities
    const { labels } = this.labels
    return items.map((_, row) => {
      const own = values.subarray(row * size, (row + 1) * size)
      const best = likeliest(own, 0, size)
      return {
        label: labels[best],
        probability: own[best],
        probabilities: Object.fromEntries(labels.map((label, i) => [label, own[i]])),
        labels: chosen(probabilities, row, this.thresholds).map((i) => labels[i]),
      }
    })
  }

  /** Scores on labelled examples. Throws `BAD_DATA` on a label that training never saw. */
  async evaluate(examples: Examples): Promise<Evaluation> {
    const items = itemsOf('classify', examples, this.encoder.kind) as readonly Item<Kind>[]
    this.#check('classify', items)
    checkLengths(items, examples.labels)
    const truth = this.#targets.numbers(examples.labels, examples.where?.bind(examples))
    const probabilities = await this.#probabilities(items)
    return evaluate(probabilities, truth, this.labels.labels, this.thresholds)
  }

  /**
   * What each word of a text, or each number of another item, adds to a label's score, by integrated
   * gradients: the contributions' sum is the score less the baseline's.
   *
   * @param label default: the likeliest
   *
   * Throws `UNKNOWN_OPTION` for an unknown label.
   */
  async explain(
    item: Item<Kind>,
    label?: string,
  ): Promise<Kind extends 'text' ? TextExplanation : NumbersExplanation>
  async explain(item: unknown, label?: string): Promise<TextExplanation | NumbersExplanation> {
    const [prediction] = await this.predict([item as Item<Kind>])
    const name = label ?? prediction.label
    if (!this.labels.labels.includes(name)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `explain: unknown label ${show(name)}`,
        suggest(String(name), this.labels.labels),
      )
    }
    const { model } = this
    const { graph } = model
    const [output] = graph!.outputs
    const scoreOf = this.#scoreOf(this.labels.labels.indexOf(name))
    const explained = { label: name, probability: prediction.probabilities[name] }
    const encoder = this.encoder as EncoderOf<InputKind>
    if (encoder.kind !== 'text') {
      const [row] = (encoder as Encoder<unknown>).encode([item]) as Row[]
      const { shape, data: to } = row
      const path = {
        at: graph!.inputs[0],
        shape,
        to,
        from: new Float32Array(to.length),
        together: 1,
      }
      const { contributions, ...scores } = await attribute(model, output, () => [path], scoreOf)
      const [data] = contributions
      return { ...explained, ...scores, contributions: { shape, data } }
    }
    const text = item as string
    const [ids] = encoder.encode([text])
    const vectors = graph!.calls.find(({ layer }) => layer.kind === 'embedding')!.outputs[0]
    const both = new Int32Array(2 * ids.length).fill(Vocabulary.unknown)
    both.set(ids)
    const { contributions, ...scores } = await attribute(
      model,
      output,
      (arena) => [pathOfSteps(model, vectors, arena, [{ shape: [2, ids.length], data: both }])],
      scoreOf,
    )
    const words = encoder.tokens(text)
    return {
      ...explained,
      ...scores,
      tokens: Array.from(contributions[0], (contribution, i) => ({
        token: words[i] ?? '',
        contribution,
      })),
    }
  }

  /** Writes the classifier to a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    const { temperature, thresholds } = this
    const encoders = encodersOf(this.encoder, this.#targets, temperature, thresholds)
    await this.model.save(path, { ...options, encoders })
  }

  /** log p / (1 - p) of a label. */
  #scoreOf(label: number): Score {
    const { temperature, several } = this
    return (output) => {
      const { tensor } = output.logits!
      const [count, size] = output.shape
      const rows = Array.from({ length: count }, (_, row) => {
        const z = tensor.values.subarray(row * size, (row + 1) * size).map((v) => v / temperature)
        const { value, slopes } = several
          ? { value: z[label], slopes: z.map((_, k) => Number(k === label)) }
          : logOdds(z, new Set([label]))
        return { value, slopes: Float64Array.from(slopes, (slope) => slope / temperature) }
      })
      return { tensor, rows }
    }
  }

  #check(where: string, items: readonly Item<Kind>[]): void {
    inputs[this.encoder.kind].check(where, items as never)
  }

  async #probabilities(items: readonly Item<Kind>[]) {
    const rows = (this.encoder as Encoder<unknown>).encode(items)
    return probabilitiesOf(this.model, rows, this.#targets, this.temperature)
  }
}

/** The probabilities of every label for encoded items. */
export async function probabilitiesOf(
  model: Model,
  rows: ReturnType<Encoder<never>['encode']>,
  { size, several }: Targets,
  temperature = 1,
): Promise<Probabilities & { values: Float64Array }> {
  const values = (await (await model.predict(rows)).data()) as Float32Array
  return { values: cool({ values, size, several }, temperature), size, several }
}

/** Fails unless there is a label, or a list of labels, for each item. */
export function checkLengths(items: readonly unknown[], labels: Labels): void {
  if (items.length === 0) {
    throw new RefrainError('BAD_DATA', 'classify: expected at least one example, got none')
  }
  if (items.length === labels?.length) return
  throw new RefrainError(
    'BAD_SHAPE',
    'classify: expected a label for each example, ' +
      `got ${items.length} examples and ${labels?.length ?? 'no'} labels`,
  )
}

/** What the file holds beside the model. */
export function encodersOf(
  encoder: Encoder<never>,
  { encoder: labels, several }: Targets,
  temperature: number,
  thresholds: readonly number[],
) {
  return {
    task: taskOf(encoder.kind as InputKind),
    ...encoder.toJSON(),
    labels: labels.toJSON(),
    several,
    temperature,
    ...(several && { thresholds: [...thresholds] }),
  }
}

/** Reads a classifier that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Classifier> {
  return fromFile(await loadFile(path), path)
}

/** The classifier in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Classifier {
  const { model } = file
  const found = (file.encoders as { task?: unknown } | null)?.task
  const kinds = Object.keys(inputs) as InputKind[]
  const kind = kinds.find((one) => taskOf(one) === found) ?? 'text'
  const json = encodersOfTask(file, path, taskOf(kind), 'a classifier')
  let parts: Omit<Parts, 'model'>
  try {
    const { several = false, temperature = 1 } = json
    const targets = new Targets(LabelEncoder.fromJSON(json.labels), several === true)
    parts = {
      encoder: inputs[kind].fromJSON(json),
      targets,
      temperature: checkNumber('temperature', temperature, 0.01, 100),
      thresholds: targets.several ? checkThresholds(json.thresholds, targets) : [],
    }
  } catch (cause) {
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }
  const { encoder, targets } = parts
  const [x] = model.graph!.inputs
  const size = encoder.kind === 'text' ? model.parameters.parameters[0].shape[0] : x.shape.at(-1)
  const outputs = model.graph!.outputs[0].shape
  const fits =
    x.dtype === encoder.input.dtype &&
    x.shape.slice(1).join() === encoder.input.shape.join() &&
    model.graph!.outputs.length === 1 &&
    outputs.length === 2
  if (!fits || size !== encoder.size || outputs[1] !== targets.size) {
    throw new RefrainError(
      'BAD_FILE',
      `${path}: its ${encoder.size} ${encoder.unit} and its ${targets.size} labels do not fit its ` +
        `weights, which are for ${size} ${encoder.unit} and ${outputs.at(-1)} labels`,
    )
  }
  return new Classifier({ model, ...parts })
}
