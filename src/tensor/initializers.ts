/** How weights begin: Keras 3's initializers, by the same names in camelCase. */
import { RefrainError, show } from '../errors.ts'
import type { Backend, Floats } from '../kernels/kernels.ts'
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  sizeOf,
  suggest,
} from '../util/check.ts'
import { Arena } from './arena.ts'
import { Random } from './random.ts'
import type { Tensor } from './tensor.ts'

/** A named initializer with its options, as it stands in a model's configuration. */
export interface InitializerConfig {
  readonly name: InitializerName
  readonly [option: string]: unknown
}

/** Fills `out`, an array of this shape, with numbers from `random`. */
export interface Initializer extends InitializerConfig {
  /** Writes the numbers. */
  fill(out: Floats, shape: readonly number[], random: Random, backend: Backend): void
}

export type InitializerName =
  | 'zeros'
  | 'ones'
  | 'constant'
  | 'randomUniform'
  | 'randomNormal'
  | 'truncatedNormal'
  | 'glorotUniform'
  | 'glorotNormal'
  | 'heUniform'
  | 'heNormal'
  | 'lecunUniform'
  | 'lecunNormal'
  | 'varianceScaling'
  | 'orthogonal'
  | 'identity'

type Fill = Initializer['fill']

function make(name: InitializerName, options: object, fill: Fill): Initializer {
  return { name, ...options, fill }
}

/** What initializers that draw take beside their own options. */
interface Seeded {
  /** A whole number from which all draws follow: weights of one shape are the same. Default: the model's seed. */
  readonly seed?: number
}

/** An initializer's function that takes a seed, too. */
const seeded =
  <Options extends object>(maker: (options: Options) => Initializer) =>
  ({ seed, ...options }: Options & Seeded = {} as Options): Initializer => {
    const initializer = maker(options as Options)
    if (seed === undefined) return initializer
    checkInteger(`${initializer.name} 'seed'`, seed, 0)
    const fill: Fill = (out, shape, _random, backend) =>
      initializer.fill(out, shape, new Random(seed, 'initializer'), backend)
    return { ...initializer, seed, fill }
  }

/** `options` completed by `defaults`, which name all that there are; finite numbers. */
function numbers<D extends Record<string, number>>(
  name: InitializerName,
  options: Partial<D>,
  defaults: D,
): D {
  const [first] = Object.keys(options)
  if (first !== undefined && Object.keys(defaults).length === 0) {
    throw new RefrainError('UNKNOWN_OPTION', `${name}: unknown option '${first}'`, plain(name))
  }
  checkOptions(name, options, Object.keys(defaults))
  return Object.fromEntries(
    Object.entries(defaults).map(([key, value]) => [
      key,
      checkNumber(`${name} '${key}'`, options[key] ?? value),
    ]),
  ) as D
}

type NoOptions = Record<string, never>

const plain = (name: InitializerName) =>
  name === 'zeros' || name === 'ones' ? 'it takes none' : 'it takes seed alone'

/** Zeros. */
export function zeros(options: NoOptions = {}): Initializer {
  numbers('zeros', options, {})
  return make('zeros', {}, (out) => out.fill(0))
}

/** Ones. */
export function ones(options: NoOptions = {}): Initializer {
  numbers('ones', options, {})
  return make('ones', {}, (out) => out.fill(1))
}

/** One value everywhere; default 0. */
export function constant(options: { value?: number } = {}): Initializer {
  const { value } = numbers('constant', options, { value: 0 })
  return make('constant', { value }, (out) => out.fill(value))
}

/** Uniform between `minval` (-0.05) and `maxval` (0.05). */
export const randomUniform = seeded((options: { minval?: number; maxval?: number }) => {
  const { minval, maxval } = numbers('randomUniform', options, { minval: -0.05, maxval: 0.05 })
  return make('randomUniform', { minval, maxval }, (out, _, random) => {
    for (let i = 0; i < out.length; i++) out[i] = minval + (maxval - minval) * random.uniform()
  })
})

/** Normal with `mean` 0 and `stddev` 0.05. */
export const randomNormal = seeded((options: { mean?: number; stddev?: number }) => {
  const { mean, stddev } = numbers('randomNormal', options, { mean: 0, stddev: 0.05 })
  return make('randomNormal', { mean, stddev }, (out, _, random) => {
    for (let i = 0; i < out.length; i++) out[i] = mean + stddev * random.normal()
  })
})

/** Normal, drawn again beyond two standard deviations. */
export const truncatedNormal = seeded((options: { mean?: number; stddev?: number }) => {
  const { mean, stddev } = numbers('truncatedNormal', options, { mean: 0, stddev: 0.05 })
  return make('truncatedNormal', { mean, stddev }, (out, _, random) => {
    fillTruncated(out, mean, stddev, random)
  })
})

function fillTruncated(out: Floats, mean: number, stddev: number, random: Random) {
  for (let i = 0; i < out.length; i++) {
    let draw = random.normal()
    while (Math.abs(draw) > 2) draw = random.normal()
    out[i] = mean + stddev * draw
  }
}

