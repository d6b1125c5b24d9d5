/**
 * Values of a model as a graph of ONNX sees them. A graph has its dimensions in any order, split and joined; layers
 * have the batch in front and the features last. So a view remembers which dimensions of a layer's output it
 * shows in what order, and only an operation that cannot do with that makes a layer which rearranges numbers.
 */
import type { Budget } from './arrays.ts'
import { Unsupported } from './operation.ts'
import type { Dim, Out, Plan } from './plan.ts'

/** A view of a layer's output. */
export interface View {
  readonly kind: 'view'
  readonly out: Out
  /** The output's dimensions, some of them split in parts: [B,T,2U] as [B,T,2,U]. */
  readonly parts: readonly Dim[]
  /** What each dimension of the view is: parts, in order, joined; none: of length 1. */
  readonly axes: readonly (readonly number[])[]
  /** Of parts of which one index is seen: that index. */
  readonly picks: ReadonlyMap<number, number>
}

/** Lengths of sequences, shapes and such: numbers of which some are open. */
export interface Lengths {
  readonly kind: 'lengths'
  readonly values: readonly Dim[]
  readonly scalar: boolean
}

/** All of an output, as it is. */
export const viewOf = (out: Out, axes = out.shape.map((_, i) => [i])): View => ({
  kind: 'view',
  out,
  parts: out.shape,
  axes,
  picks: new Map(),
})

/** Numbers and names multiplied; null if it is more than a number and one name. */
export function product(dims: readonly Dim[]): Dim | null {
  const names = dims.filter((dim) => typeof dim === 'string')
  const number = dims.reduce<number>((all, dim) => (typeof dim === 'number' ? all * dim : all), 1)
  if (names.length === 0) return number
  return names.length === 1 && number === 1 ? names[0] : null
}

/** The lengths of a view's dimensions; composite ones have names of their own. */
export const dimsOf = ({ axes, parts }: View): Dim[] =>
  axes.map((axis) => {
    const own = axis.map((part) => parts[part])
    return product(own) ?? own.join('·')
  })

/** The view with its dimensions in another order. */
export const transposed = (view: View, perm: readonly number[]): View => ({
  ...view,
  axes: perm.map((from) => view.axes[from]),
})

/** The order of the view's dimensions that has the batch first, the others as they are. */
export function batchFirst({ axes }: View): number[] {
  const batch = axes.findIndex((axis) => axis[0] === 0)
  const rest = axes.map((_, i) => i).filter((i) => i !== batch)
  return batch < 0 ? rest : [batch, ...rest]
}

/** The view without its dimensions at these places, which are of length 1. */
export function squeezed(view: View, places: readonly number[]): View {
  const dims = dimsOf(view)
  const wrong = places.find((place) => dims[place] !== 1)
  if (wrong !== undefined) throw new Unsupported(`squeezes a dimension of length ${dims[wrong]}`)
  const gone = places.flatMap((place) => view.axes[place])
  const renumber = (part: number) => part - gone.filter((one) => one < part).length
  return {
    ...view,
    parts: view.parts.filter((_, part) => !gone.includes(part)),
    axes: view.axes.filter((_, i) => !places.includes(i)).map((axis) => axis.map(renumber)),
    picks: new Map([...view.picks].map(([part, index]) => [renumber(part), index])),
  }
}

/** The view with further dimensions of length 1, at these places of the result. */
export function unsqueezed(view: View, places: readonly number[]): View {
  const axes: (readonly number[])[] = [...view.axes]
  for (const place of [...places].sort((a, b) => a - b)) axes.splice(place, 0, [])
  return { ...view, axes }
}

