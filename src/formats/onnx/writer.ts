/** What writing a layer to ONNX needs: the graph, weights as constants, masks, and shapes that may be open. */
import type { Layer, Shape } from '../../layers/layer.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import type { Problems } from '../problems.ts'
import { GraphBuilder } from './builder.ts'
import { dataTypes } from './proto.ts'

/** Which steps of a sequence count. */
export interface MaskValue {
  /** bool [B,T] */
  readonly valid: string
  /** Whether steps that do not count come last, as the model is exported; false: they come first. */
  readonly padsRight: boolean
}

/** A tensor of the graph, with the batch in front as Refrain has it. */
export interface Value {
  readonly name: string
  readonly shape: Shape
  readonly mask: MaskValue | null
}

/** A length that is wanted: a number, -1 for what is left, or that of an axis, of the input or another value. */
export type Length = number | { readonly axis: number; readonly of?: string }

/** The place where a model is written. */
export class Writer {
  readonly graph = new GraphBuilder()
  readonly problems: Problems
  readonly notes = new Set<string>()
  /** The same sequences with time in front, by name. */
  readonly #timeMajor = new Map<string, string>()
  readonly #weights = new Map<Parameter, Map<string, string>>()
  readonly #derived = new Map<string, string>()

  constructor(problems: Problems) {
    this.problems = problems
  }

  /** Notes that a layer has something that ONNX cannot say. */
  refuse(layer: Layer, what: string): void {
    this.problems.add(`'${layer.name || layer.kind}' (${layer.kind}): ${what}`)
  }

  /** A parameter of a layer by its name; null if it has none of that name. */
  parameter(layer: Layer, name: string): Parameter | null {
    return layer.parameters.find((parameter) => parameter.name === name) ?? null
  }

  /** A layer's weights as a constant: made once, however often the layer is used. */
  constant(
    parameter: Parameter,
    dims: readonly number[] = parameter.shape,
    make: (values: Float32Array) => Float32Array = (values) => values,
    form = '',
  ): string {
    const forms = this.#weights.get(parameter) ?? new Map<string, string>()
    this.#weights.set(parameter, forms)
    const name =
      forms.get(form) ?? this.graph.floats(parameter.path + form, dims, make(valuesOf(parameter)))
    forms.set(form, name)
    return name
  }

  /** A value that is made once for each key. */
  once(key: string, make: () => string): string {
    const name = this.#derived.get(key) ?? make()
    this.#derived.set(key, name)
    return name
  }

  transpose(x: string, perm: readonly number[]): string {
    return perm.every((from, to) => from === to) ? x : this.graph.node('Transpose', [x], { perm })
  }

  /** [B,T,…] → [T,B,…]; what `fromTimeMajor` gave is undone. */
  toTimeMajor({ name, shape }: Value): string {
    const known = this.#timeMajor.get(name)
    return known ?? this.transpose(name, [1, 0, ...shape.slice(2).map((_, i) => i + 2)])
  }

  /** [T,B,U] → [B,T,U] */
  fromTimeMajor(x: string): string {
    const name = this.transpose(x, [1, 0, 2])
    this.#timeMajor.set(name, x)
    return name
  }

  unsqueeze(x: string, ...axes: number[]): string {
    return this.graph.node('Unsqueeze', [x, this.graph.ints(axes)])
  }

  squeeze(x: string, ...axes: number[]): string {
    return this.graph.node('Squeeze', [x, this.graph.ints(axes)])
  }

  /** x in another shape; what can be known is constant. */
  reshape(x: string, lengths: readonly Length[]): string {
    const { graph } = this
    // Reshape's own 0 is the length that stands there.
    const stays = (length: Length, i: number) =>
      typeof length === 'object' && !length.of && length.axis === i
    const fixed = lengths.map((length, i) => {
      if (typeof length === 'number') return length
      return stays(length, i) ? 0 : -1
    })
    if (fixed.filter((length) => length === -1).length <= 1) {
      return graph.node('Reshape', [x, graph.ints(fixed)])
    }
    const parts = lengths.map((length) =>
      typeof length === 'number'
        ? graph.ints([length])
        : this.lengthOf(length.of ?? x, length.axis),
    )
    return graph.node('Reshape', [x, graph.node('Concat', parts, { axis: 0 })])
  }

  /** The length of an axis, int64 [1]. */
  lengthOf(x: string, axis: number): string {
    const { graph } = this
    return this.once(`length ${axis} ${x}`, () =>
      graph.node('Gather', [graph.node('Shape', [x]), graph.ints([axis])]),
    )
  }

  /** x [B,T] or [T,…] with its steps in reversed order. */
  reverse(x: string, axis: number): string {
    const { graph } = this
    const bounds = [[-1], [-(2 ** 31)], [axis], [-1]].map((values) => graph.ints(values))
    return graph.node('Slice', [x, ...bounds])
  }

  /** Which steps count, as numbers 0 and 1: float [B,T]. */
  flags({ valid }: MaskValue): string {
    return this.once(`flags ${valid}`, () =>
      this.graph.node('Cast', [valid], { to: dataTypes.float }),
    )
  }

  /** How many steps count: float [B]. */
  counts(mask: MaskValue): string {
    return this.once(`counts ${mask.valid}`, () =>
      this.graph.node('ReduceSum', [this.flags(mask), this.graph.ints([1])], { keepdims: 0 }),
    )
  }

  /** The same as a recurrent operator's `sequence_lens`: int32 [B]. */
  lengths(mask: MaskValue): string {
    return this.once(`lengths ${mask.valid}`, () =>
      this.graph.node('Cast', [this.counts(mask)], { to: dataTypes.int32 }),
    )
  }

  /** Whether a row has any step that counts: bool [B,1]. */
  any(mask: MaskValue): string {
    return this.once(`any ${mask.valid}`, () =>
      this.unsqueeze(this.graph.node('Greater', [this.counts(mask), this.graph.number(0)]), 1),
    )
  }

  /** `valid` for values of that rank: [B,T,1,…]. */
  spread({ valid }: MaskValue, rank: number): string {
    if (rank === 2) return valid
    const axes = Array.from({ length: rank - 2 }, (_, i) => i + 2)
    return this.once(`${rank} ${valid}`, () => this.unsqueeze(valid, ...axes))
  }

  /** x where steps count, else y. */
  choose(mask: MaskValue | null, rank: number, x: string, y: string): string {
    return mask ? this.graph.node('Where', [this.spread(mask, rank), x, y]) : x
  }

  /** Steps that count in both masks, or in one of them at least. */
  combine(operator: 'And' | 'Or', a: MaskValue | null, b: MaskValue): MaskValue {
    if (!a || a === b) return b
    const valid = this.graph.node(operator, [a.valid, b.valid])
    return { valid, padsRight: a.padsRight && b.padsRight }
  }
}

/** A parameter's weights in single precision. */
export const valuesOf = (parameter: Parameter): Float32Array => {
  const { values } = parameter.value
  return values instanceof Float32Array ? values.slice() : Float32Array.from(values)
}
