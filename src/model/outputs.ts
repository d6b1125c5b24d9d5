/** A loss, its weight and metrics for each output, and data for each input or output, by place or name. */
import type { ArrayData } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import type { SymbolicTensor } from '../layers/layer.ts'
import { Tensor } from '../tensor/tensor.ts'
import { resolveLoss } from '../train/losses.ts'
import { checkMetric, resolveMetric } from '../train/metrics.ts'
import type { OutputPlan } from '../train/plan.ts'
import { checkNumber, checkOptions } from '../util/check.ts'

/** One thing for each output: for all of them the same, a list in their order, or an object by name. */
export type PerOutput<Value> = Value | readonly Value[] | Readonly<Record<string, Value>>

/** Data for each input or output: that of the only one, a list in their order, or an object by name. */
export type ModelData =
  | ArrayData
  | readonly (ArrayData | null)[]
  | Readonly<Record<string, ArrayData>>

/** Names of a graph's values that `fit` and `compile` know them by; the second of a name gets a number. */
export function valueNames(values: readonly SymbolicTensor[]): string[] {
  const names: string[] = []
  for (const { name, node } of values) {
    const wanted = node ? node.layer.name : name
    let free = wanted
    for (let number = 1; names.includes(free); number++) free = `${wanted}_${number}`
    names.push(free)
  }
  return names
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !ArrayBuffer.isView(value) &&
  !(value instanceof Tensor)

/** The values of an object by name, in the order of the names; undefined where one is missing. */
function inOrder<Value>(where: string, given: Record<string, unknown>, names: readonly string[]) {
  checkOptions(where, given, names)
  return names.map((name) => given[name] as Value | undefined)
}

function checkLength(where: string, list: readonly unknown[], names: readonly string[]): void {
  if (list.length === names.length) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected ${names.length} (${names.join(', ')}), got ${list.length}`,
  )
}

/** What `compile` is given for each output. */
export interface OutputOptions<Loss = Parameters<typeof resolveLoss>[0]> {
  loss: PerOutput<Loss | null>
  lossWeights?: readonly number[] | Readonly<Record<string, number>>
  metrics?:
    | readonly (Metric | readonly Metric[] | null)[]
    | Readonly<Record<string, Metric | readonly Metric[]>>
  weightedMetrics?: OutputOptions<Loss>['metrics']
}

type Metric = Parameters<typeof resolveMetric>[0]

/** Losses, weights and metrics of the outputs of these names. */
export function resolveOutputs(options: OutputOptions, names: readonly string[]): OutputPlan[] {
  const losses = lossesOf(options.loss, names)
  const weights = weightsOf(options.lossWeights, names)
  const plain = metricsOf(options.metrics ?? [], names)
  const weighted = metricsOf(options.weightedMetrics ?? [], names)
  const metrics = names.map((_, i) => [
    ...plain[i].map(resolveMetric),
    ...weighted[i].map((metric) => ({ ...resolveMetric(metric), weighted: true })),
  ])
  if (losses.every((loss) => loss === null)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      "compile 'loss': expected a loss, got none",
      "for example loss: 'binaryCrossentropy'",
    )
  }
  return names.map((name, i) => {
    const loss = losses[i]
    if (!loss && metrics[i].length > 0) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `compile 'metrics': the output '${name}' has no loss, so it has no targets to measure by`,
      )
    }
    return {
      name,
      loss,
      weight: weights[i],
      metrics: loss ? metrics[i].map((metric) => checkMetric(metric, loss)) : [],
    }
  })
}

function lossesOf(given: OutputOptions['loss'] | undefined, names: readonly string[]) {
  type Loss = Parameters<typeof resolveLoss>[0]
  const where = "compile 'loss'"
  const resolve = (loss: Loss | null | undefined) => (loss ? resolveLoss(loss) : null)
  if (Array.isArray(given)) {
    checkLength(where, given, names)
    return given.map(resolve)
  }
  // A loss may be an object itself: one with a name.
  if (isPlain(given) && names.some((name) => Object.hasOwn(given, name))) {
    return inOrder<Loss | null>(where, given, names).map(resolve)
  }
  return names.map(() => resolve(given as Loss | undefined))
}

function weightsOf(given: OutputOptions['lossWeights'], names: readonly string[]): number[] {
  const where = "compile 'lossWeights'"
  if (given === undefined) return names.map(() => 1)
  const list = isPlain(given) ? inOrder<number>(where, given, names) : given
  if (!Array.isArray(list)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a list or an object by name, got ${show(given)}`,
    )
  }
  checkLength(where, list, names)
  return list.map((weight, i) => checkNumber(`${where} of '${names[i]}'`, weight ?? 1))
}

function metricsOf(given: OutputOptions['metrics'] & {}, names: readonly string[]): Metric[][] {
  const where = "compile 'metrics'"
  const listOf = (metrics: Metric | readonly Metric[] | null | undefined) =>
    (metrics === null || metrics === undefined ? [] : [metrics].flat()) as Metric[]
  if (isPlain(given)) {
    return inOrder<Metric | readonly Metric[]>(where, given, names).map(listOf)
  }
  if (!Array.isArray(given)) {
    throw new RefrainError('BAD_ARGUMENT', `${where}: expected a list, got ${show(given)}`)
  }
  if (names.length === 1) return [given.flat() as Metric[]]
  if (given.length === 0) return names.map(() => [])
  checkLength(`${where}, a list for each output`, given, names)
  return given.map(listOf)
}

/**
 * Data for each of these names. Undefined where an object by name leaves one out; a list may hold
 * null instead.
 */
export function dataInOrder(
  where: string,
  given: ModelData,
  names: readonly string[],
): (ArrayData | undefined)[] {
  if (isPlain(given) && !('shape' in given && 'data' in given)) {
    return inOrder<ArrayData>(where, given, names)
  }
  if (names.length === 1) return [given as ArrayData]
  if (!Array.isArray(given) || given.length !== names.length) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected an array of ${names.length} (${names.join(', ')}) or an object by name, ` +
        `got ${show(given)}`,
    )
  }
  return (given as (ArrayData | null)[]).map((data) => data ?? undefined)
}

/** Weights for each output: as `dataInOrder`, but one array may also serve all outputs. */
export function weightsInOrder(
  where: string,
  given: ModelData | undefined,
  names: readonly string[],
): (ArrayData | undefined)[] {
  if (given === undefined) return names.map(() => undefined)
  const byName = isPlain(given) && !('shape' in given && 'data' in given)
  const list =
    Array.isArray(given) &&
    given.length === names.length &&
    given.every((item) => item === null || typeof item === 'object')
  if (byName || list) return dataInOrder(where, given, names)
  return names.map(() => given as ArrayData)
}
