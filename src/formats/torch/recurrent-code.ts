/** LSTM, GRU and plain RNN as PyTorch's modules, in one direction or both. */
import { Bidirectional } from '../../layers/bidirectional.ts'
import type { LayerConfig } from '../../layers/layer.ts'
import type { Call } from './program.ts'

/** Kinds that are modules of PyTorch's. */
export const recurrentKinds = ['lstm', 'gru', 'simpleRnn']

/** Variants of the cell that `nn.LSTM` does not have. */
const variants = [
  'peephole',
  'coupledGates',
  'cellClip',
  'gateClip',
  'layerNormalization',
  'zoneout',
]

/** What PyTorch's module of a layer does not have. */
function lacking({ kind, options }: LayerConfig): string[] {
  const { activation, recurrentActivation, resetAfter, projection, units } = options
  if (!recurrentKinds.includes(kind)) return [kind]
  const plain = activation === 'tanh' || (kind === 'simpleRnn' && activation === 'relu')
  const gates = recurrentActivation === undefined || recurrentActivation === 'sigmoid'
  return [
    ...(plain ? [] : [`activation '${activation}'`]),
    ...(gates ? [] : [`recurrentActivation '${recurrentActivation}'`]),
    ...(resetAfter === false ? ['resetAfter false'] : []),
    ...(Number(projection ?? 0) >= Number(units) ? ['projection as wide as units'] : []),
    ...['learnInitialState', 'stateful', ...variants].filter((name) => options[name]),
  ]
}

/** `nn.LSTM(…)`, `nn.GRU(…)` or `nn.RNN(…)`. */
function moduleCode({ kind, options }: LayerConfig, features: number, both: boolean): string {
  const { units, useBias, projection, activation } = options
  const name = { lstm: 'LSTM', gru: 'GRU', simpleRnn: 'RNN' }[kind]
  const given = [
    features,
    units,
    ...(activation === 'relu' ? ["nonlinearity='relu'"] : []),
    ...(useBias ? [] : ['bias=False']),
    'batch_first=True',
    ...(both ? ['bidirectional=True'] : []),
    ...(projection ? [`proj_size=${projection}`] : []),
  ]
  return `nn.${name}(${given.join(', ')})`
}

/** What decides a module; both directions must agree in it. */
const decides = ['units', 'useBias', 'projection', 'activation']

/** The code of one call; gives the variables of its outputs. */
export function recurrentCode(call: Call): string[] {
  const { layer, inputs, shapes, variable, fresh, line, refuse } = call
  const both = layer instanceof Bidirectional
  const directions = both ? [layer.forward, layer.backward] : [layer]
  const [config, other = config] = directions.map((one) => one.config)
  const problems = [...new Set([...lacking(config), ...lacking(other)])]
  for (const problem of problems) refuse(problem)
  const { kind, options } = config
  const differs = decides.some((name) => options[name] !== other.options[name])
  if (problems.length === 0 && (kind !== other.kind || differs)) refuse('unlike directions')
  const features = Number(shapes[0].at(-1))
  const module = call.module(moduleCode(config, features, both))

  const isLstm = kind === 'lstm'
  const source = !both && options.goBackwards ? `${inputs[0]}.flip(1)` : inputs[0]
  const stack = (names: readonly string[]) => `torch.stack([${names.join(', ')}])`
  const given = inputs.slice(1)
  const each = isLstm ? 2 : 1
  const states = Array.from({ length: each }, (_, i) =>
    stack(given.filter((_, at) => at % each === i)),
  )
  const start = given.length === 0 ? '' : `, ${isLstm ? `(${states.join(', ')})` : states[0]}`
  const [y, h] = [fresh(), fresh('_h')]
  const c = isLstm ? fresh('_c') : ''
  line(`${y}, ${isLstm ? `(${h}, ${c})` : h} = ${module}(${source}${start})`)

  const sequences = options.returnSequences === true
  const finals = directions.flatMap((_, i) =>
    isLstm ? [`${h}[${i}]`, `${c}[${i}]`] : [`${h}[${i}]`],
  )
  const after = options.returnState ? finals.map((state) => variable(state, '_state')) : []
  if (!both) return [sequences ? y : variable(`${h}[0]`, '_last'), ...after]
  const parts = [0, 1].map((i) => (sequences ? `${y}.chunk(2, -1)[${i}]` : `${h}[${i}]`))
  const outputs = merge(layer.mergeMode, parts)
  const whole = sequences && layer.mergeMode === 'concat'
  return [...(whole ? [y] : outputs.map((output) => variable(output, '_merged'))), ...after]
}

function merge(mode: string, [a, b]: readonly string[]): string[] {
  switch (mode) {
    case 'sum':
      return [`${a} + ${b}`]
    case 'mul':
      return [`${a} * ${b}`]
    case 'ave':
      return [`(${a} + ${b}) / 2`]
    case 'none':
      return [a, b]
    default:
      return [`torch.cat([${a}, ${b}], -1)`]
  }
}
