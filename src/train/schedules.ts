/**
 * Learning rates that depend on the number of batches trained on (0 at first). Keras 3's schedules by
 * its names and defaults; `stepDecay` and `oneCycle` are PyTorch's, `warmup` goes before any other.
 */
import { RefrainError, show } from '../errors.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'

/** A schedule and its options: plain data, as it stands in files. */
export interface Schedule {
  readonly kind: ScheduleName
  readonly [option: string]: unknown
}

export type ScheduleName =
  | 'exponentialDecay'
  | 'stepDecay'
  | 'piecewiseConstantDecay'
  | 'polynomialDecay'
  | 'inverseTimeDecay'
  | 'cosineDecay'
  | 'cosineDecayRestarts'
  | 'oneCycle'
  | 'warmup'

/** An option's check, and the value that it takes when it is left out; none: it must be given. */
type Kind = 'rate' | 'growth' | 'count' | 'share' | 'flag'

function checkOption(where: string, kind: Kind, value: unknown): unknown {
  if (kind === 'count') return checkInteger(where, value)
  if (kind === 'rate') return checkNumber(where, value, 0)
  if (kind === 'share') return checkNumber(where, value, 0, 1)
  if (kind === 'growth') return checkNumber(where, value, 1)
  if (typeof value === 'boolean') return value
  throw new RefrainError('BAD_ARGUMENT', `${where}: expected true or false, got ${show(value)}`)
}

/** The rate at a step, from 0, by a schedule's options. */
type Rate = (options: Record<string, number>, step: number) => number

const rates = Symbol('rate')

interface Timed {
  readonly [rates]: (step: number) => number
}

/** Plain data that files hold, and its function where no file and no comparison sees it. */
function made(kind: ScheduleName, options: object, rate: (step: number) => number): Schedule {
  return Object.defineProperty({ kind, ...options }, rates, { value: rate })
}

function make(
  kind: ScheduleName,
  given: object,
  options: Record<string, [Kind] | [Kind, unknown]>,
  rate: Rate,
): Schedule {
  checkOptions(kind, given, Object.keys(options))
  const values = Object.entries(options).map(([name, [check, ...fallback]]) => {
    const value = (given as Record<string, unknown>)[name] ?? fallback[0]
    return [name, checkOption(`${kind} '${name}'`, check, value)]
  })
  const complete = Object.fromEntries(values)
  return made(kind, complete, (step) => rate(complete, step))
}

/** The rate at a step. */
export function rateAt(rate: number | Schedule, step: number): number {
  return typeof rate === 'number' ? rate : (rate as unknown as Timed)[rates](step)
}

/** Fails unless a learning rate is a number of at least 0 or a schedule. */
export function checkSchedule(where: string, rate: unknown): void {
  if (typeof rate === 'object' && rate !== null && rates in rate) return
  if (typeof rate === 'object') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a number or a schedule, got ${show(rate)}`,
      'write exponentialDecay({ … })',
    )
  }
  checkNumber(where, rate, 0)
}

/** initialLearningRate · decayRate^(step / decaySteps); Keras's `ExponentialDecay`. */
export const exponentialDecay = (options: {
  initialLearningRate: number
  decaySteps: number
  decayRate: number
  /** Whole numbers of `decaySteps` only. Default false. */
  staircase?: boolean
}): Schedule =>
  make(
    'exponentialDecay',
    options,
    decay,
    (o, step) => o.initialLearningRate * o.decayRate ** periods(o, step),
  )

const decay: Record<string, [Kind] | [Kind, unknown]> = {
  initialLearningRate: ['rate'],
  decaySteps: ['count'],
  decayRate: ['rate'],
  staircase: ['flag', false],
}

/** initialLearningRate · gamma^⌊step / stepSize⌋, gamma 0.1 by default; PyTorch's `StepLR`. */
export const stepDecay = (options: {
  initialLearningRate: number
  stepSize: number
  gamma?: number
}): Schedule =>
  make(
    'stepDecay',
    options,
    { initialLearningRate: ['rate'], stepSize: ['count'], gamma: ['rate', 0.1] },
    (o, step) => o.initialLearningRate * o.gamma ** Math.floor(step / o.stepSize),
  )

/** initialLearningRate / (1 + decayRate · step / decaySteps); Keras's `InverseTimeDecay`. */
export const inverseTimeDecay = (options: {
  initialLearningRate: number
  decaySteps: number
  decayRate: number
  /** Whole numbers of `decaySteps` only. Default false. */
  staircase?: boolean
}): Schedule =>
  make(
    'inverseTimeDecay',
    options,
    decay,
    (o, step) => o.initialLearningRate / (1 + o.decayRate * periods(o, step)),
  )

/**
 * values[i] up to and including the step boundaries[i], the last value after them all: a value more
 * than there are boundaries. Keras's `PiecewiseConstantDecay`.
 */
export function piecewiseConstantDecay(given: {
  boundaries: readonly number[]
  values: readonly number[]
}): Schedule {
  const kind = 'piecewiseConstantDecay'
  checkOptions(kind, given, ['boundaries', 'values'])
  const { boundaries, values } = given
  if (!Array.isArray(boundaries) || values?.length !== boundaries.length + 1) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${kind}: expected a value more than boundaries, got ${show(values)} and ${show(boundaries)}`,
    )
  }
  boundaries.forEach((step, i) => {
    checkInteger(`${kind} 'boundaries' ${i}`, step, i === 0 ? 0 : boundaries[i - 1] + 1)
  })
  for (const value of values) checkNumber(`${kind} 'values'`, value, 0)
  const options = { boundaries: [...boundaries], values: [...values] }
  return made(kind, options, (step) => {
    return options.values.at(options.boundaries.findIndex((boundary) => step <= boundary))!
  })
}

