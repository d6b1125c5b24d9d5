/** An ONNX graph while it is written: nodes, constants, and names that are free. */
import { attributeTypes, dataTypes } from './proto.ts'

/** A value of an attribute; whole numbers are ints unless they are given as `{ float }`. */
export type AttributeValue =
  | string
  | number
  | { readonly float: number }
  | readonly string[]
  | readonly number[]
  | { readonly floats: readonly number[] }

/** A dimension of an input or output: a length, or a name for any. */
export type Dimension = number | string

interface Node {
  readonly opType: string
  readonly name: string
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly attribute: readonly object[]
}

const bytesOf = (array: Float32Array | Int32Array | BigInt64Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** Collects a graph. Values are known by their names. */
export class GraphBuilder {
  readonly #nodes: Node[] = []
  readonly #constants = new Map<string, object>()
  readonly #inputs: object[] = []
  readonly #outputs: { name: string; info: object }[] = []
  readonly #taken = new Set<string>()
  readonly #shared = new Map<string, string>()

  /** A name that nothing has yet: this one, or with a number. */
  name(wanted: string): string {
    let name = wanted
    for (let i = 1; this.#taken.has(name); i++) name = `${wanted}_${i}`
    this.#taken.add(name)
    return name
  }

  /** An operator's first output. */
  node(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    place = opType,
  ): string {
    return this.nodes(opType, input, 1, attributes, place)[0]
  }

  /** An operator's outputs. */
  nodes(
    opType: string,
    input: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, AttributeValue>> = {},
    place = opType,
  ): string[] {
    const name = this.name(place)
    const output = Array.from({ length: outputs }, (_, i) => this.name(`${place}:${i}`))
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value))
    this.#nodes.push({ opType, name, input, output, attribute })
    return output
  }

  /** A weight. */
  floats(wanted: string, dims: readonly number[], data: Float32Array): string {
    const name = this.name(wanted)
    this.#constants.set(name, { name, dims, dataType: dataTypes.float, rawData: bytesOf(data) })
    return name
  }

  /** A number, the same constant for all who want it. */
  number(value: number): string {
    return this.#share(`number ${value}`, () =>
      this.floats(`number_${value}`, [], Float32Array.of(value)),
    )
  }

  /** A list of whole numbers, such as axes or a shape: int64, or for ids int32. */
  ints(values: readonly number[], type: 'int64' | 'int32' = 'int64'): string {
    return this.#share(`${type} ${values}`, () => {
      const name = this.name(`${type}_${values.join('_')}`)
      const data = type === 'int64' ? BigInt64Array.from(values, BigInt) : Int32Array.from(values)
      this.#constants.set(name, {
        name,
        dims: [values.length],
        dataType: dataTypes[type],
        rawData: bytesOf(data),
      })
      return name
    })
  }

  #share(key: string, make: () => string): string {
    const name = this.#shared.get(key) ?? make()
    this.#shared.set(key, name)
    return name
  }

  /** Declares an input; gives its name. */
  input(wanted: string, type: 'float' | 'int32', dims: readonly Dimension[]): string {
    const name = this.name(wanted)
    this.#inputs.push(valueInfo(name, dataTypes[type], dims))
    return name
  }

  /** Makes a value an output of this name, or one that is free. */
  output(wanted: string, value: string, dims: readonly Dimension[]): void {
    const name = this.name(wanted)
    this.#nodes.push({
      opType: 'Identity',
      name: this.name(`output ${wanted}`),
      input: [value],
      output: [name],
      attribute: [],
    })
    this.#outputs.push({ name, info: valueInfo(name, dataTypes.float, dims) })
  }

  /** The graph, without what no output depends on. */
  finish(name: string): object {
    const needed = new Set(this.#outputs.map((output) => output.name))
    const nodes: Node[] = []
    for (const node of [...this.#nodes].reverse()) {
      if (!node.output.some((output) => needed.has(output))) continue
      for (const input of node.input) needed.add(input)
      nodes.unshift(node)
    }
    return {
      name,
      node: nodes.map((node) => ({
        ...node,
        output: node.output.map((output) => (needed.has(output) ? output : '')),
      })),
      initializer: [...this.#constants].filter(([key]) => needed.has(key)).map(([, t]) => t),
      input: this.#inputs,
      output: this.#outputs.map(({ info }) => info),
    }
  }
}

function attributeOf(name: string, value: AttributeValue): object {
  const { float, floats, int, ints, text, texts } = attributeTypes
  const encode = (string: string) => new TextEncoder().encode(string)
  if (typeof value === 'string') return { name, type: text, s: encode(value) }
  if (typeof value === 'number') return { name, type: int, i: value }
  if ('float' in value) return { name, type: float, f: value.float }
  if ('floats' in value) return { name, type: floats, floats: value.floats }
  return typeof value[0] === 'string'
    ? { name, type: texts, strings: (value as string[]).map(encode) }
    : { name, type: ints, ints: value }
}

const valueInfo = (name: string, elemType: number, dims: readonly Dimension[]) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: {
        dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })),
      },
    },
  },
})
