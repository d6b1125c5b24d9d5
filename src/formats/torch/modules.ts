/** PyTorch's modules, recognised by the names and shapes of their parameters, in Refrain's layout. */
import { RefrainError, show } from '../../errors.ts'
import type { StateDict, TorchTensor } from './state.ts'

/** Which of Refrain's layers a module is. */
export type ModuleKind =
  | 'lstm'
  | 'gru'
  | 'simpleRnn'
  | 'embedding'
  | 'dense'
  | 'conv1d'
  | 'batchNormalization'
  | 'layerNormalization'

/** A module of a state dictionary. */
export interface TorchModule {
  /** Its name there: 'encoder.lstm'; '' where the file is this one module's. */
  readonly name: string
  readonly kind: ModuleKind
  /** As PyTorch would make it: 'nn.LSTM(57, 128, num_layers=2, bidirectional=True)'. */
  readonly shown: string
  /** Of recurrent ones: how many lie on each other, 1 for the others. */
  readonly layers: number
  readonly bidirectional: boolean
  /** Options of Refrain's layer that the shapes tell. */
  readonly options: Readonly<Record<string, unknown>>
}

const classes = { lstm: 'LSTM', gru: 'GRU', simpleRnn: 'RNN' } as const

/** The modules of a state dictionary in its order, and the names of tensors that belong to none. */
export function modulesOf(state: StateDict): { modules: TorchModule[]; rest: string[] } {
  const groups = new Map<string, Map<string, readonly number[]>>()
  for (const [name, { shape }] of state) {
    const dot = name.lastIndexOf('.')
    const owner = dot < 0 ? '' : name.slice(0, dot)
    if (!groups.has(owner)) groups.set(owner, new Map())
    groups.get(owner)!.set(name.slice(dot + 1), shape)
  }
  const recurrentInputs = new Set<number>()
  for (const [, own] of groups) {
    const input = own.get('weight_ih_l0')
    if (input) recurrentInputs.add(input[1])
  }
  const modules: TorchModule[] = []
  const rest: string[] = []
  for (const [name, own] of groups) {
    const found = recurrentOf(name, own) ?? plainOf(name, own, recurrentInputs)
    if (found) modules.push(found)
    else rest.push(...[...own.keys()].map((key) => (name ? `${name}.${key}` : key)))
  }
  return { modules, rest }
}

type Shapes = ReadonlyMap<string, readonly number[]>

function recurrentOf(name: string, own: Shapes): TorchModule | null {
  const [ih, hh] = [own.get('weight_ih_l0'), own.get('weight_hh_l0')]
  if (ih?.length !== 2 || hh?.length !== 2) return null
  const projection = own.get('weight_hr_l0')
  const units = projection ? projection[1] : hh[1]
  const kind = ({ 1: 'simpleRnn', 3: 'gru', 4: 'lstm' } as const)[(ih[0] / units) as 1 | 3 | 4]
  if (!kind) return null
  let layers = 1
  while (own.has(`weight_ih_l${layers}`)) layers++
  const bidirectional = own.has('weight_ih_l0_reverse')
  const useBias = own.has('bias_ih_l0')
  const shown = [
    `${ih[1]}, ${units}`,
    ...(layers > 1 ? [`num_layers=${layers}`] : []),
    ...(useBias ? [] : ['bias=False']),
    ...(bidirectional ? ['bidirectional=True'] : []),
    ...(projection ? [`proj_size=${projection[0]}`] : []),
  ]
  const options = {
    units,
    ...(!useBias && { useBias }),
    ...(projection && { projection: projection[0] }),
  }
  return {
    name,
    kind,
    shown: `nn.${classes[kind]}(${shown.join(', ')})`,
    layers,
    bidirectional,
    options,
  }
}

