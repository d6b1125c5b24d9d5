/** Where the first number that is not finite was born: what `fit` does with `debugNumerics`. */
import { RefrainError } from '../errors.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { Layer } from '../layers/layer.ts'
import { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { NumericsWatch, Trainable } from './plan.ts'
import { pathOf, type Sight, WatchingContext } from './watch.ts'
import type { Piece } from './windows.ts'

/** What the numbers were at a place: of those that are finite. */
export interface NumericsStatistics {
  /** 'lstm c', 'dense output'; of a gradient '∂loss/∂(lstm h)'. */
  readonly of: string
  /** The time step; null for a value of all steps. */
  readonly t: number | null
  readonly least: number
  readonly largest: number
  readonly mean: number
  /** How many are not finite. */
  readonly notFinite: number
}

/**
 * The first number that is not finite, in the order of computation: the `cause` of the error with which
 * `fit` fails under `debugNumerics`.
 */
export interface NumericsReport {
  /**
   * 'weight': it was there before the step; 'gate', 'state' and 'output' of a layer going forward; the
   * 'loss'; 'gradient' of a layer's state or output going back; 'weightGradient'; 'update': what the
   * optimizer made of finite gradients.
   */
  readonly kind:
    | 'weight'
    | 'gate'
    | 'state'
    | 'output'
    | 'loss'
    | 'gradient'
    | 'weightGradient'
    | 'update'
  /** Batches trained on before. */
  readonly iteration: number
  /** 'lstm', 'bidirectional/forward'; null for the loss. */
  readonly layer: string | null
  /** Of a gate 'i', 'f', …; of a state 'h', 'c'; of a weight 'kernel'; else ''. */
  readonly name: string
  /** Time index in the sequence; null where there is none. */
  readonly t: number | null
  /** The row in the data; null for weights and the loss. */
  readonly row: number | null
  /** The unit, or for a weight the index in its array; null for the loss. */
  readonly unit: number | null
  /** NaN, Infinity or -Infinity. */
  readonly value: number
  /** What led there, the oldest first: the same value at the steps before, then its neighbours. */
  readonly before: readonly NumericsStatistics[]
  /** The last batches that went well, the oldest first. */
  readonly history: readonly {
    readonly iteration: number
    readonly loss: number
    readonly gradientNorm: number
  }[]
}

/** How many steps of the past a report has. */
const depth = 4
const remembered = 10

/** Fails after the first layer whose output is not finite. */
class CheckingContext extends Context {
  override within<T>(owner: object | string, work: () => T): T {
    const result = work()
    if (owner instanceof Layer && Array.isArray(result)) {
      for (const tensor of result as Tensor[]) {
        if (tensor.dtype === 'float' && firstBad(this.kernels, tensor) >= 0) {
          const where = `the output of '${pathOf(owner)}' is not finite`
          throw new RefrainError('NOT_FINITE', `training: ${where}`)
        }
      }
    }
    return result
  }
}

const firstBad = (kernels: Kernels, { values, size }: Tensor) =>
  kernels.firstNonFinite(values, size)

/** Watches over one `fit`. Costs a pass over every layer's output and a copy of the weights a step. */
export function watchNumerics(): NumericsWatch {
  const history: NumericsReport['history'][number][] = []
  return {
    StepContext: CheckingContext,
    AgainContext: WatchingContext,
    run({ model, piece, iteration, step, again }) {
      const { parameters, states } = model
      const { kernels } = model.backend
      parameters.claim()
      const kept = states?.read() ?? {}
      const weights = parameters.values.values.slice()
      const fail = (report: Found | null, error: Error | null) => {
        states?.write(kept)
        throw report ? errorOf({ ...report, iteration, history: [...history] }) : error
      }
      try {
        const done = step()
        const after = parameters.parameters.find(({ value }) => firstBad(kernels, value) >= 0)
        if (after) {
          const found = atWeight('update', after.path, after.value, kernels)
          parameters.values.values.set(weights)
          parameters.touch()
          fail(found, null)
        }
        history.push({ iteration, loss: done.loss, gradientNorm: done.norm })
        if (history.length > remembered) history.shift()
        return done
      } catch (error) {
        const isNew = error instanceof RefrainError && error.code === 'NOT_FINITE' && !error.cause
        if (!isNew) throw error
        states?.write(kept)
        return fail(findFirst(model, piece, again), error)
      }
    },
  }
}

type Found = Omit<NumericsReport, 'iteration' | 'history'>

/** Runs the step again and looks at all its values in their order; null if it went well. */
function findFirst(
  { backend, parameters }: Trainable,
  piece: Piece,
  again: Parameters<NumericsWatch['run']>[0]['again'],
): Found | null {
  const { kernels } = backend
  for (const { path, value } of parameters.parameters) {
    if (firstBad(kernels, value) >= 0) return atWeight('weight', path, value, kernels)
  }
  const { ctx, loss, gradients } = again()
  const { sights, badGradient } = ctx
  for (const [i, sight] of sights.entries()) {
    const index = firstBad(kernels, sight.tensor)
    if (index < 0) continue
    const before = leadingTo(sights, i).map((one) => statisticsOf(one, one.tensor, piece))
    return { kind: sight.kind, ...placeOf(sight, index, sight.tensor, piece), before }
  }
  if (!Number.isFinite(loss)) {
    const last = sights.filter(({ kind }) => kind === 'output').slice(-depth)
    const before = last.map((one) => statisticsOf(one, one.tensor, piece))
    const nowhere = { layer: null, name: '', t: null, row: null, unit: null }
    return { kind: 'loss', ...nowhere, value: loss, before }
  }
  if (badGradient) {
    const { sight, index, gradient } = badGradient
    const seen = ctx.wayBack.slice(0, -1).slice(-depth)
    const before = seen.map((one) => statisticsOf(one.sight, one.gradient, piece, true))
    return { kind: 'gradient', ...placeOf(sight, index, gradient, piece), before }
  }
  for (const { parameter, gradient } of gradients.each()) {
    if (firstBad(kernels, gradient) < 0) continue
    return atWeight('weightGradient', parameter.path, gradient, kernels, ctx, piece)
  }
  return null
}

/** The same value at the steps before, then what the layer computed just before. */
function leadingTo(sights: readonly Sight[], i: number): Sight[] {
  const { layer, kind, name, t } = sights[i]
  const earlier = sights.slice(0, i)
  if (t === null) return earlier.filter((one) => one.kind === 'output').slice(-depth)
  const same = earlier.filter(
    (one) => one.layer === layer && one.kind === kind && one.name === name,
  )
  const beside = earlier.filter((one) => one.layer === layer && one.t === t)
  return [...same.slice(-depth), ...beside]
}

const labelOf = ({ layer, kind, name }: Sight) =>
  `${pathOf(layer)} ${kind === 'output' ? 'output' : name}`

function statisticsOf(
  sight: Sight,
  { values }: Tensor,
  { from }: Piece,
  gradient = false,
): NumericsStatistics {
  let [least, largest, sum, count] = [Infinity, -Infinity, 0, 0]
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    least = Math.min(least, value)
    largest = Math.max(largest, value)
    sum += value
    count++
  }
  return {
    of: gradient ? `∂loss/∂(${labelOf(sight)})` : labelOf(sight),
    t: sight.t === null ? null : from + sight.t,
    least,
    largest,
    mean: count > 0 ? sum / count : Number.NaN,
    notFinite: values.length - count,
  }
}