/** Keras's fan in and fan out: the last two dimensions, times the size of the ones before. */
function fans(shape: readonly number[]): [number, number] {
  if (shape.length === 0) return [1, 1]
  if (shape.length === 1) return [shape[0], shape[0]]
  const field = sizeOf(shape.slice(0, -2))
  return [shape[shape.length - 2] * field, shape[shape.length - 1] * field]
}

const modes = ['fanIn', 'fanOut', 'fanAvg'] as const
type Mode = (typeof modes)[number]
const distributions = ['truncatedNormal', 'untruncatedNormal', 'uniform'] as const
type Distribution = (typeof distributions)[number]

/** Draws whose variance is `scale` over the fan. */
const scaledDraws =
  (scale: number, mode: Mode, distribution: Distribution): Fill =>
  (out, shape, random) => {
    const [fanIn, fanOut] = fans(shape)
    const fan = mode === 'fanIn' ? fanIn : mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2
    const deviation = Math.sqrt(scale / Math.max(1, fan))
    // 0.8796… is the standard deviation of a unit normal cut at ±2.
    if (distribution === 'truncatedNormal') {
      return fillTruncated(out, 0, deviation / 0.87962566103423978, random)
    }
    const limit = Math.sqrt(3) * deviation
    for (let i = 0; i < out.length; i++) {
      out[i] =
        distribution === 'uniform'
          ? limit * (2 * random.uniform() - 1)
          : deviation * random.normal()
    }
  }

const scaled = (
  name: InitializerName,
  scale: number,
  mode: Mode,
  distribution: Distribution = 'uniform',
) =>
  seeded((options: object) => {
    numbers(name, options, {})
    return make(name, {}, scaledDraws(scale, mode, distribution))
  })

/**
 * Draws of mean 0 whose variance is `scale` (1) over the inputs, outputs or their mean, by `mode`:
 * 'fanIn' (default), 'fanOut', 'fanAvg'; `distribution`: 'truncatedNormal' (default; cut at two
 * deviations and widened, so that the variance stays), 'untruncatedNormal' or 'uniform'.
 */
export const varianceScaling = seeded(
  (given: { scale?: number; mode?: Mode; distribution?: Distribution }) => {
    const name = 'varianceScaling'
    checkOptions(name, given, ['scale', 'mode', 'distribution'])
    const { scale = 1, mode = modes[0], distribution = distributions[0] } = given
    checkNumber(`${name} 'scale'`, scale, 1e-9)
    checkOneOf(`${name} 'mode'`, mode, modes)
    checkOneOf(`${name} 'distribution'`, distribution, distributions)
    const fill = scaledDraws(scale, mode, distribution)
    return make(name, { scale, mode, distribution }, fill)
  },
)

/** Uniform within ±√(6 / (fanIn + fanOut)) (Glorot & Bengio 2010). */
export const glorotUniform = scaled('glorotUniform', 1, 'fanAvg')
/** Truncated normal with variance 2 / (fanIn + fanOut). */
export const glorotNormal = scaled('glorotNormal', 1, 'fanAvg', 'truncatedNormal')
/** Uniform within ±√(6 / fanIn) (He et al. 2015). */
export const heUniform = scaled('heUniform', 2, 'fanIn')
/** Truncated normal with variance 2 / fanIn. */
export const heNormal = scaled('heNormal', 2, 'fanIn', 'truncatedNormal')
/** Uniform within ±√(3 / fanIn). */
export const lecunUniform = scaled('lecunUniform', 1, 'fanIn')
/** Truncated normal with variance 1 / fanIn. */
export const lecunNormal = scaled('lecunNormal', 1, 'fanIn', 'truncatedNormal')

/**
 * The identity matrix times `gain` (1), of a matrix that is not square its first rows or columns:
 * recurrent weights of ReLU networks (Le et al. 2015). Two dimensions.
 */
export function identity(options: { gain?: number } = {}): Initializer {
  const { gain } = numbers('identity', options, { gain: 1 })
  return make('identity', { gain }, (out, shape) => {
    const [rows, columns] = shape
    if (shape.length !== 2) {
      throw new RefrainError(
        'BAD_SHAPE',
        `identity: expected 2 dimensions, got ${show([...shape])}`,
      )
    }
    out.fill(0)
    for (let i = 0; i < Math.min(rows, columns); i++) out[i * columns + i] = gain
  })
}

/**
 * A matrix with orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2013).
 * A shape of more than two dimensions is taken as [product of all but the last, last].
 */
