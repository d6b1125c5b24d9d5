/** What the operators of a file are read with: the values so far, the plan, and what they have in common. */
import type { Budget, Known } from './arrays.ts'
import { type Attributes, Unsupported } from './operation.ts'
import type { Call, Dim, Out, Plan } from './plan.ts'
import type { NodeProto } from './proto.ts'
import {
  batchFirst,
  endsWithFeatures,
  type Lengths,
  Settler,
  squeezed,
  transposed,
  unsqueezed,
  type View,
  viewOf,
} from './view.ts'

/** Which steps count, computed from ids or features: in one of the forms that lead to `sequence_lens`. */
export interface MaskFlags {
  readonly kind: 'mask'
  /** The ids, or the sequence whose features are compared. */
  readonly source: Out
  readonly value: number
  /**
   * 'equal': each number is `value`; 'masked': the step does not count; 'valid': it does; 'counts': how many do in a
   * row; 'any': whether any does.
   */
  readonly form: 'equal' | 'masked' | 'valid' | 'counts' | 'any'
}

/** A sequence where steps count, a number where they do not. */
export interface Chosen {
  readonly kind: 'chosen'
  readonly view: View
  readonly otherwise: number
  readonly flags: MaskFlags
}

/** The sum of the steps that count, before it is divided by their number. */
export interface MaskedSum {
  readonly kind: 'sum'
  readonly mean: View
  readonly flags: MaskFlags
}

/** Views beside each other along a dimension of length 1 of each. */
export interface Stack {
  readonly kind: 'stack'
  readonly views: readonly View[]
  readonly axis: number
}

/** A value of the graph; 'unknown' behind an operator that could not be read. */
export type Value =
  | Known
  | Lengths
  | View
  | MaskFlags
  | Chosen
  | MaskedSum
  | Stack
  | { readonly kind: 'unknown' }

/** An operator: its outputs, of its inputs; null for those that are left out. */
export type Read = (reader: Reader, inputs: readonly (Value | null)[], node: Operation) => Value[]

/** A node and its attributes. */
export interface Operation {
  readonly node: NodeProto
  readonly attributes: Attributes
}

/** The one number of a constant; null if it has several, or is none. */
export const only = (x: Value | null | undefined): number | null =>
  x?.kind === 'array' && x.data.length === 1 ? x.data[0] : null

/** Reads operators into a plan. */
export class Reader {
  readonly plan: Plan
  readonly settler: Settler
  readonly budget: Budget
  readonly opset: number
  /** The batch's size, if the file has one. */
  readonly batch: number | null
  /** How often each value is used. */
  readonly uses: ReadonlyMap<string, number>
  /** Whether lengths of rows are an input. */
  ragged = false
  readonly #numbers = new Map<ArrayLike<number>, number>()

  constructor(given: Pick<Reader, 'plan' | 'budget' | 'opset' | 'batch' | 'uses'>) {
    this.plan = given.plan
    this.budget = given.budget
    this.opset = given.opset
    this.batch = given.batch
    this.uses = given.uses
    this.settler = new Settler(given.plan, given.budget)
  }

  /** A value that must be a constant. */
  known(value: Value | null | undefined, what: string): Known {
    if (value?.kind === 'array' && !value.spread) return value
    throw new Unsupported(`${what} is not a constant`)
  }

  /** The elements of a constant that must have so many. */
  vector(value: Value | null | undefined, length: Dim | undefined): ArrayLike<number> {
    const { data } = this.known(value, 'a weight')
    if (data.length === length) return data
    throw new Unsupported(`has ${data.length} weights for ${length}`)
  }

  /** A number for a constant: the same for each use of it. */
  identify(data: ArrayLike<number>): number {
    const number = this.#numbers.get(data) ?? this.#numbers.size
    this.#numbers.set(data, number)
    return number
  }

  /** A value that must be one of the model's. */
  view(value: Value | null | undefined): View {
    if (value?.kind === 'view') return value
    if (value?.kind === 'stack') return this.#join(value)
    throw new Unsupported(
      `takes ${value ? 'a constant or a shape' : 'nothing'} where a layer's output should be`,
    )
  }

  /** Outputs beside each other, along a dimension behind the batch. */
  #join({ views, axis }: Stack): View {
    const each = views.map((view) => squeezed(this.settler.unpick(view), [axis]))
    const order = batchFirst(each[0])
    const outs = each.map((view) => {
      const out = this.settler.settle(transposed(view, order))
      const [batch, ...rest] = out.shape
      return this.settler.settle({ ...unsqueezed(viewOf(out), [1]), parts: [batch, ...rest] })
    })
    const [batch, , ...rest] = outs[0].shape
    const joined = this.plan.add('concatenate', outs, [batch, outs.length, ...rest], { axis: 1 })
    const axes = order.map((_, place) => {
      const at = order.indexOf(place)
      return [at === 0 ? 0 : at + 1]
    })
    axes.splice(axis, 0, [1])
    return viewOf(joined, axes)
  }

  /** Whole numbers: of a constant, or of lengths that are all known. */
  ints(value: Value | null | undefined, what: string): number[] {
    if (value?.kind === 'lengths') {
      const numbers = value.values.filter((dim) => typeof dim === 'number')
      if (numbers.length === value.values.length) return numbers
    }
    return Array.from(this.known(value, what).data)
  }

  /** Lengths, open ones among them. */
  dims(value: Value | null | undefined, what: string): Dim[] {
    return value?.kind === 'lengths' ? [...value.values] : this.ints(value, what)
  }

  /** The axes of an operator: an attribute in old files, an input in newer ones. */
  axes({ attributes }: Operation, input: Value | null | undefined, rank: number): number[] | null {
    const given = attributes.ints('axes') ?? (input ? this.ints(input, 'its axes') : null)
    return given?.map((axis) => this.axis(axis, rank)) ?? null
  }

  /** An axis counted from the front. */
  axis(given: number, rank: number): number {
    const axis = given < 0 ? given + rank : given
    if (Number.isInteger(axis) && axis >= 0 && axis < rank) return axis
    throw new Unsupported(`has the axis ${given} of ${rank}`)
  }

  /** A view whose last dimension are its output's features. */
  features(view: View): View {
    return endsWithFeatures(view) ? view : viewOf(this.settler.settle(view))
  }

  /** Of a value that only this node uses: the layer that made all of it, if that has no activation yet. */
  fusable({ node }: Operation, place: number, view: View, kinds: readonly string[]): Call | null {
    const { call, role } = view.out
    const single = this.uses.get(node.input[place]) === 1
    if (!single || role !== 'output' || !call || !kinds.includes(call.layer.kind)) return null
    return call.layer.options.activation === undefined ? call : null
  }
}
