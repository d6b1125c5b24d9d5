/** Activations: operators that are one, and products of operators that together are one. */
import type { ActivationName } from '../../layers/activation.ts'
import type { Known } from './arrays.ts'
import { Unsupported } from './operation.ts'
import type { Call, Out } from './plan.ts'
import { affine, refitted } from './read-products.ts'
import { only, type Read, type Reader } from './reader.ts'
import { dimsOf, transposed, type View } from './view.ts'

/** Layers with an activation of their own. */
const fusing = ['dense', 'conv1d', 'conv2d']

const near = (a: number, b: number) => Math.abs(a - b) < 1e-6

/** The layer and input of an activation that stands by itself, if the output is one's. */
function activationOf({ call }: Out): { name: unknown; input: Out } | null {
  return call?.layer.kind === 'activation'
    ? { name: call.layer.options.activation, input: call.inputs[0] }
    : null
}

/** x·sigmoid(x), x·tanh(softplus(x)) and x/2·(1 + erf(x/√2)), which are activations; null if it is none. */
export function gated(reader: Reader, views: readonly View[]): View | null {
  for (const [x, gate] of [views, [...views].reverse()]) {
    const outer = activationOf(gate.out)
    if (outer?.name === 'sigmoid' && outer.input === x.out)
      return activated(reader, x, 'silu', null)
    const inner = outer && activationOf(outer.input)
    if (outer?.name === 'tanh' && inner?.name === 'softplus' && inner.input === x.out) {
      return activated(reader, x, 'mish', null)
    }
    const plusOne = affineOf(gate.out)
    const erf = plusOne?.input.call
    const scaled = erf?.layer.kind === 'erf' ? affineOf(erf.inputs[0]) : null
    const half = affineOf(x.out)
    if (!plusOne || !scaled) continue
    const isErf = plusOne.offset === 1 && plusOne.scale === 1 && near(scaled.scale, Math.SQRT1_2)
    if (isErf && half && half.input === scaled.input && half.scale === 0.5) {
      return activated(reader, { ...x, out: half.input }, 'gelu', null)
    }
    // Older exports: (x·(1 + erf))·0.5, which a product that follows halves.
    if (isErf && scaled.input === x.out) {
      const twice = activated(reader, x, 'gelu', null)
      const two: Known = { kind: 'array', dims: [], data: [2] }
      return affine(reader, twice, two, null)
    }
  }
  return null
}

/** What one number multiplies and adds to an output. */
function affineOf({ call }: Out): { input: Out; scale: number; offset: number } | null {
  if (call?.layer.kind !== 'batchNormalization' || call.layer.options.epsilon !== 0) return null
  const [gamma, beta] = ['gamma', 'beta'].map((name) => call.layer.weights.get(name)!)
  return { input: call.inputs[0], scale: gamma[0], offset: beta[0] }
}

/** An activation as a layer of its own, or as the option of the layer that made x. */
export function activated(reader: Reader, x: View, name: ActivationName, fuse: Call | null): View {
  if (fuse) return refitted(reader, x, fuse, { activation: name }, {}, name)
  const out = reader.settler.once(x.out, `activation ${name}`, () =>
    reader.plan.add('activation', [x.out], x.out.shape, { activation: name }),
  )
  return { ...x, out }
}

/** An operator that is an activation. */
export const activation =
  (name: ActivationName): Read =>
  (reader, [x], node) => {
    const view = reader.view(x)
    return [activated(reader, view, name, reader.fusable(node, 0, view, fusing))]
  }

/** Activations of which one set of numbers is Refrain's. */
export const numbered =
  (
    wanted: readonly [name: ActivationName, ...numbers: number[]][],
    names: readonly [string, number][],
  ): Read =>
  (reader, inputs, node) => {
    const numbers = names.map(([name, otherwise]) => node.attributes.float(name, otherwise))
    const found = wanted.find(([, ...own]) => own.every((number, i) => near(number, numbers[i])))
    if (found) return activation(found[0])(reader, inputs, node)
    throw new Unsupported(`has ${names.map(([name], i) => `${name} ${numbers[i]}`).join(', ')}`)
  }

/** Over one dimension. */
export const softmax =
  (name: 'softmax' | 'logSoftmax'): Read =>
  (reader, [x], node) => {
    const given = reader.view(x)
    const rank = given.axes.length
    const axis = reader.axis(node.attributes.int('axis', reader.opset < 13 ? 1 : -1), rank)
    // Before set 13 all dimensions from the axis on are one.
    const last = axis === rank - 1
    const alone = dimsOf(given).every((dim, i) => i <= axis || dim === 1)
    if (!last && !alone && reader.opset < 13) {
      throw new Unsupported(`is over the dimensions from ${axis} on of ${rank}`)
    }
    const order = [...given.axes.map((_, i) => i).filter((i) => i !== axis), axis]
    const view = reader.features(transposed(given, order))
    const fuse = last ? reader.fusable(node, 0, view, fusing) : null
    return [
      transposed(
        activated(reader, view, name, fuse),
        order.map((_, i) => order.indexOf(i)),
      ),
    ]
  }

/** Limits that are an activation. */
export const clip: Read = (reader, [x, low, high], node) => {
  const { attributes } = node
  const least = low ? only(low) : attributes.float('min', -Infinity)
  const most = high ? only(high) : attributes.float('max', Infinity)
  if (least === 0 && most === 6) return activation('relu6')(reader, [x], node)
  if (least === 0 && (most ?? 0) > 1e38) return activation('relu')(reader, [x], node)
  throw new Unsupported(`limits to ${least} and ${most}`)
}

/** A layer that does not exist, as a mark for what comes of it. */
export const erf: Read = (reader, [x]) => {
  const view = reader.view(x)
  const out = reader.settler.once(view.out, 'erf', () =>
    reader.plan.add('erf', [view.out], view.out.shape),
  )
  return [{ ...view, out }]
}