/** Row, step and unit of an element of a layer's value. */
function placeOf(sight: Sight, index: number, { shape, values }: Tensor, piece: Piece) {
  const batch = piece.rows.length
  const units = shape[shape.length - 1]
  // Steps stand between the rows and the rest, or are rows of their own inside timeDistributed.
  const steps = sight.t !== null ? 1 : shape[0] === batch ? (shape.length > 2 ? shape[1] : 1) : null
  const perRow = values.length / batch
  const row = Math.floor(index / perRow)
  const step = Math.floor((index % perRow) / (perRow / (steps ?? shape[0] / batch)))
  const time = sight.t ?? (steps === 1 ? null : step)
  return {
    layer: pathOf(sight.layer),
    name: sight.name,
    t: time === null ? null : piece.from + time,
    row: piece.rows[row],
    unit: index % units,
    value: values[index],
  }
}

function atWeight(
  kind: 'weight' | 'weightGradient' | 'update',
  path: string,
  tensor: Tensor,
  kernels: Kernels,
  ctx?: WatchingContext,
  piece?: Piece,
): Found {
  const unit = firstBad(kernels, tensor)
  const cut = path.lastIndexOf('/')
  const seen = ctx?.wayBack.slice(-depth) ?? []
  return {
    kind,
    layer: path.slice(0, cut),
    name: path.slice(cut + 1),
    t: null,
    row: null,
    unit,
    value: tensor.values[unit],
    before: seen.map((one) => statisticsOf(one.sight, one.gradient, piece!, true)),
  }
}

const short = (value: number) => String(Number(value.toPrecision(3)))

function errorOf(report: NumericsReport): RefrainError {
  const { kind, iteration, layer, name, t, row, unit, value, before, history } = report
  const what = {
    weight: `the weight '${layer}/${name}' before the step`,
    gate: `gate ${name} of '${layer}'`,
    state: `state ${name} of '${layer}'`,
    output: `the output of '${layer}'`,
    loss: 'the loss',
    gradient: `the gradient of ${name ? `state ${name}` : 'the output'} of '${layer}'`,
    weightGradient: `the gradient of '${layer}/${name}'`,
    update: `the weight '${layer}/${name}' after the step`,
  }[kind]
  const place = [
    t !== null && `time step ${t}`,
    row !== null && `row ${row}`,
    unit !== null && (row === null ? `element ${unit}` : `unit ${unit}`),
  ].filter(Boolean)
  const led = before.map(
    ({ of, t: at, least, largest }) =>
      `${of}${at === null ? '' : ` at step ${at}`} from ${short(least)} to ${short(largest)}`,
  )
  const last = history.at(-1)
  const parts = [
    `training step ${iteration + 1}: the first value that is not finite is ${value} in ${what}` +
      (place.length > 0 ? `, ${place.join(', ')}` : ''),
    led.length > 0 && `before it ${led.join(', ')}`,
    last &&
      `the step before had loss ${short(last.loss)}, gradient norm ${short(last.gradientNorm)}`,
    'the weights are those before this step',
  ].filter(Boolean)
  return new RefrainError(
    'NOT_FINITE',
    parts.join('; '),
    "lower the learning rate, clip gradients (globalClipNorm: 1), or check the inputs' scale",
    { cause: report },
  )
}
