/**
 * Weights in fewer bytes than they are computed with: half precision, and 8-bit integers. In pages this comes with
 * `loadModel`.
 *
 * int8 is symmetric and per channel: a weight is a code from -127 to 127 times its channel's scale, which is a
 * 127th of the channel's largest magnitude, so that no weight is off by more than half a scale.
 *
 * Channels are the outputs of a matrix [in, out], which are the columns of [all other axes, out], and the rows of
 * an embedding's table [V, D]: some rows are ten times as long as others (docs/interchange.md has numbers).
 * Biases, norms and small matrices stay as they are, since nothing is gained there.
 */
import { RefrainError, show } from '../errors.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { checkOneOf } from '../util/check.ts'
import { fromFloat16, toFloat16 } from '../util/float16.ts'
import type { Safetensors, SafetensorsTensor } from '../util/safetensors.ts'

/** A tensor with its name in the file. */
export type NamedTensor = [name: string, SafetensorsTensor]

const writers = { float16: toHalf, int8: toInt8 }

/** How weights are written as `dtype`; null for those that stay as they are. Throws `UNKNOWN_OPTION`. */
export function compactWriter(dtype: string): (parameter: Parameter) => NamedTensor[] | null {
  const known = Object.keys(writers) as (keyof typeof writers)[]
  return writers[checkOneOf("save 'dtype'", dtype as (typeof known)[number], known)]
}

/** Puts the weights that `compactWriter` wrote into `values`, and gives these. Throws `BAD_FILE`. */
export function fromCompact(
  file: Safetensors,
  path: string,
  fileName: string,
  values: Float32Array | Float64Array,
): Float32Array | Float64Array {
  const { data } = file.tensors.get(path)!
  if (data instanceof Int8Array) fromInt8(file, path, fileName, values)
  else fromFloat16(data as Uint16Array, values)
  return values
}

const refuse = (path: string, value: number, at: number, limit: string) =>
  new RefrainError(
    'BAD_ARGUMENT',
    `save 'dtype': the weight '${path}' is ${value} at ${at}, ${limit}`,
    'Leave dtype out to write weights as they are',
  )

/** A weight in half precision, which must not lose more than digits. */
function toHalf({ path, shape, value: { values } }: Parameter): NamedTensor[] {
  const data = toFloat16(values)
  const at = data.findIndex((bits) => (bits & 0x7c00) === 0x7c00)
  if (at >= 0) throw refuse(path, values[at], at, 'float16 ends at 65504')
  return [[path, { dtype: 'F16', shape: [...shape], data }]]
}

const scaleOf = (path: string) => `${path}#scale`

/** Weights that save less than their scales' description takes. */
const fewest = 1024
/** Channels shorter than this save too little: [2, 3U] are a GRU's biases. */
const shortest = 8

/** A weight as codes and scales; null for one that stays as it is. */
function toInt8({ path, shape, value, byRows }: Parameter): NamedTensor[] | null {
  const { values } = value
  const columns = shape.at(-1)!
  const rows = values.length / columns
  if (shape.length < 2 || values.length < fewest || Math.min(rows, columns) < shortest) return null
  const scales = new Float32Array(byRows ? rows : columns)
  const channel = (i: number) => (byRows ? Math.floor(i / columns) : i % columns)
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i])
    // A double of the reference backend may be beyond what scales can be.
    if (!(magnitude < 2 ** 128)) throw refuse(path, values[i], i, 'int8 needs finite float32')
    const c = channel(i)
    scales[c] = Math.max(scales[c], magnitude / 127)
  }
  const codes = new Int8Array(values.length)
  for (let i = 0; i < codes.length; i++) {
    const scale = scales[channel(i)]
    // A scale may have been rounded to less than a 127th of the largest, or to nothing.
    if (scale > 0) codes[i] = Math.max(-127, Math.min(127, Math.round(values[i] / scale)))
  }
  const ones = shape.map(() => 1)
  return [
    [path, { dtype: 'I8', shape: [...shape], data: codes }],
    [
      scaleOf(path),
      {
        dtype: 'F32',
        shape: byRows ? [rows, ...ones.slice(1)] : [...ones.slice(1), columns],
        data: scales,
      },
    ],
  ]
}

/**
 * The weights of int8 codes. The scales' shape says what a channel is: that of the codes with ones everywhere but at
 * the first or at the last axis. Throws `BAD_FILE` where they are missing or do not fit.
 */
function fromInt8(
  file: Safetensors,
  path: string,
  fileName: string,
  values: Float32Array | Float64Array,
): void {
  const { shape, data: codes } = file.tensors.get(path)!
  const name = scaleOf(path)
  const found = file.tensors.get(name)
  const last = shape.length - 1
  const fits = (axis: number) =>
    found?.shape.length === shape.length &&
    found.shape.every((size, a) => size === (a === axis ? shape[a] : 1))
  if (!(found?.data instanceof Float32Array && (fits(0) || fits(last)))) {
    const [rows, columns] = [0, last].map((axis) => shape.map((n, a) => (a === axis ? n : 1)))
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected a tensor '${name}' in F32 of shape ${show(rows)} or ${show(columns)}, ` +
        `got ${found ? `${show(found.shape)} in ${found.dtype}` : 'none'}`,
    )
  }
  const scales = found.data
  const byColumns = fits(last)
  const columns = byColumns ? shape[last] : codes.length / shape[0]
  for (let i = 0; i < codes.length; i++) {
    values[i] = (codes as Int8Array)[i] * scales[byColumns ? i % columns : Math.floor(i / columns)]
  }
}
