/** PyTorch's modules, recognised by the names and shapes of their parameters. */
import type { StateDict } from './state.ts'

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
