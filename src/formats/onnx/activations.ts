/** Activations: as operators, and as the names that ONNX's recurrent operators take. */
import type { ActivationName } from '../../layers/activation.ts'
import type { GraphBuilder } from './builder.ts'

const selu = { alpha: { float: 1.6732632423543772 }, gamma: { float: 1.0507009873554805 } }

/** Operators that are an activation by themselves, with their attributes. */
const activationOperators: Partial<
  Record<ActivationName, readonly [operator: string, attributes: Record<string, { float: number }>]>
> = {
  relu: ['Relu', {}],
  sigmoid: ['Sigmoid', {}],
  tanh: ['Tanh', {}],
  hardSigmoid: ['HardSigmoid', { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }],
  hardSigmoidLegacy: ['HardSigmoid', { alpha: { float: 0.2 }, beta: { float: 0.5 } }],
  elu: ['Elu', { alpha: { float: 1 } }],
  selu: ['Selu', selu],
  softplus: ['Softplus', {}],
  softsign: ['Softsign', {}],
  exponential: ['Exp', {}],
  leakyRelu: ['LeakyRelu', { alpha: { float: 0.2 } }],
  softmax: ['Softmax', {}],
  logSoftmax: ['LogSoftmax', {}],
}

/** The activation of a value. Softmax is over the last dimension. */
export function writeActivation(graph: GraphBuilder, name: ActivationName, x: string): string {
  const own = activationOperators[name]
  if (own) {
    const last: Record<string, number> = /softmax/i.test(name) ? { axis: -1 } : {}
    return graph.node(own[0], [x], { ...own[1], ...last })
  }
  const times = (a: string, b: string) => graph.node('Mul', [a, b])
  switch (name) {
    case 'silu':
      return times(x, graph.node('Sigmoid', [x]))
    case 'mish':
      return times(x, graph.node('Tanh', [graph.node('Softplus', [x])]))
    case 'relu6':
      return graph.node('Clip', [x, graph.number(0), graph.number(6)])
    case 'gelu': {
      // x Φ(x) = x/2 (1 + erf(x/√2))
      const erf = graph.node('Erf', [times(x, graph.number(Math.SQRT1_2))])
      return times(times(x, graph.number(0.5)), graph.node('Add', [erf, graph.number(1)]))
    }
    default:
      return x
  }
}

/** An activation inside a recurrent operator; numbers where its operator takes them. */
export interface RecurrentActivation {
  readonly name: string
  readonly alpha?: number
  readonly beta?: number
}

/** Those that ONNX's recurrent operators have, by Refrain's names. */
export const recurrentActivations: Partial<Record<ActivationName, RecurrentActivation>> = {
  linear: { name: 'Affine', alpha: 1, beta: 0 },
  relu: { name: 'Relu' },
  sigmoid: { name: 'Sigmoid' },
  tanh: { name: 'Tanh' },
  hardSigmoid: { name: 'HardSigmoid', alpha: 1 / 6, beta: 0.5 },
  hardSigmoidLegacy: { name: 'HardSigmoid', alpha: 0.2, beta: 0.5 },
  elu: { name: 'Elu', alpha: 1 },
  leakyRelu: { name: 'LeakyRelu', alpha: 0.2 },
  softplus: { name: 'Softplus' },
  softsign: { name: 'Softsign' },
}

/** ONNX's defaults of alpha and beta, by the names in lower case. */
const defaults: Readonly<Record<string, readonly [alpha?: number, beta?: number]>> = {
  affine: [1, 0],
  leakyrelu: [0.01],
  thresholdedrelu: [1],
  scaledtanh: [1, 1],
  hardsigmoid: [0.2, 0.5],
  elu: [1],
}

/** The attributes that say a recurrent operator's activations, those of all directions in a row. */
export function recurrentAttributes(names: readonly ActivationName[]) {
  const used = names.map((name) => recurrentActivations[name]!)
  const alphas = used.flatMap(({ alpha }) => alpha ?? [])
  const betas = used.flatMap(({ beta }) => beta ?? [])
  return {
    activations: used.map(({ name }) => name),
    ...(alphas.length > 0 && { activation_alpha: { floats: alphas } }),
    ...(betas.length > 0 && { activation_beta: { floats: betas } }),
  }
}

/**
 * The same read: Refrain's names, null for one that it does not have. `alphas` and `betas` are in the order of
 * the activations that take them, as ONNX Runtime reads them.
 */
export function readActivations(
  activations: readonly string[],
  alphas: readonly number[],
  betas: readonly number[],
): (ActivationName | null)[] {
  let [a, b] = [0, 0]
  return activations.map((activation) => {
    const wanted = activation.toLowerCase()
    const [defaultAlpha, defaultBeta] = defaults[wanted] ?? []
    const alpha = defaultAlpha === undefined ? undefined : (alphas[a++] ?? defaultAlpha)
    const beta = defaultBeta === undefined ? undefined : (betas[b++] ?? defaultBeta)
    const near = (x?: number, y?: number) =>
      x === y || (x !== undefined && y !== undefined && Math.abs(x - y) < 1e-6)
    const found = Object.entries(recurrentActivations).find(
      ([, one]) =>
        one.name.toLowerCase() === wanted && near(one.alpha, alpha) && near(one.beta, beta),
    )
    return (found?.[0] as ActivationName) ?? null
  })
}
