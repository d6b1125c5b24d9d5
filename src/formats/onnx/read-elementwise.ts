/** Arithmetic, element by element. */
import { combine, type Known } from './arrays.ts'
import { lengths } from './lengths.ts'
import { Unsupported } from './operation.ts'
import type { Dim } from './plan.ts'
import { activated, gated } from './read-activations.ts'
import { ofMasks } from './read-masks.ts'
import { affine, plus } from './read-products.ts'
import { type Operation, only, type Read, type Reader, type Value } from './reader.ts'
import { product, type View, viewOf } from './view.ts'

/** Element by element: of constants at once, of one constant a layer by itself, of outputs a layer that joins. */
export const elementwise =
  (
    operator: 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'average',
    compute: (a: number, b: number) => number,
  ): Read =>
  (reader, inputs, node) => {
    if (inputs.length === 1) return [inputs[0]!]
    const counted = operator === 'multiply' && lengthsMultiplied(inputs)
    if (counted) return [counted]
    const masked = ofMasks(operator, inputs)
    if (masked) return [masked]
    if (inputs.every((x) => x?.kind === 'array')) {
      const parts = inputs as Known[]
      // Lengths and such are divided as whole numbers.
      const whole = operator === 'divide' && parts.every(isWhole)
      const join = (a: Known | null, b: Known) =>
        a && combine(a, b, whole ? (x, y) => Math.trunc(x / y) : compute, reader.budget)
      const result = parts.slice(1).reduce<Known | null>(join, parts[0])
      if (!result) throw new Unsupported('computes with constants that do not fit')
      const count = operator === 'average' ? parts.length : 1
      return [count === 1 ? result : { ...result, data: Array.from(result.data, (v) => v / count) }]
    }
    const at = inputs.findIndex((x) => x?.kind === 'array')
    if (at >= 0) {
      if (inputs.length > 2) throw new Unsupported('computes with more than two values')
      const other = 1 - at
      return [
        withConstant(reader, operator, reader.view(inputs[other]), inputs[at] as Known, at, node),
      ]
    }
    if (operator === 'divide') throw new Unsupported("divides by a layer's output")
    const views = inputs.map((x) => reader.view(x))
    const special = operator === 'multiply' && views.length === 2 && gated(reader, views)
    return [special || merged(reader, operator, views)]
  }

/** Lengths multiplied, such as rows by steps; null if it is not that. */
function lengthsMultiplied(inputs: readonly (Value | null)[]): Value | null {
  if (!inputs.some((x) => x?.kind === 'lengths')) return null
  const each = inputs.map((x) => (x?.kind === 'lengths' ? x.values : [only(x) ?? '']))
  const dims = each.flat()
  if (dims.length !== inputs.length || dims.includes('')) return null
  return lengths([product(dims) ?? dims.join('·')], true)
}

/** Of constants. */
export const squareRoot: Read = (reader, [x]) => {
  const dims = x?.kind === 'lengths' && x.scalar ? [] : null
  const data = Float32Array.from(reader.ints(x, 'what it takes the root of'), Math.sqrt)
  return [{ kind: 'array', dims: dims ?? (x?.kind === 'array' ? x.dims : [data.length]), data }]
}

/** Whether a constant is one of whole numbers, none of single precision. */
const isWhole = ({ data }: Known) =>
  !(data instanceof Float32Array) && Array.prototype.every.call(data, Number.isInteger)

function withConstant(
  reader: Reader,
  operator: string,
  x: View,
  c: Known,
  place: number,
  node: Operation,
): View {
  const mapped = (compute: (v: number) => number) => ({
    ...c,
    data: Float32Array.from(c.data, compute),
  })
  const fuse = reader.fusable(node, 1 - place, x, ['dense', 'conv1d'])
  switch (operator) {
    case 'add':
      return plus(reader, x, c, fuse)
    case 'subtract':
      if (place === 1)
        return plus(
          reader,
          x,
          mapped((v) => -v),
          fuse,
        )
      return affine(
        reader,
        x,
        mapped(() => -1),
        c,
      )
    case 'multiply':
      return affine(reader, x, c, null)
    case 'divide':
      if (place === 1)
        return affine(
          reader,
          x,
          mapped((v) => 1 / v),
          null,
        )
      break
    case 'maximum':
      if (only(c) === 0) return activated(reader, x, 'relu', fuse)
  }
  throw new Unsupported('computes this with a constant')
}

/** A layer that joins outputs, element by element. */
function merged(reader: Reader, operator: string, given: readonly View[]): View {
  const views = given.map((view) => reader.settler.unpick(view))
  const rank = Math.max(...views.map(({ axes }) => axes.length))
  const [first] = views
  const order = (view: View) => view.axes.flat().join()
  const alike = views.every(
    (view) =>
      `${view.parts}` === `${view.out.shape}` &&
      view.axes.length === rank &&
      order(view) === order(first) &&
      view.axes.every((axis) => axis.length === 1),
  )
  if (alike) {
    const out = reader.plan.add(
      operator,
      views.map(({ out }) => out),
      broadcast(views.map(({ out }) => out.shape)),
    )
    return { ...first, out, parts: out.shape }
  }
  const outs = views.map((view) => {
    if (view.axes.length !== rank) throw new Unsupported('joins values of different ranks')
    return reader.settler.settle(view)
  })
  return viewOf(reader.plan.add(operator, outs, broadcast(outs.map(({ shape }) => shape))))
}

function broadcast(shapes: readonly (readonly Dim[])[]): Dim[] {
  return shapes[0].map((_, i) => {
    const long = shapes.map((shape) => shape[i]).filter((dim) => dim !== 1)
    const known = long.find((dim) => typeof dim === 'number')
    if (long.some((dim) => typeof dim === 'number' && dim !== known)) {
      throw new Unsupported('joins values of different shapes')
    }
    return known ?? long[0] ?? 1
  })
}
