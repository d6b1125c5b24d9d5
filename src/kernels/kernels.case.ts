/**
 * What the kernels' tests share: random numbers, a way to run a kernel of any backend on plain
 * arrays, and comparisons with a stated tolerance.
 *
 * `run` lays the arguments in the backend's heap, each between two guards, calls the kernel, checks
 * that the guards and the arguments it only reads are as they were, and gives back what it wrote.
 * Guards are NaN: a kernel that reads one carries the NaN into its result.
 */
import { expect } from 'vitest'
import type { Backend, Block, Kernels } from './kernels.ts'
import { philox4x32 } from './philox.ts'

/** Seeded random numbers, all exact in float32, so that every backend gets the same ones. */
export class Random {
  private readonly seed: number
  private readonly words = new Uint32Array(4)
  private drawn = 0

  constructor(seed: number) {
    this.seed = seed
  }

  word(): number {
    if (this.drawn % 4 === 0) philox4x32(this.drawn / 4, 0, 0, 0, this.seed, 0, this.words)
    return this.words[this.drawn++ % 4]
  }

  uniform(n: number, low = -1, high = 1): Float64Array {
    return Float64Array.from({ length: n }, () =>
      Math.fround(low + (high - low) * (this.word() / 2 ** 32)),
    )
  }

  /** Whole numbers from 0 to limit - 1. */
  integers(n: number, limit: number): Int32Array {
    return Int32Array.from({ length: n }, () => this.word() % limit)
  }
}

type Numbers = ArrayLike<number>

/** An array argument. One object given twice is one array, as in `x may be out`. */
export interface Argument {
  kind: 'floats' | 'ints'
  values: Numbers
  /** Whether the kernel may write it; its elements before the call are `values`. */
  written: boolean
  /** Lies on a 64-byte boundary, as the heap gives it. Others are shifted by 8 bytes. */
  aligned?: boolean
}

export const floats = (values: Numbers): Argument => ({ kind: 'floats', values, written: false })
export const ints = (values: Numbers): Argument => ({ kind: 'ints', values, written: false })
export const floatsOut = (values: Numbers): Argument => ({ kind: 'floats', values, written: true })
export const intsOut = (values: Numbers): Argument => ({ kind: 'ints', values, written: true })
/** n floats that the kernel must overwrite without reading them: NaN before the call. */
export const blank = (n: number): Argument => floatsOut(new Float64Array(n).fill(Number.NaN))
/** Packed weights and scratch always come straight from the heap. */
export const aligned = (argument: Argument): Argument => ({ ...argument, aligned: true })

/** Bytes before and after every array. */
const GUARD_BYTES = 128
/** A NaN with a payload of its own, as float32 and as either half of a float64. */
const GUARD = 0x7ffabcde

/** An argument in the heap: where its elements start and how many bytes they take. */
interface Placed {
  argument: Argument
  block: Block
  at: number
  bytes: number
}

function place({ heap }: Backend, argument: Argument): Placed {
  const bytes = argument.values.length * (argument.kind === 'floats' ? heap.floatBytes : 4)
  const at = argument.aligned ? GUARD_BYTES : GUARD_BYTES + 8
  return { argument, block: heap.allocate(at + bytes + GUARD_BYTES), at, bytes }
}

const isArray = (arg: Argument | number | null) => arg !== null && typeof arg === 'object'

/**
 * Calls a kernel. Results are the arrays it may write, in the order of the arguments, then the
 * number it returns, if any.
 */
export function run<Name extends keyof Kernels>(
  backend: Backend,
  kernel: Name,
  args: (Argument | number | null)[],
): Float64Array[] {
  const { heap } = backend
  const placed = new Map<Argument, Placed>()
  for (const arg of args) if (isArray(arg)) placed.set(arg, place(backend, arg))
  const wordsOf = ({ block }: Placed) => heap.ints(block, 0, Math.floor(block.byteLength / 4))
  const viewOf = ({ argument, block, at }: Placed) =>
    argument.kind === 'floats'
      ? heap.floats(block, at, argument.values.length)
      : heap.ints(block, at, argument.values.length)
  // Views are made after the last allocation, because an allocation may detach them.
  const before = new Map<Placed, Int32Array>()
  for (const array of placed.values()) {
    const words = wordsOf(array).fill(GUARD)
    viewOf(array).set(array.argument.values)
    before.set(array, words.slice())
  }
  const call = backend.kernels[kernel] as (...args: unknown[]) => number | undefined
  const returned = call(...args.map((arg) => (isArray(arg) ? viewOf(placed.get(arg)!) : arg)))

  const results: Float64Array[] = []
  for (const array of placed.values()) {
    const { argument, at, bytes } = array
    const isGuard = (i: number) => i * 4 < at || i * 4 >= at + bytes
    const wordsBefore = before.get(array)!
    const words = wordsOf(array)
    for (let i = 0; i < words.length; i++) {
      if (words[i] === wordsBefore[i] || (argument.written && !isGuard(i))) continue
      const what = argument.written ? 'outside of' : 'to'
      expect.fail(`${kernel} wrote ${what} argument ${args.indexOf(argument)}, byte ${i * 4 - at}`)
    }
    if (argument.written) results.push(Float64Array.from(viewOf(array)))
  }
  for (const { block } of placed.values()) heap.free(block)
  if (returned !== undefined) results.push(Float64Array.of(returned))
  return results
}