function plainOf(
  name: string,
  own: Shapes,
  recurrentInputs: ReadonlySet<number>,
): TorchModule | null {
  const weight = own.get('weight')
  const useBias = own.has('bias')
  if (!weight) return null
  const plain = (kind: ModuleKind, shown: string, options: Record<string, unknown>) => ({
    name,
    kind,
    shown: `nn.${shown}`,
    layers: 1,
    bidirectional: false,
    options,
  })
  const [a, b, c] = weight
  const noBias = useBias ? '' : ', bias=False'
  if (weight.length === 2) {
    // Neither has a bias: an embedding is called so, or is as wide as what a recurrent module takes.
    const embeds = !useBias && (/emb|lookup|vocab/i.test(name) || (a > b && recurrentInputs.has(b)))
    if (embeds) return plain('embedding', `Embedding(${a}, ${b})`, { inputDim: a, outputDim: b })
    return plain('dense', `Linear(${b}, ${a}${noBias})`, { units: a, ...(!useBias && { useBias }) })
  }
  if (weight.length === 3) {
    const options = { filters: a, kernelSize: c, ...(!useBias && { useBias }) }
    return plain('conv1d', `Conv1d(${b}, ${a}, ${c}${noBias})`, options)
  }
  if (weight.length === 1 && own.has('running_mean')) {
    return plain('batchNormalization', `BatchNorm1d(${a})`, { epsilon: 1e-5, momentum: 0.9 })
  }
  if (weight.length === 1 && useBias)
    return plain('layerNormalization', `LayerNorm(${a})`, { epsilon: 1e-5 })
  return null
}

/** [n,m] → [m,n]. */
function transpose(values: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]
  }
  return out
}

/** What gives a module's arrays in the layout of Refrain's parameters, by their names. */
export function arraysOf(
  state: StateDict,
  { name, kind }: Pick<TorchModule, 'name' | 'kind'>,
  { layer = 0, reverse = false, fileName }: { layer?: number; reverse?: boolean; fileName: string },
): Record<string, ArrayLike<number>> {
  const tensor = (key: string): TorchTensor | undefined =>
    state.get(name === '' ? key : `${name}.${key}`)
  const need = (key: string): TorchTensor => {
    const found = tensor(key)
    if (found) return found
    throw new RefrainError('BAD_FILE', `${fileName}: the tensor '${name}.${key}' is missing`)
  }
  const turned = (key: string) => {
    const { shape, values } = need(key)
    if (shape.length !== 2) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: '${name}.${key}' has the shape ${show([...shape])}`,
      )
    }
    return transpose(values(), shape[0], shape[1])
  }
  const end = `_l${layer}${reverse ? '_reverse' : ''}`
  switch (kind) {
    case 'lstm':
    case 'simpleRnn': {
      const biases = [`bias_ih${end}`, `bias_hh${end}`].map((key) => tensor(key)?.values())
      const [one, other] = biases
      return {
        kernel: turned(`weight_ih${end}`),
        recurrentKernel: turned(`weight_hh${end}`),
        ...(one && other && { bias: Float64Array.from(one, (value, i) => value + other[i]) }),
        ...(tensor(`weight_hr${end}`) && { projectionKernel: turned(`weight_hr${end}`) }),
      }
    }
    case 'gru': {
      const biases = [`bias_ih${end}`, `bias_hh${end}`].map((key) => tensor(key)?.values())
      const swapped = (values: Float64Array, rows: number) => swapGates(values, rows)
      const rows = (key: string) => need(key).shape[1]
      return {
        kernel: swapped(turned(`weight_ih${end}`), rows(`weight_ih${end}`)),
        recurrentKernel: swapped(turned(`weight_hh${end}`), rows(`weight_hh${end}`)),
        ...(biases[0] &&
          biases[1] && { bias: swapped(Float64Array.from([...biases[0], ...biases[1]]), 2) }),
      }
    }
    case 'embedding':
      return { embeddings: need('weight').values() }
    case 'dense':
      return { kernel: turned('weight'), ...biasOf(tensor('bias'), 'bias') }
    case 'conv1d': {
      const { shape, values } = need('weight')
      const [filters, channels, size] = shape
      const from = values()
      const kernel = new Float64Array(from.length)
      for (let f = 0; f < filters; f++) {
        for (let c = 0; c < channels; c++) {
          for (let k = 0; k < size; k++) {
            kernel[(k * channels + c) * filters + f] = from[(f * channels + c) * size + k]
          }
        }
      }
      return { kernel, ...biasOf(tensor('bias'), 'bias') }
    }
    case 'batchNormalization':
      return {
        gamma: need('weight').values(),
        beta: need('bias').values(),
        movingMean: need('running_mean').values(),
        movingVariance: need('running_var').values(),
      }
    case 'layerNormalization':
      return { gamma: need('weight').values(), beta: need('bias').values() }
  }
}

const biasOf = (tensor: TorchTensor | undefined, key: string) =>
  tensor ? { [key]: tensor.values() } : {}

/** PyTorch's gates r, z, n in Refrain's order z, r, n: [rows, 3U]. */
function swapGates(values: Float64Array, rows: number): Float64Array {
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
