/** Numbers tokens, which are ranges of code units, without making a string of each. */

/**
 * A hash table with open addressing: numbers 0, 1, … in the order in which tokens first come. A token
 * is found by its 32-bit hash and compared with the units that it had when it came.
 */
export class TokenTable {
  /** The number + 1 of the token whose place this is; 0: free. At most half are taken. */
  #slots = new Int32Array(32768)
  #hashes = new Int32Array(16384)
  /** Where each token's units end. */
  #ends = new Int32Array(16384)
  #units = new Uint16Array(65536)
  #size = 0
  /** Drawn anew, so that nobody can write texts whose tokens all fall on one place. */
  #seed = (Math.random() * 2 ** 32) | 0

  /** Number of tokens. */
  get size(): number {
    return this.#size
  }

  /** The number of the token `units[from]` to `units[to - 1]`; a new one's if `add`, else -1. */
  find(units: Uint16Array, from: number, to: number, add: boolean): number {
    let hash = this.#seed
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ units[i], 0x9e3779b1)
    hash ^= hash >>> 15
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot] - 1
      if (this.#hashes[number] === hash && this.#equals(number, units, from, to)) return number
    }
    return add ? this.#add(units, from, to, hash, slot) : -1
  }

  /** The tokens by number. */
  tokens(): string[] {
    return Array.from({ length: this.#size }, (_, number) => {
      const end = this.#ends[number]
      let token = ''
      // A call with very many arguments would not fit on the stack.
      for (let from = this.#start(number); from < end; from += 8192) {
        const part = this.#units.subarray(from, Math.min(end, from + 8192))
        token += String.fromCharCode.apply(null, part as never)
      }
      return token
    })
  }

  #start(number: number): number {
    return number === 0 ? 0 : this.#ends[number - 1]
  }

  #equals(number: number, units: Uint16Array, from: number, to: number): boolean {
    const start = this.#start(number)
    if (this.#ends[number] - start !== to - from) return false
    const own = this.#units
    for (let i = from, j = start; i < to; i++, j++) if (units[i] !== own[j]) return false
    return true
  }

  #add(units: Uint16Array, from: number, to: number, hash: number, slot: number): number {
    const number = this.#size++
    const start = this.#start(number)
    const end = start + to - from
    if (end > this.#units.length) this.#units = grown(this.#units, 2 * end)
    const own = this.#units
    for (let i = from, j = start; i < to; i++, j++) own[j] = units[i]
    this.#ends[number] = end
    this.#hashes[number] = hash
    this.#slots[slot] = number + 1
    if (this.#size === this.#ends.length) this.#grow()
    return number
  }

  #grow(): void {
    const size = 2 * this.#size
    this.#ends = grown(this.#ends, size)
    this.#hashes = grown(this.#hashes, size)
    this.#slots = new Int32Array(2 * size)
    const mask = this.#slots.length - 1
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#hashes[number] & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = number + 1
    }
  }
}

/** A longer array that begins with these elements. */
export function grown<A extends Int32Array | Uint16Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(length)
  larger.set(array)
  return larger
}