export interface Tolerance {
  /** Allowed part of the expected number. */
  relative: number
  /** Allowed part of the largest finite magnitude among the expected numbers. */
  ofLargest?: number
  /** Allowed in any case. */
  absolute?: number
}

/** Sums of products: their terms may cancel, so the error is measured by the largest result. */
export const sums: Tolerance = { relative: 1e-5, ofLargest: 1e-5, absolute: 1e-30 }
/** Element by element. */
export const elementwise: Tolerance = { relative: 2e-6, absolute: 1e-7 }
/** Element by element, in several steps of which some cancel. */
export const updates: Tolerance = { relative: 2e-6, absolute: 5e-7 }
/** Copies and selections. */
export const exact: Tolerance = { relative: 0 }

/** Fails at the first number that is off; NaN equals NaN, infinities equal themselves. */
export function expectClose(
  actual: Numbers,
  expected: Numbers,
  { relative, ofLargest = 0, absolute = 0 }: Tolerance,
  what = '',
): void {
  if (actual.length !== expected.length) {
    expect.fail(`${what}: ${actual.length} numbers instead of ${expected.length}`)
  }
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]))
  }
  for (let i = 0; i < expected.length; i++) {
    const allowed = absolute + ofLargest * largest + relative * Math.abs(expected[i])
    const off = Math.abs(actual[i] - expected[i])
    // Object.is tells 0 from -0, which the second test then accepts.
    if (!Object.is(actual[i], expected[i]) && !(off <= allowed && Number.isFinite(expected[i]))) {
      expect.fail(`${what}: element ${i} is ${actual[i]}, expected ${expected[i]} ± ${allowed}`)
    }
  }
}

/** Options of a loss by its name in `lossCodes`: smoothing where it is one of those, then its own. */
export function lossOptions(name: string, cols: number): number[] | null {
  const taus = Array.from({ length: cols }, (_, c) => Math.fround((c + 1) / (cols + 1)))
  if (name === 'quantile') return [0, ...taus]
  if (name === 'huber') return [0, 0.75]
  if (name === 'binaryFocal') return [0.125, 1.5, 0.25]
  if (name === 'categoricalFocal') return [0.125, 2, 0.25]
  return name.includes('Crossentropy') ? [0.125] : null
}

/** Whether a loss's predictions are probabilities, or otherwise above 0. */
export const takesPositive = (name: string) =>
  /(Crossentropy|Focal|Divergence|poisson|logarithmicError)$/.test(name)

/** The rows' numbers by descending length, as the LSTM kernels take them. */
export function orderOf(lengths: Int32Array): Int32Array {
  return Int32Array.from(lengths.keys()).sort((a, b) => lengths[b] - lengths[a])
}

/** Everything that goes into an LSTM's forward and backward pass. */
export interface LstmProblem {
  b: number
  t: number
  inputs: number
  units: number
  reverse: number
  x: Numbers
  kernel: Numbers
  recurrentKernel: Numbers
  bias: Numbers | null
  h0: Numbers | null
  c0: Numbers | null
  steps: Int32Array | null
  lengths: Int32Array | null
  /** Gradients of h, hLast and cLast; dh null: none. */
  dh: Numbers | null
  dhLast: Numbers
  dcLast: Numbers
  /** What dx and the weights' gradients hold before they are added to; null: not asked for. */
  dx: Numbers | null
  dKernel: Numbers | null
  dRecurrentKernel: Numbers | null
  dBias: Numbers | null
}

const lstmResultNames = ['h', 'c', 'gates', 'hLast', 'cLast'] as const
const lstmGradientNames = [
  'dz',
  'dh0',
  'dc0',
  'dx',
  'dKernel',
  'dRecurrentKernel',
  'dBias',
] as const

export interface LstmOptions {
  /** Lengths from 0 to T, one of each at least, instead of T for every row. */
  mixed?: boolean
  /** Masked steps between valid ones. */
  gaps?: boolean
  reverse?: boolean
  /** With h0 and c0. */
  state?: boolean
  bias?: boolean
  dh?: boolean
}

/**
 * A random problem. What belongs to no processed step is NaN in x and dh, and an impossible index
 * in steps, so that a kernel that reads it is found out.
 */