/** The view in another shape; -1 for what is left. Numbers stay in their order. */
export function reshaped(view: View, target: readonly Dim[], batch: number | null = null): View {
  const flat = view.axes.flat()
  let { parts } = view
  const renumber = (list: number[], at: number) => list.map((part) => (part > at ? part + 1 : part))
  const axes: number[][] = target.map(() => [])
  const equal = (a: Dim, b: Dim) => a === b || (batch !== null && a === 'batch' && b === batch)
  const nameOf = (some: readonly number[]) => some.map((part) => parts[part]).join('·')
  /** Gives parts from one end to a dimension of the target. */
  const fill = (place: number, fromEnd: boolean) => {
    const wanted = target[place]
    const next = () => (fromEnd ? flat.at(-1) : flat[0])
    if (wanted === 1) {
      const part = next()
      if (part !== undefined && equal(parts[part], 1)) axes[place] = [part]
    } else if (typeof wanted === 'string' || equal('batch', wanted)) {
      const count = fromEnd ? -1 : [2, 3].find((n) => nameOf(flat.slice(0, n)) === wanted)
      if (count !== undefined && count > 0) {
        axes[place] = flat.splice(0, count)
        return
      }
      const part = next()
      if (part === undefined || !equal(parts[part], wanted)) throw misfit()
      axes[place] = [part]
    } else {
      let rest = wanted
      while (rest > 1 || (rest === 1 && next() !== undefined && parts[next()!] === 1)) {
        const part = next()
        const length = part === undefined ? '' : parts[part]
        if (part === undefined || typeof length === 'string') throw misfit()
        if (rest % length !== 0) {
          if (length % rest !== 0) throw misfit()
          // Split it, the other part staying for the next dimension.
          const sizes = fromEnd ? [length / rest, rest] : [rest, length / rest]
          parts = [...parts.slice(0, part), ...sizes, ...parts.slice(part + 1)]
          const others = renumber(flat.splice(0), part)
          const at = others.indexOf(part)
          others.splice(at, 1, part, part + 1)
          flat.push(...others)
          axes.forEach((axis, i) => {
            axes[i] = renumber(axis, part)
          })
          continue
        }
        axes[place] = fromEnd ? [part, ...axes[place]] : [...axes[place], part]
        if (fromEnd) flat.pop()
        else flat.shift()
        rest /= length
        if (length === 1 && rest === 1) break
      }
      return
    }
    if (axes[place].length > 0) {
      if (fromEnd) flat.pop()
      else flat.shift()
    }
  }
  const misfit = () =>
    new Unsupported(`reshapes [${dimsOf(view).join(', ')}] to [${target.join(', ')}]`)
  if (view.picks.size > 0 && parts !== view.parts) throw misfit()
  const free = target.indexOf(-1)
  const front = free < 0 ? target.length : free
  for (let place = 0; place < front; place++) fill(place, false)
  for (let place = target.length - 1; place > front; place--) fill(place, true)
  if (free >= 0) axes[free] = flat.splice(0)
  // Parts of length 1 that are left belong to the last dimension, wherever that is.
  if (flat.some((part) => parts[part] !== 1)) throw misfit()
  if (view.picks.size > 0 && parts.length !== view.parts.length) throw misfit()
  return { ...view, parts, axes }
}

/** Whether the view's last dimension is the output's. */
export function endsWithFeatures({ out, parts, axes, picks }: View): boolean {
  const last = axes.at(-1) ?? []
  const from = parts.length - last.length
  if (last.length === 0 || last.some((part, i) => part !== from + i)) return false
  if ([...picks.keys()].some((part) => part >= from)) return false
  return product(last.map((part) => parts[part])) === out.shape.at(-1)
}

/** The view of an output that a layer made of this view's output, features of another width in place of its own. */
export function withOutput(view: View, out: Out): View {
  const last = view.axes.at(-1)!
  const parts = [...view.parts.slice(0, view.parts.length - last.length), out.shape.at(-1)!]
  return { ...view, out, parts, axes: [...view.axes.slice(0, -1), [parts.length - 1]] }
}

const same = (a: readonly unknown[], b: readonly unknown[]) =>
  a.length === b.length && a.every((value, i) => value === b[i])

/** Makes outputs that are what views show. */
export class Settler {
  readonly #plan: Plan
  readonly #budget: Budget
  readonly #made = new Map<string, Out>()
  readonly #numbers = new Map<Out, number>()

