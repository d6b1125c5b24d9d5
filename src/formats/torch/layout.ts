/** Weights in PyTorch's layouts: from a module's tensors to a layer's parameters, and back. */
import { RefrainError, show } from '../../errors.ts'
import type { Layer } from '../../layers/layer.ts'
import type { TorchModule } from './modules.ts'
import type { StateDict, TorchTensor } from './state.ts'

export type Floats = Float32Array | Float64Array

/** An array in the layout of a parameter. */
export interface LaidOut {
  readonly shape: readonly number[]
  readonly values: Floats
}

/** [n,m] → [m,n]. */
function transpose(values: Floats, rows: number, columns: number): Floats {
  const out = values.slice()
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]
  }
  return out
}

/** The first two of three gates change places: r, z, n of PyTorch and z, r, n of Refrain: [rows,3U]. */
function swapGates(values: Floats, rows: number): Floats {
  const out = values.slice()
  const width = values.length / rows
  const units = width / 3
  for (let row = 0; row < rows; row++) {
    const at = row * width
    out.set(values.subarray(at + units, at + 2 * units), at)
    out.set(values.subarray(at, at + units), at + units)
  }
  return out
}

/** [a,b,c] → [c,b,a]. */
function reverseAxes(values: Floats, [a, b, c]: readonly number[]): Floats {
  const out = values.slice()
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) out[(k * b + j) * a + i] = values[(i * b + j) * c + k]
    }
  }
  return out
}

/** A module's arrays in the layout of Refrain's parameters, by their names. */
export function arraysOf(
  state: StateDict,
  { name, kind }: Pick<TorchModule, 'name' | 'kind'>,
  { layer = 0, reverse = false, fileName }: { layer?: number; reverse?: boolean; fileName: string },
): Record<string, LaidOut> {
  const full = (key: string) => (name === '' ? key : `${name}.${key}`)
  const need = (key: string, rank: number): TorchTensor => {
    const found = state.get(full(key))
    if (found?.shape.length === rank) return found
    const got = found ? `of shape ${show([...found.shape])}` : 'missing'
    throw new RefrainError('BAD_FILE', `${fileName}: the tensor '${full(key)}' is ${got}`)
  }
  const has = (key: string) => state.has(full(key))
  const plain = (key: string, rank = 1): LaidOut => {
    const { shape, values } = need(key, rank)
    return { shape, values: values() }
  }
  const turned = (key: string, order = (values: Floats, _rows: number) => values): LaidOut => {
    const { shape, values } = need(key, 2)
    const [rows, columns] = shape
    return { shape: [columns, rows], values: order(transpose(values(), rows, columns), columns) }
  }
  const bias = (): Record<string, LaidOut> => (has('bias') ? { bias: plain('bias') } : {})
  const end = `_l${layer}${reverse ? '_reverse' : ''}`
  /** Both biases of a recurrent module; null if it has none. */
  const biases = (): [Floats, Floats] | null => {
    if (!has(`bias_ih${end}`) && !has(`bias_hh${end}`)) return null
    const [one, other] = [plain(`bias_ih${end}`), plain(`bias_hh${end}`)]
    if (one.shape[0] === other.shape[0]) return [one.values, other.values]
    throw new RefrainError('BAD_FILE', `${fileName}: the biases of '${name}' differ in length`)
  }
  switch (kind) {
    case 'lstm':
    case 'simpleRnn': {
      const both = biases()
      const sum = both && Float64Array.from(both[0], (value, i) => value + both[1][i])
      return {
        kernel: turned(`weight_ih${end}`),
        recurrentKernel: turned(`weight_hh${end}`),
        ...(sum && { bias: { shape: [sum.length], values: sum } }),
        ...(has(`weight_hr${end}`) && { projectionKernel: turned(`weight_hr${end}`) }),
      }
    }
    case 'gru': {
      const both = biases()
      const width = both?.[0].length ?? 0
      const joined = new Float64Array(2 * width)
      both?.forEach((one, i) => {
        joined.set(one, i * width)
      })
      return {
        kernel: turned(`weight_ih${end}`, swapGates),
        recurrentKernel: turned(`weight_hh${end}`, swapGates),
        ...(both && { bias: { shape: [2, width], values: swapGates(joined, 2) } }),
      }
    }
    case 'embedding':
      return { embeddings: plain('weight', 2) }
    case 'dense':
      return { kernel: turned('weight'), ...bias() }
    case 'conv1d': {
      const { shape, values } = need('weight', 3)
      const kernel = { shape: [...shape].reverse(), values: reverseAxes(values(), shape) }
      return { kernel, ...bias() }
    }
    case 'batchNormalization':
      return {
        gamma: plain('weight'),
        beta: plain('bias'),
        movingMean: plain('running_mean'),
        movingVariance: plain('running_var'),
      }
    case 'layerNormalization':
      return { gamma: plain('weight'), beta: plain('bias') }
  }
}

