/** Keras's activations, initializers, regularizers and constraints in Refrain's words. */
import { show } from '../../errors.ts'
import { activationCodes } from '../../kernels/kernels.ts'
import { initializerConfig, resolveInitializer } from '../../tensor/initializers.ts'
import { isObject } from '../json.ts'

/** recurrent_kernel → recurrentKernel, GlorotUniform → glorotUniform. */
export function camelCase(name: string): string {
  const joined = name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  return joined.charAt(0).toLowerCase() + joined.slice(1)
}

/** recurrentKernel → recurrent_kernel. */
export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The name of what `{ class_name, config }`, or a text, stands for. */
function named(value: unknown): { name: string; config: Record<string, unknown> } | null {
  if (typeof value === 'string') return { name: value, config: {} }
  if (!isObject(value) || typeof value.class_name !== 'string') return null
  // Keras 3 wraps a function's name: { class_name: 'function', config: 'relu' }.
  if (typeof value.config === 'string') return { name: value.config, config: {} }
  return { name: value.class_name, config: isObject(value.config) ? { ...value.config } : {} }
}

const otherNames: Record<string, string> = {
  swish: 'silu',
  leakyReLU: 'leakyRelu',
  reLU: 'relu',
  reLU6: 'relu6',
  eLU: 'elu',
  logSoftmax: 'logSoftmax',
}

/**
 * An activation's name.
 *
 * @param legacy whether Keras 1 or 2 wrote it, whose hard_sigmoid is another function
 * @throws a text that says what is not supported
 */
export function activationOf(value: unknown, legacy: boolean): string {
  if (value === null || value === undefined) return 'linear'
  const found = named(value)
  if (!found) throw `the activation ${show(value)}`
  const plain = camelCase(found.name)
  const name = otherNames[plain] ?? plain
  if (name === 'hardSigmoid' && legacy) return 'hardSigmoidLegacy'
  const known = name === 'softmax' || name === 'logSoftmax' || Object.hasOwn(activationCodes, name)
  // A layer's slope or limit: those that differ from the function's are another function.
  if (!known || name === 'hardSigmoidLegacy' || Object.keys(found.config).some(isSlope)) {
    throw `the activation ${show(found.name)}`
  }
  return name
}

const isSlope = (key: string) => /alpha|slope|max_value|threshold/.test(key)

/** An initializer; undefined for one that does not exist here, where the weights come from the file. */
export function initializerOf(value: unknown): unknown {
  const found = named(value)
  if (!found) return undefined
  const { seed: _, dtype: __, ...config } = found.config
  const options = Object.entries(config).map(([key, one]) => {
    const text = typeof one === 'string' ? camelCase(one) : one
    return [camelCase(key), text === 'normal' ? 'truncatedNormal' : text]
  })
  const name = camelCase(found.name).replace(/^identityInitializer$/, 'identity')
  try {
    return initializerConfig(
      resolveInitializer('', { name, ...Object.fromEntries(options) } as never),
    )
  } catch {
    return undefined
  }
}

/** A regularizer, null for none; undefined for one that does not exist here. */
export function regularizerOf(value: unknown): unknown {
  if (value === null || value === undefined) return null
  const found = named(value)
  const { l1 = 0, l2 = 0 } = found?.config ?? {}
  if (found && /^l1_?l?2?$|^l2$/i.test(found.name)) return { name: 'l1l2', l1, l2 }
  if (found?.name === 'OrthogonalRegularizer') {
    return { name: 'orthogonalRegularizer', ...found.config }
  }
  return undefined
}

/** A constraint, null for none; undefined for one that does not exist here. */
export function constraintOf(value: unknown): unknown {
  if (value === null || value === undefined) return null
  const found = named(value)
  if (!found) return undefined
  const name = camelCase(found.name)
  if (!['maxNorm', 'minMaxNorm', 'nonNeg', 'unitNorm'].includes(name)) return undefined
  const options = Object.entries(found.config).map(([key, one]) => [camelCase(key), one])
  return { name, ...Object.fromEntries(options) }
}