export function lstmProblem(
  seed: number,
  [b, t, inputs, units]: readonly [b: number, t: number, inputs: number, units: number],
  { mixed, gaps, reverse, state, bias = true, dh = true }: LstmOptions = {},
): LstmProblem {
  const random = new Random(seed)
  const lengths = mixed || gaps ? random.integers(b, t + 1) : null
  if (lengths && b > 0) lengths[0] = t
  if (lengths && b > 1) lengths[b - 1] = 0
  const steps = gaps ? new Int32Array(b * t).fill(-1) : null
  const x = random.uniform(b * t * inputs, -2, 2)
  const dhValues = random.uniform(b * t * units)
  for (let row = 0; row < b; row++) {
    const times = Array.from({ length: t }, (_, time) => time)
    const length = lengths ? lengths[row] : t
    while (gaps && times.length > length) times.splice(random.word() % times.length, 1)
    times.length = length
    steps?.set(times, row * t)
    for (let time = 0; time < t; time++) {
      if (times.includes(time)) continue
      x.fill(Number.NaN, (row * t + time) * inputs, (row * t + time + 1) * inputs)
      dhValues.fill(Number.NaN, (row * t + time) * units, (row * t + time + 1) * units)
    }
  }
  const size = 2 / Math.sqrt(inputs + units)
  return {
    b,
    t,
    inputs,
    units,
    reverse: Number(reverse ?? false),
    x,
    kernel: random.uniform(inputs * 4 * units, -size, size),
    recurrentKernel: random.uniform(units * 4 * units, -size, size),
    bias: bias ? random.uniform(4 * units) : null,
    h0: state ? random.uniform(b * units) : null,
    c0: state ? random.uniform(b * units, -2, 2) : null,
    steps,
    lengths,
    dh: dh ? dhValues : null,
    dhLast: random.uniform(b * units),
    dcLast: random.uniform(b * units),
    dx: random.uniform(b * t * inputs),
    dKernel: random.uniform(inputs * 4 * units),
    dRecurrentKernel: random.uniform(units * 4 * units),
    dBias: random.uniform(4 * units),
  }
}

/** Packs the weights; runs the forward pass. `keep` 0: as for inference, without c and gates. */
export function lstmForward(backend: Backend, p: LstmProblem, keep = 1) {
  const { lstmPackSize, lstmScratchSize } = backend.kernels
  const { b, t, inputs, units } = p
  const optional = (values: Numbers | null) => values && floats(values)
  const weights = [floats(p.kernel), floats(p.recurrentKernel), optional(p.bias)]
  const kinds = keep && p.dx ? 2 : keep
  const room = aligned(blank(lstmPackSize(inputs, units, kinds)))
  const [packed] = run(backend, 'lstmPack', [...weights, room, inputs, units, kinds])
  const inputArguments = [
    floats(p.x),
    aligned(floats(packed)),
    optional(p.h0),
    optional(p.c0),
    p.steps && ints(p.steps),
    p.lengths && ints(p.lengths),
    p.lengths && ints(orderOf(p.lengths)),
  ]
  const sizes = [b, t, inputs, units, p.reverse]
  const scratch = aligned(blank(lstmScratchSize(b, t, inputs, units)))
  const written = [
    blank(b * t * units),
    keep ? blank(b * t * units) : null,
    keep ? blank(b * t * 4 * units) : null,
    blank(b * units),
    blank(b * units),
  ]
  const found = run(backend, 'lstmForward', [...inputArguments, ...written, scratch, ...sizes])
  const results: Record<string, Float64Array> = {}
  let next = 0
  written.forEach((argument, i) => {
    if (argument) results[lstmResultNames[i]] = found[next++]
  })
  return { inputArguments, sizes, results }
}

/** The forward and the backward pass; every result and gradient by name. `adds` as the kernel's. */
export function lstmBoth(
  backend: Backend,
  p: LstmProblem,
  adds = 15,
): Record<string, Float64Array> {
  const { inputArguments, sizes, results } = lstmForward(backend, p)
  const { b, t, inputs, units } = p
  const optional = (values: Numbers | null) => values && floatsOut(values)
  const written = [
    floatsOut(results.gates),
    floatsOut(p.dhLast),
    floatsOut(p.dcLast),
    ...[p.dx, p.dKernel, p.dRecurrentKernel, p.dBias].map((values, i) =>
      values && !(adds & (1 << i)) ? blank(values.length) : optional(values),
    ),
  ]
  const found = run(backend, 'lstmBackward', [
    ...inputArguments,
    floats(results.h),
    floats(results.c),
    written[0],
    p.dh && floats(p.dh),
    ...written.slice(1),
    aligned(blank(backend.kernels.lstmScratchSize(b, t, inputs, units))),
    ...sizes,
    adds,
  ])
  const all = { ...results }
  let next = 0
  written.forEach((argument, i) => {
    if (argument) all[lstmGradientNames[i]] = found[next++]
  })
  if (!p.h0) delete all.dh0
  return all
}