  constructor(plan: Plan, budget: Budget) {
    this.#plan = plan
    this.#budget = budget
  }

  /** A layer's output once for each input and purpose: the steps of an unrolled loop share theirs. */
  once(out: Out, purpose: string, make: () => Out): Out {
    const number = this.#numbers.get(out) ?? this.#numbers.size
    this.#numbers.set(out, number)
    const key = `${number} ${purpose}`
    const made = this.#made.get(key) ?? make()
    this.#made.set(key, made)
    return made
  }

  /** The output that shows the view as it is, the batch in front. */
  settle(given: View): Out {
    const view = this.unpick(given)
    const flat = view.axes.flat()
    if (flat[0] !== 0 || view.axes[0].length !== 1) {
      throw new Unsupported('has its batch in another place than the first')
    }
    let { out } = view
    if (!flat.every((part, i) => part === i)) {
      out = this.#reshape(out, view.parts)
      out = this.permute(out, flat)
    }
    return this.#reshape(out, dimsOf(view))
  }

  /** out with its dimensions in another order, the batch staying. */
  permute(out: Out, order: readonly number[]): Out {
    if (order.every((from, to) => from === to)) return out
    const shape = order.map((from) => out.shape[from])
    return this.once(out, `permute ${order}`, () =>
      this.#plan.add('permute', [out], shape, { dims: order.slice(1) }),
    )
  }

