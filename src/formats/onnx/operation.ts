/** What an operator of a file is read with. */
import type { AttributeProto, NodeProto } from './proto.ts'
import { attributeTypes } from './proto.ts'

/** Why an operator cannot be read; becomes one of the problems that are reported together. */
export class Unsupported extends Error {}

/** A node's attributes, each asked for by its type. */
export class Attributes {
  readonly #all: ReadonlyMap<string, AttributeProto>

  constructor({ attribute }: NodeProto) {
    this.#all = new Map(attribute.map((one) => [one.name, one]))
  }

  #find(name: string, type: number): AttributeProto | null {
    const found = this.#all.get(name)
    return found && (found.type === type || found.type === 0) ? found : null
  }

  has(name: string): boolean {
    return this.#all.has(name)
  }

  int(name: string, otherwise: number): number {
    return this.#find(name, attributeTypes.int)?.i ?? otherwise
  }

  float(name: string, otherwise: number): number {
    return this.#find(name, attributeTypes.float)?.f ?? otherwise
  }

  text(name: string, otherwise: string): string {
    const found = this.#find(name, attributeTypes.text)
    return found ? new TextDecoder().decode(found.s) : otherwise
  }

  ints(name: string): readonly number[] | null {
    return this.#find(name, attributeTypes.ints)?.ints ?? null
  }

  floats(name: string): readonly number[] {
    return this.#find(name, attributeTypes.floats)?.floats ?? []
  }

  texts(name: string): readonly string[] | null {
    const found = this.#find(name, attributeTypes.texts)
    return found?.strings.map((text) => new TextDecoder().decode(text)) ?? null
  }

  tensor(name: string) {
    return this.#find(name, attributeTypes.tensor)?.t ?? null
  }
}
