/**
 * Metrics of a model's sequences of labels: entities of a tagger, labels of a CTC. A bundle for the
 * browser holds them only if it uses one of these functions or reads models from files.
 */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { parseTag, spansOf, type Tag } from '../util/tags.ts'
import { argmax, Metric, type MetricConfig, type MetricKind } from './metric.ts'
import { addMetrics } from './metrics.ts'
import { editCount } from './metrics-edits.ts'

/** Options of these metrics; each takes its own. */
export interface SequenceMetricOptions {
  /** Of `entityF1`: the tag of each class number. */
  readonly labels?: readonly string[]
  /** Of `labelErrorRate`: the blank; default the loss's. */
  readonly blank?: number
}

/** Calls `visit` with each row's steps that count, as places in [B,T]. */
function eachRow({ shape: [b, t], mask }: Tensor, visit: (row: number, places: number[]) => void) {
  const valid = mask?.lengths ? mask.valid.ints : null
  for (let row = 0; row < b; row++) {
    const places: number[] = []
    for (let at = row * t; at < (row + 1) * t; at++) if (valid?.[at] !== 0) places.push(at)
    visit(row, places)
  }
}

/** The label at a place of decoded labels [B,T] or of scores [B,T,C]. */
function labelReader(prediction: Tensor): (place: number) => number {
  const values = prediction.elements
  if (prediction.dtype === 'int32') return (place) => values[place]
  const classes = prediction.shape.at(-1) ?? 1
  return (place) => argmax(values, place * classes, classes)
}

/** Spans there are, found, and right. */
class EntityF1 extends Metric {
  readonly #tags: readonly Tag[]

  constructor({ name, label = name, labels = [] }: MetricConfig) {
    super(label, 3)
    this.#tags = labels.map((one) => parseTag("metric 'entityF1'", one))
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor): void {
    const given = labelReader(prediction)
    const wanted = target.ints
    eachRow(prediction, (_row, places) => {
      const spans = spansOf(places.map((place) => this.#tag(wanted[place])))
      const found = spansOf(places.map((place) => this.#tag(given(place))))
      const names = new Set(spans.map(nameOf))
      this.sums[0] += spans.length
      this.sums[1] += found.length
      for (const span of found) if (names.has(nameOf(span))) this.sums[2]++
    })
  }

  #tag(label: number): Tag {
    const tag = this.#tags[label]
    if (tag) return tag
    throw new RefrainError(
      'BAD_DATA',
      `metric 'entityF1': there are ${this.#tags.length} labels, got class ${label}`,
    )
  }

  /** 2 · right / (there + found). */
  get result(): number {
    const [support, found, correct] = this.sums
    return support + found === 0 ? 0 : (2 * correct) / (support + found)
  }
}

const nameOf = ({ start, end, type }: { start: number; end: number; type: string }) =>
  `${start} ${end} ${type}`

/** Edits, and labels that were wanted. */
class LabelErrorRate extends Metric {
  readonly #blank: number

  constructor({ name, label = name }: MetricConfig, blank: number) {
    super(label, 2)
    this.#blank = blank
  }

  update(_ctx: Context, prediction: Tensor, target: Tensor): void {
    const blank = this.#blank
    const label = labelReader(prediction)
    const [, n] = target.shape
    eachRow(prediction, (row, places) => {
      const best = places.map(label)
      const given = best.filter((one, i) => one !== best[i - 1] && one !== blank)
      const own = target.ints.subarray(row * n, (row + 1) * n)
      const padding = own.findIndex((one) => one < 0 || one === blank)
      const { mask } = target
      const count = mask ? (mask.lengths?.ints[row] ?? n) : padding < 0 ? n : padding
      this.sums[0] += editCount(own.subarray(0, count), given)
      this.sums[1] += count
    })
  }

  get result(): number {
    const [edits, labels] = this.sums
    return labels === 0 ? 0 : edits / labels
  }
}

/** These metrics by name. */
export const sequenceKinds: Record<string, MetricKind> = {
  entityF1: {
    labels: true,
    options: ['labels'],
    make: (config) => new EntityF1(config),
    check(where, { labels }) {
      if (Array.isArray(labels) && labels.length > 0) return
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${where} 'labels': expected the tag of each class number, got ${show(labels)}`,
        "for example entityF1({ labels: ['O', 'B-PER', 'I-PER'] })",
      )
    },
  },
  labelErrorRate: {
    labels: true,
    stepwise: false,
    options: ['blank'],
    make: (config, loss) => {
      const { blank = (loss as { blank?: number }).blank ?? 0 } = config
      return new LabelErrorRate(config, blank)
    },
    check(where, { blank }) {
      if (blank !== undefined) checkInteger(`${where} 'blank'`, blank, 0)
    },
  },
}
addMetrics(sequenceKinds)

/**
 * F1 of named entities and other spans by conlleval's rules, over all types (see `entityScores`), of a
 * model whose output is labels [B,T], as a CRF's, or scores [B,T,K]. `labels`: the tag of each class.
 */
export const entityF1 = (options: {
  readonly labels: readonly string[]
  readonly label?: string
}): MetricConfig => ({ ...options, name: 'entityF1' })

/**
 * For the loss `ctc`: edits between the labels wanted and those of `ctcGreedyDecode`, for each label
 * wanted.
 */
export const labelErrorRate = (
  options: { readonly blank?: number; readonly label?: string } = {},
): MetricConfig => ({ ...options, name: 'labelErrorRate' })