/**
 * From initialLearningRate to endLearningRate (default 1e-4) as (1 - step/decaySteps)^power (default
 * 1); with `cycle` decaySteps grows to its next multiple once it is reached. Keras's
 * `PolynomialDecay`.
 */
export const polynomialDecay = (options: {
  initialLearningRate: number
  decaySteps: number
  endLearningRate?: number
  power?: number
  cycle?: boolean
}): Schedule =>
  make(
    'polynomialDecay',
    options,
    {
      initialLearningRate: ['rate'],
      decaySteps: ['count'],
      endLearningRate: ['rate', 1e-4],
      power: ['rate', 1],
      cycle: ['flag', false],
    },
    ({ initialLearningRate, decaySteps, endLearningRate, power, cycle }, step) => {
      const steps = decaySteps * (cycle ? Math.max(1, Math.ceil(step / decaySteps)) : 1)
      const left = 1 - Math.min(step, steps) / steps
      return (initialLearningRate - endLearningRate) * left ** power + endLearningRate
    },
  )

/**
 * Half a cosine from initialLearningRate down to its `alpha`-th part (default 0) in decaySteps; if
 * `warmupTarget` is given, in a straight line up to it for `warmupSteps` before, and down from there.
 * Keras's `CosineDecay`.
 */
export const cosineDecay = (options: {
  initialLearningRate: number
  decaySteps: number
  alpha?: number
  warmupTarget?: number
  warmupSteps?: number
}): Schedule =>
  make(
    'cosineDecay',
    options,
    {
      initialLearningRate: ['rate'],
      decaySteps: ['count'],
      alpha: ['rate', 0],
      ...(options.warmupTarget === undefined
        ? {}
        : { warmupTarget: ['rate'], warmupSteps: ['count'] }),
    },
    ({ initialLearningRate: first, decaySteps, alpha, warmupTarget = first, ...rest }, step) => {
      const { warmupSteps = 0 } = rest
      if (step < warmupSteps) return first + ((warmupTarget - first) * step) / warmupSteps
      const done = Math.min(step - warmupSteps, decaySteps) / decaySteps
      return warmupTarget * ((1 - alpha) * cosine(done) + alpha)
    },
  )

/**
 * Cosine decays one after the other (SGDR, Loshchilov & Hutter 2016): the first of `firstDecaySteps`,
 * each `tMul` times (default 2) as long as the one before and starting at `mMul` times (default 1)
 * its rate, down to the `alpha`-th part (default 0). Keras's `CosineDecayRestarts`.
 */
export const cosineDecayRestarts = (options: {
  initialLearningRate: number
  firstDecaySteps: number
  tMul?: number
  mMul?: number
  alpha?: number
}): Schedule =>
  make(
    'cosineDecayRestarts',
    options,
    {
      initialLearningRate: ['rate'],
      firstDecaySteps: ['count'],
      tMul: ['growth', 2],
      mMul: ['rate', 1],
      alpha: ['rate', 0],
    },
    ({ initialLearningRate, firstDecaySteps, tMul, mMul, alpha }, step) => {
      const [cycle, done] = cycleAt(step / firstDecaySteps, tMul)
      return initialLearningRate * ((1 - alpha) * mMul ** cycle * cosine(done) + alpha)
    },
  )

