/**
 * Probabilities that mean what they say. A network that has learned its examples by heart is surer of
 * itself than it should be; dividing its logits by one number, the temperature, makes up for most of it
 * without changing which label is likeliest (Guo, Pleiss, Sun & Weinberger 2017).
 */

/** Probabilities [N,L] of N examples: of one label each (rows sum to 1), or of several. */
export interface Probabilities {
  readonly values: ArrayLike<number>
  readonly size: number
  readonly several: boolean
}

/** float32 knows no probability between this and 1. */
const closest = 2 ** -25

const logit = (p: number) => {
  const q = Math.min(1 - closest, Math.max(closest, p))
  return Math.log(q / (1 - q))
}

/** The probabilities with the logits divided by the temperature. */
export function cool({ values, size, several }: Probabilities, temperature: number): Float64Array {
  const cooled = new Float64Array(values.length)
  if (several) {
    for (let i = 0; i < values.length; i++) {
      cooled[i] =
        temperature === 1 ? values[i] : 1 / (1 + Math.exp(-logit(values[i]) / temperature))
    }
    return cooled
  }
  for (let row = 0; row < values.length; row += size) {
    let sum = 0
    // Logarithms of probabilities are logits less a number that all labels share.
    for (let i = row; i < row + size; i++) {
      cooled[i] = temperature === 1 ? values[i] : values[i] ** (1 / temperature)
      sum += cooled[i]
    }
    if (temperature !== 1) for (let i = row; i < row + size; i++) cooled[i] /= sum
  }
  return cooled
}

/**
 * Cross-entropy in nats, summed over examples; of several labels also over these.
 *
 * @param numbers each example's labels
 */
export function crossEntropy(
  { values, size, several }: Probabilities,
  numbers: readonly ArrayLike<number>[],
): number {
  let loss = 0
  const add = (p: number) => {
    loss -= Math.log(Math.max(p, 1e-7))
  }
  numbers.forEach((own, row) => {
    const has = new Set(Array.from(own))
    for (let label = 0; label < size; label++) {
      const p = values[row * size + label]
      if (has.has(label)) add(p)
      else if (several) add(1 - p)
    }
  })
  return loss
}

/**
 * The temperature with the least cross-entropy on validation data. A normal prior on its logarithm, of
 * deviation 1, keeps it near 1 where examples are few or all are right; it lies between 1/e² and e².
 */
export function fitTemperature(
  probabilities: Probabilities,
  numbers: readonly ArrayLike<number>[],
): number {
  const cost = (log: number) => {
    const values = cool(probabilities, Math.exp(log))
    return crossEntropy({ ...probabilities, values }, numbers) + log ** 2 / 2
  }
  // Golden section: the cost has one minimum.
  const ratio = (Math.sqrt(5) - 1) / 2
  let [low, high] = [-2, 2]
  let [a, b] = [high - ratio * (high - low), low + ratio * (high - low)]
  let [costA, costB] = [cost(a), cost(b)]
  while (high - low > 1e-3) {
    if (costA < costB) {
      ;[high, b, costB] = [b, a, costA]
      a = high - ratio * (high - low)
      costA = cost(a)
    } else {
      ;[low, a, costA] = [a, b, costB]
      b = low + ratio * (high - low)
      costB = cost(b)
    }
  }
  return Math.exp((low + high) / 2)
}

/**
 * Expected calibration error: answers are put into 15 bins by their probability; the mean distance
 * between the probability and the share of right ones in a bin, weighted by the bins' sizes.
 * Of one label each the answer is the likeliest; of several each label is an answer.
 */
export function calibrationError(
  { values, size, several }: Probabilities,
  numbers: readonly ArrayLike<number>[],
): number {
  const bins = Array.from({ length: 15 }, () => ({ probability: 0, right: 0 }))
  let answers = 0
  const add = (p: number, right: boolean) => {
    const bin = bins[Math.min(14, Math.floor(p * 15))]
    bin.probability += p
    bin.right += Number(right)
    answers++
  }
  numbers.forEach((own, row) => {
    const has = new Set(Array.from(own))
    const best = likeliest(values, row * size, size)
    for (let label = 0; label < size; label++) {
      if (several || label === best) add(values[row * size + label], has.has(label))
    }
  })
  const total = bins.reduce((sum, { probability, right }) => sum + Math.abs(probability - right), 0)
  return total / answers
}

/** The place of the largest of `size` values from `from` on, counted from there. */
export function likeliest(values: ArrayLike<number>, from: number, size: number): number {
  let best = 0
  for (let i = 1; i < size; i++) if (values[from + i] > values[from + best]) best = i
  return best
}

/**
 * For each label the threshold with the best F1 on validation data, half-way between two
 * probabilities; 0.5 for a label that no example has.
 */
export function fitThresholds(
  { values, size }: Probabilities,
  numbers: readonly ArrayLike<number>[],
): number[] {
  const thresholds: number[] = []
  for (let label = 0; label < size; label++) {
    const answers = numbers
      .map((own, row) => ({ p: values[row * size + label], has: Array.from(own).includes(label) }))
      .sort((a, b) => b.p - a.p)
    const positives = answers.filter(({ has }) => has).length
    let [right, best, threshold] = [0, 0, 0.5]
    answers.forEach(({ p, has }, i) => {
      right += Number(has)
      const next = answers[i + 1]?.p ?? 0
      const f1 = (2 * right) / (i + 1 + positives)
      if (next < p && f1 > best) [best, threshold] = [f1, (p + next) / 2]
    })
    thresholds.push(threshold)
  }
  return thresholds
}