export const orthogonal = seeded((options: { gain?: number }) => {
  const { gain } = numbers('orthogonal', options, { gain: 1 })
  return make('orthogonal', gain === 1 ? {} : { gain }, (out, shape, random, backend) => {
    if (shape.length < 2) {
      throw new RefrainError(
        'BAD_SHAPE',
        `orthogonal: expected at least 2 dimensions, got ${show([...shape])}`,
      )
    }
    const columns = shape[shape.length - 1]
    const rows = out.length / columns
    const long = Math.max(rows, columns)
    const arena = new Arena(backend.heap)
    const basis = orthonormalRows(Math.min(rows, columns), long, random, backend, arena)
    if (rows <= columns) {
      for (let i = 0; i < out.length; i++) out[i] = gain * basis[i]
    } else {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) out[r * columns + c] = gain * basis[c * long + r]
      }
    }
    arena.release()
  })
})

/**
 * `short` orthonormal rows of `long` elements: the Q of a matrix of normals whose R has a positive
 * diagonal, so that all orientations are equally likely. Gram–Schmidt in blocks of rows: a finished
 * block is taken out of all rows after it by two matrix products on the backend (a [1024,4096] matrix
 * takes 17 GFLOP), the rest is done in double precision. Near the square shape little may be left of a
 * row, and its rounding errors grow with it when it is made a unit again: there, what it has in
 * common with the rows before is taken out once more ("twice is enough"). The rows end with the arena.
 */
function orthonormalRows(
  short: number,
  long: number,
  random: Random,
  { kernels }: Backend,
  arena: Arena,
): Floats {
  const q = arena.tensor([short, long])
  const drawn = q.values
  for (let i = 0; i < drawn.length; i++) drawn[i] = random.normal()
  const height = Math.min(16, short)
  const dots = arena.tensor([short * height])
  const wide = new Float64Array(height * long)
  const rowsFrom = (start: number, count: number) => q.part(start * long, [count, long])
  /** rows -= (rows · Pᵀ) · P, for orthonormal rows P. */
  const takeOut = (rows: Tensor, p: Tensor) => {
    const [m] = rows.shape
    const [n] = p.shape
    kernels.matmul(rows.values, p.values, null, dots.values, m, long, n, 0, 1, 0)
    const values = dots.values
    for (let i = 0; i < m * n; i++) values[i] = -values[i]
    kernels.matmul(dots.values, p.values, null, rows.values, m, n, long, 0, 0, 1)
  }
  const orthonormalize = (block: Tensor) => {
    wide.set(block.values)
    orthonormalizeRows(wide, block.shape[0], long)
    block.values.set(wide.subarray(0, block.size))
  }
  for (let start = 0; start < short; start += height) {
    const end = Math.min(start + height, short)
    const block = rowsFrom(start, end - start)
    orthonormalize(block)
    if (2 * short > long && start > 0) {
      takeOut(block, rowsFrom(0, start))
      orthonormalize(block)
    }
    if (end < short) takeOut(rowsFrom(end, short - end), block)
  }
  return q.values
}

/** Modified Gram–Schmidt on the first `rows` rows of q. */
function orthonormalizeRows(q: Float64Array, rows: number, long: number): void {
  for (let i = 0; i < rows; i++) {
    const row = q.subarray(i * long, (i + 1) * long)
    for (let j = 0; j < i; j++) {
      const unit = q.subarray(j * long, (j + 1) * long)
      const projection = dot(row, unit)
      for (let k = 0; k < long; k++) row[k] -= projection * unit[k]
    }
    const inverse = 1 / Math.sqrt(dot(row, row))
    for (let k = 0; k < long; k++) row[k] *= inverse
  }
}

function dot(x: Float64Array, y: Float64Array): number {
  let a = 0
  let b = 0
  let k = 0
  for (; k + 1 < x.length; k += 2) {
    a += x[k] * y[k]
    b += x[k + 1] * y[k + 1]
  }
  return k < x.length ? a + b + x[k] * y[k] : a + b
}

const makers: Record<InitializerName, (options?: never) => Initializer> = {
  zeros,
  ones,
  constant,
  randomUniform,
  randomNormal,
  truncatedNormal,
  glorotUniform,
  glorotNormal,
  heUniform,
  heNormal,
  lecunUniform,
  lecunNormal,
  varianceScaling,
  orthogonal,
  identity,
}

/** What a layer's initializer option takes: a name, a configuration, or an initializer. */
export type InitializerLike = InitializerName | InitializerConfig | Initializer

/** The initializer of that name or configuration. Throws `UNKNOWN_OPTION` naming the nearest. */
export function resolveInitializer(where: string, wanted: InitializerLike): Initializer {
  const given: unknown = wanted
  const isObject = typeof given === 'object' && given !== null
  if (isObject && 'fill' in given) return given as Initializer
  const { name, ...options } = (isObject ? given : { name: given }) as InitializerConfig
  if (!Object.hasOwn(makers, name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: unknown initializer ${show(name)}`,
      suggest(String(name), Object.keys(makers)),
    )
  }
  const maker = makers[name]
  return maker(options as never)
}

/** The part of an initializer that a file holds. */
export function initializerConfig(initializer: Initializer): InitializerConfig {
  const { fill: _, ...config } = initializer
  return config
}