/**
 * The 1cycle policy (Smith & Topin 2017), PyTorch's `OneCycleLR` without the momentum: in the first
 * `pctStart` (0.3) of `totalSteps` from maxLearningRate/divFactor (25) up to maxLearningRate, then
 * down to maxLearningRate/divFactor/finalDivFactor (1e4), along cosines, or straight lines with
 * `linear`. With `threePhase` down as it went up, then on to the end. After totalSteps it stays.
 */
export const oneCycle = (options: {
  maxLearningRate: number
  totalSteps: number
  pctStart?: number
  divFactor?: number
  finalDivFactor?: number
  linear?: boolean
  threePhase?: boolean
}): Schedule =>
  make(
    'oneCycle',
    options,
    {
      maxLearningRate: ['rate'],
      totalSteps: ['count'],
      pctStart: ['share', 0.3],
      divFactor: ['rate', 25],
      finalDivFactor: ['rate', 1e4],
      linear: ['flag', false],
      threePhase: ['flag', false],
    },
    oneCycleAt,
  )

/**
 * In a straight line from `initialLearningRate` (default 0) to the rate at which `schedule`, a
 * schedule or a number, begins, in `warmupSteps`; from there on the schedule, from its step 0.
 */
export function warmup(options: {
  schedule: Schedule | number
  warmupSteps: number
  initialLearningRate?: number
}): Schedule {
  checkOptions('warmup', options, ['schedule', 'warmupSteps', 'initialLearningRate'])
  const { schedule, warmupSteps, initialLearningRate = 0 } = options
  checkSchedule("warmup 'schedule'", schedule)
  checkInteger("warmup 'warmupSteps'", warmupSteps)
  checkNumber("warmup 'initialLearningRate'", initialLearningRate, 0)
  const first = rateAt(schedule, 0)
  return made('warmup', { schedule, warmupSteps, initialLearningRate }, (step) => {
    if (step >= warmupSteps) return rateAt(schedule, step - warmupSteps)
    return initialLearningRate + ((first - initialLearningRate) * step) / warmupSteps
  })
}

/** The schedule that a file describes, and anything else as it is. */
export function restoreSchedule(rate: unknown): unknown {
  const { kind, ...options } = Object(rate) as Schedule
  if (!Object.hasOwn(makers, kind)) return rate
  const { schedule } = options
  const inner = schedule === undefined ? {} : { schedule: restoreSchedule(schedule) }
  return makers[kind]({ ...options, ...inner } as never)
}

const makers: Record<ScheduleName, (options: never) => Schedule> = {
  exponentialDecay,
  stepDecay,
  piecewiseConstantDecay,
  polynomialDecay,
  inverseTimeDecay,
  cosineDecay,
  cosineDecayRestarts,
  oneCycle,
  warmup,
}

/** Half a cosine from 1 to 0. */
const cosine = (done: number) => 0.5 * (1 + Math.cos(Math.PI * done))

function periods({ decaySteps, staircase }: Record<string, number>, step: number): number {
  return staircase ? Math.floor(step / decaySteps) : step / decaySteps
}

/** Which cycle, each `factor` times as long as the one before, and how much of it is done. */
function cycleAt(done: number, factor: number): [cycle: number, done: number] {
  if (factor === 1) return [Math.floor(done), done % 1]
  let [cycle, length, left] = [0, 1, done]
  for (; left >= length; length *= factor) {
    left -= length
    cycle++
  }
  return [cycle, left / length]
}

function oneCycleAt(o: Record<string, number>, step: number): number {
  const { maxLearningRate: high, totalSteps } = o
  const low = high / o.divFactor
  const end = low / o.finalDivFactor
  const top = o.pctStart * totalSteps - 1
  const phases = o.threePhase
    ? [
        { until: top, from: low, to: high },
        { until: 2 * o.pctStart * totalSteps - 2, from: high, to: low },
        { until: totalSteps - 1, from: low, to: end },
      ]
    : [
        { until: top, from: low, to: high },
        { until: totalSteps - 1, from: high, to: end },
      ]
  let begin = 0
  for (const { until, from, to } of phases) {
    if (step <= until) {
      const done = until > begin ? (step - begin) / (until - begin) : 1
      return to + (from - to) * (o.linear ? 1 - done : cosine(done))
    }
    begin = until
  }
  return end
}
