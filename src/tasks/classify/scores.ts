/** How well predicted labels fit the true ones. */
import { calibrationError, crossEntropy, likeliest, type Probabilities } from './calibration.ts'

/** How well a classifier does on labelled examples. */
export interface Evaluation {
  readonly examples: number
  /** Share of examples that are right; where they may have several labels, in all of these. */
  readonly accuracy: number
  /** Mean cross-entropy, nats; where examples may have several labels, the mean over these, too. */
  readonly loss: number
  /** Mean of the labels' F1. */
  readonly macroF1: number
  /** F1 of all answers together; the accuracy, where each example has one label. */
  readonly microF1: number
  /**
   * Expected calibration error: how far probabilities are, on average, from the share of answers that
   * are right (15 bins).
   */
  readonly calibrationError: number
  readonly labels: readonly {
    readonly label: string
    readonly examples: number
    readonly precision: number
    readonly recall: number
    readonly f1: number
  }[]
  /** confusion[true][predicted], in the order of `labels`; empty where examples may have several. */
  readonly confusion: readonly (readonly number[])[]
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)

/** The numbers of the labels that an example has: the likeliest or, of several, those likely enough. */
export function chosen(
  { values, size, several }: Probabilities,
  row: number,
  thresholds: readonly number[],
): number[] {
  const from = row * size
  if (!several) return [likeliest(values, from, size)]
  return thresholds.flatMap((threshold, label) =>
    values[from + label] >= threshold ? [label] : [],
  )
}

/** @param truth each example's label numbers */
export function evaluate(
  probabilities: Probabilities,
  truth: readonly Int32Array[],
  names: readonly string[],
  thresholds: readonly number[],
): Evaluation {
  const { size, several } = probabilities
  const zeros = () => new Array<number>(size).fill(0)
  const counts = { examples: zeros(), predicted: zeros(), right: zeros() }
  const confusion = Array.from({ length: several ? 0 : size }, zeros)
  let exact = 0
  truth.forEach((own, row) => {
    const answers = chosen(probabilities, row, thresholds)
    const true_ = new Set(own)
    for (const label of true_) counts.examples[label]++
    for (const label of answers) {
      counts.predicted[label]++
      if (true_.has(label)) counts.right[label]++
    }
    if (!several) confusion[own[0]][answers[0]]++
    exact += Number(answers.length === true_.size && answers.every((label) => true_.has(label)))
  })
  const f1 = (right: number, examples: number, predicted: number) =>
    ratio(2 * right, examples + predicted)
  const labels = names.map((label, i) => {
    const [right, examples, predicted] = [counts.right[i], counts.examples[i], counts.predicted[i]]
    return {
      label,
      examples,
      precision: ratio(right, predicted),
      recall: ratio(right, examples),
      f1: f1(right, examples, predicted),
    }
  })
  const loss = crossEntropy(probabilities, truth) / truth.length
  return {
    examples: truth.length,
    accuracy: exact / truth.length,
    loss: several ? loss / size : loss,
    macroF1: sum(labels.map((label) => label.f1)) / size,
    microF1: f1(sum(counts.right), sum(counts.examples), sum(counts.predicted)),
    calibrationError: calibrationError(probabilities, truth),
    labels,
    confusion,
  }
}
