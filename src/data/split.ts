/** Divides examples into training, validation and test data. */
import { RefrainError } from '../errors.ts'
import { Random } from '../tensor/random.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'

/** Options of {@link split}. */
export interface SplitOptions {
  /** Share of the examples for validation, from 0 to 1. Default: 0. */
  validation?: number
  /** Share of the examples for the test, from 0 to 1. Default: 0. */
  test?: number
  /** The same seed gives the same split. Default: 0. */
  seed?: number
}

/** Which examples belong where: indices in ascending order, each in exactly one of the three. */
export interface Split {
  train: number[]
  validation: number[]
  test: number[]
}

/**
 * A random split in which every label has, to within one example, the same share of each part.
 * Whatever the shares, one example of every label stays in the training data.
 */
export function split(labels: readonly (string | number)[], options: SplitOptions = {}): Split {
  checkOptions('split', options, ['validation', 'test', 'seed'])
  const { validation = 0, test = 0, seed = 0 } = options
  checkNumber('split: validation', validation, 0, 1)
  checkNumber('split: test', test, 0, 1)
  checkInteger('split: seed', seed, 0)
  if (validation + test >= 1) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `split: expected validation and test to leave something for training, got ${validation} and ${test}`,
    )
  }
  const groups = new Map<string | number, number[]>()
  for (const [i, label] of labels.entries()) {
    const group = groups.get(label)
    if (group) group.push(i)
    else groups.set(label, [i])
  }
  const random = new Random(seed, 'split')
  const parts: Split = { train: [], validation: [], test: [] }
  // What rounding one label's share left over is carried to the next label, so that the totals hold.
  const owed = { validation: 0, test: 0 }
  for (const group of groups.values()) {
    random.shuffle(group)
    let taken = 0
    for (const [name, share] of [
      ['test', test],
      ['validation', validation],
    ] as const) {
      const due = share * group.length + owed[name]
      const count = Math.max(0, Math.min(Math.round(due), group.length - 1 - taken))
      owed[name] = Math.max(-0.5, Math.min(0.5, due - count))
      parts[name].push(...group.slice(taken, taken + count))
      taken += count
    }
    parts.train.push(...group.slice(taken))
  }
  for (const part of Object.values(parts)) part.sort((a: number, b: number) => a - b)
  return parts
}

/** The items at these indices. */
export function pick<Item>(items: readonly Item[], indices: readonly number[]): Item[] {
  return indices.map((i) => items[i])
}