type Entry = [key: string, shape: readonly number[], values: Floats]

/** A layer's weights as the tensors of its module. Throws an `Error` for a layer that is none of PyTorch's. */
export function tensorsOf(layer: Layer): Entry[] {
  const parameter = (name: string) => layer.parameters.find((one) => one.name === name)
  const vector = (key: string, name: string): Entry[] => {
    const found = parameter(name)
    return found ? [[key, found.shape, found.value.values.slice()]] : []
  }
  const turned = (key: string, name: string, order = (values: Floats, _rows: number) => values) => {
    const found = parameter(name)
    if (!found) return []
    const [rows, columns] = found.shape
    const values = transpose(order(found.value.values, rows), rows, columns)
    return [[key, [columns, rows], values] satisfies Entry]
  }
  const bias = parameter('bias')?.value.values
  switch (layer.kind) {
    case 'bidirectional': {
      const [forward, backward] = layer.children.map((child) => tensorsOf(child.layer))
      return [...forward, ...backward.map(([key, ...rest]): Entry => [`${key}_reverse`, ...rest])]
    }
    case 'lstm':
    case 'simpleRnn':
      return [
        ...turned('weight_ih_l0', 'kernel'),
        ...turned('weight_hh_l0', 'recurrentKernel'),
        ...vector('bias_ih_l0', 'bias'),
        // PyTorch adds the two: x + -0 is x, for 0 and -0 as well.
        ...(bias ? [['bias_hh_l0', [bias.length], bias.slice().fill(-0)] satisfies Entry] : []),
        ...turned('weight_hr_l0', 'projectionKernel'),
      ]
    case 'gru': {
      const both = bias && swapGates(bias, 2)
      const width = (bias?.length ?? 0) / 2
      return [
        ...turned('weight_ih_l0', 'kernel', swapGates),
        ...turned('weight_hh_l0', 'recurrentKernel', swapGates),
        ...(both
          ? ['ih', 'hh'].map((end, i): Entry => {
              return [`bias_${end}_l0`, [width], both.slice(i * width, (i + 1) * width)]
            })
          : []),
      ]
    }
    case 'embedding':
      return vector('weight', 'embeddings')
    case 'dense':
      return [...turned('weight', 'kernel'), ...vector('bias', 'bias')]
    case 'conv1d': {
      const { shape, value } = parameter('kernel')!
      const kernel = reverseAxes(value.values, shape)
      return [['weight', [...shape].reverse(), kernel], ...vector('bias', 'bias')]
    }
    case 'batchNormalization':
      return [
        ...scaleAndShift(layer),
        ...vector('running_mean', 'movingMean'),
        ...vector('running_var', 'movingVariance'),
      ]
    case 'layerNormalization':
      return scaleAndShift(layer)
    default:
      throw new Error(`no layout for ${layer.kind}`)
  }
}

/** gamma and beta: of a layer that has one of them PyTorch's module has the other as well, as ones or zeros. */
function scaleAndShift({ parameters }: Layer): Entry[] {
  const [{ shape, value }] = parameters
  const of = (key: string, name: string, neutral: number): Entry => {
    const found = parameters.find((one) => one.name === name)?.value.values
    return [key, shape, found?.slice() ?? value.values.slice().fill(neutral)]
  }
  return [of('weight', 'gamma', 1), of('bias', 'beta', 0)]
}