  #reshape(out: Out, shape: readonly Dim[]): Out {
    if (same(out.shape, shape)) return out
    const open = shape.slice(1).filter((dim) => typeof dim === 'string').length
    if (open > 1) throw new Unsupported(`reshapes to [${shape.join(', ')}], of which much is open`)
    const targetShape = shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : -1))
    if (targetShape.length === 0) throw new Unsupported('leaves nothing but the batch')
    return this.once(out, `reshape ${shape}`, () =>
      this.#plan.add('reshape', [out], shape, { targetShape }),
    )
  }

  /** The view without picks. */
  unpick(view: View): View {
    let now = view
    while (now.picks.size > 0) {
      const [[part, index]] = now.picks
      now = this.#unpickOne(now, part, index)
    }
    return now
  }

  #unpickOne(view: View, part: number, index: number): View {
    const { out, parts, axes } = view
    if (part === 0) throw new Unsupported('takes rows out of the batch')
    const rest = new Map(
      [...view.picks]
        .filter(([other]) => other !== part)
        .map(([other, at]) => [other > part ? other - 1 : other, at]),
    )
    const left = {
      ...view,
      parts: parts.filter((_, i) => i !== part),
      axes: axes.map((axis) => axis.map((one) => (one > part ? one - 1 : one))),
      picks: rest,
    }
    const side = this.#direction(view, part, index)
    if (side) return { ...left, out: side }
    const whole = same(parts.slice(0, part + 1), out.shape.slice(0, part + 1))
    if (whole && part === 1 && out.shape.length === 3) {
      const step = this.step(out, index) ?? this.#edge(out, index)
      if (step) return { ...left, out: step }
    }
    const split = this.#reshape(out, parts)
    const one = this.select(split, part, [index])
    const shape = one.shape.filter((_, i) => i !== part)
    return { ...left, out: this.#reshape(one, shape), parts: shape }
  }

  /** One direction of a bidirectional layer's output, if the pick is that. */
  #direction({ out, parts, picks }: View, part: number, index: number): Out | null {
    const { call, role, shape } = out
    const rank = shape.length
    if (call?.layer.kind !== 'bidirectional' || part !== rank - 1 || parts.length !== rank + 1) {
      return null
    }
    if (!['steps', 'last'].includes(role) || parts[part] !== 2 || picks.has(part + 1)) return null
    const side = index === 0 ? 'forward' : 'backward'
    const own = [...shape.slice(0, -1), parts[part + 1]]
    return this.#plan.output(call, `${side} ${role as 'steps' | 'last'}`, own)
  }

  /** A step of a sequence [B,T,F] as a layer gives it: the last output of a recurrent one; null if none does. */
  step(out: Out, index: number): Out | null {
    const { call, role, shape } = out
    if (!call) return null
    const [batch, steps, width] = shape
    const isLast = index === -1 || index === (steps as number) - 1
    const last = (name: 'last' | 'forward last' | 'backward last') =>
      this.#plan.output(call, name, [batch, width])
    if (role === 'steps' && isLast && !call.masked && call.layer.kind !== 'bidirectional') {
      return last('last')
    }
    if (role === 'held' && isLast) return last('last')
    if (role === 'timed' && index === 0) return last('last')
    if (role === 'forward steps' && isLast && !call.masked) return last('forward last')
    if (role === 'backward steps' && index === 0) return last('backward last')
    if (role !== 'output' || !stepwise(call.layer)) return null
    const before = this.step(call.inputs[0], index)
    return (
      before &&
      this.once(out, `step ${index}`, () =>
        this.#plan.output(this.#plan.call(call.layer, [before]), 'output', [batch, width]),
      )
    )
  }

  /** The first or last step of a sequence of open length: what a recurrent layer that forgets all ends with. */
  #edge(out: Out, index: number): Out | null {
    const [, steps, width] = out.shape
    if (typeof steps === 'number' || typeof width !== 'number' || index > 0 || index < -1)
      return null
    return this.once(out, `edge ${index}`, () => this.#recurrent(out, index === 0, false))
  }

  /** The sum of a sequence's steps, [B,F] of [B,T,F]: what a recurrent layer that only adds ends with. */
  total(out: Out): Out {
    return this.once(out, 'total', () => this.#recurrent(out, false, true))
  }

  /** The last output of a recurrent layer that hands its input on, added to its state or in its place. */
  #recurrent(out: Out, goBackwards: boolean, adds: boolean): Out {
    const [batch, , width] = out.shape
    if (typeof width !== 'number') throw new Unsupported('computes with features of open length')
    const kernel = new Float32Array(this.#budget.take(width * width))
    for (let i = 0; i < width; i++) kernel[i * width + i] = 1
    const recurrentKernel = adds
      ? kernel.slice()
      : new Float32Array(this.#budget.take(width * width))
    const layer = {
      kind: 'simpleRnn',
      name: '',
      options: {
        units: width,
        activation: 'linear',
        useBias: false,
        trainable: false,
        ...(goBackwards && { goBackwards: true }),
      },
      weights: new Map(Object.entries({ kernel, recurrentKernel })),
    }
    return this.#plan.output(this.#plan.call(layer, [out]), 'last', [batch, width])
  }

  /** The places `indices` of a dimension: a product with ones and zeros. */
  select(out: Out, axis: number, indices: readonly number[]): Out {
    const length = out.shape[axis]
    if (typeof length !== 'number') {
      throw new Unsupported('takes steps of a sequence of open length by their numbers')
    }
    return this.once(out, `select ${axis} ${indices}`, () => {
      const rank = out.shape.length
      const order = [...out.shape.map((_, i) => i).filter((i) => i !== axis), axis]
      const turned = this.permute(out, order)
      const kernel = new Float32Array(this.#budget.take(length * indices.length))
      indices.forEach((index, column) => {
        kernel[(index < 0 ? index + length : index) * indices.length + column] = 1
      })
      const shape = [...turned.shape.slice(0, -1), indices.length]
      const options = { units: indices.length, useBias: false, trainable: false }
      const chosen = this.#plan.add('dense', [turned], shape, options, { kernel })
      const back = Array.from({ length: rank }, (_, i) => order.indexOf(i))
      return this.permute(chosen, back)
    })
  }
}

/** Whether a layer does the same to each step, and to a single one. */
function stepwise({ kind, options }: { kind: string; options: Record<string, unknown> }): boolean {
  if (kind.endsWith('Normalization')) return options.axis === -1
  return kind === 'dense' || kind === 'activation'
}
