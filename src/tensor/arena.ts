import type { Block, Floats, Heap } from '../kernels/kernels.ts'
import { sizeOf } from '../util/check.ts'
import { type DType, disownBlock, ownBlock, Tensor } from './tensor.ts'

const alignment = 64
const smallestChunk = 1 << 16

/**
 * Memory for one training or prediction step: taken by moving an offset, given back all at once.
 * A step that needs more than there is gets further chunks; the next reset joins them into one, so
 * that after the largest batch has been seen nothing is allocated any more. Memory is not zeroed.
 */
export class Arena {
  readonly #heap: Heap
  #chunks: Block[] = []
  #owners: object[] = []
  #offset = 0

  constructor(heap: Heap) {
    this.#heap = heap
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  }

  /** An uninitialised tensor that lives until `reset`. */
  tensor(shape: readonly number[], dtype: DType = 'float'): Tensor {
    const bytes = sizeOf(shape) * (dtype === 'float' ? this.#heap.floatBytes : 4)
    const padded = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
    let chunk = this.#chunks.at(-1)
    if (!chunk || this.#offset + padded > chunk.byteLength) {
      chunk = this.#grow(Math.max(padded, this.bytes, smallestChunk))
      this.#offset = 0
    }
    const tensor = new Tensor(this.#heap, chunk, this.#offset, shape, dtype)
    this.#offset += padded
    return tensor
  }

  /** Elements of an array from `start` on as a tensor, where kernels can read them in place. */
  borrow(
    array: Floats | Int32Array,
    start: number,
    shape: readonly number[],
    dtype: DType,
  ): Tensor | null {
    const block = this.#heap.borrow(array)
    return block && new Tensor(this.#heap, block, start * array.BYTES_PER_ELEMENT, shape, dtype)
  }

  /** Ends the life of every tensor made since the last reset. */
  reset(): void {
    if (this.#chunks.length > 1) {
      const total = this.bytes
      this.release()
      this.#grow(total)
    }
    this.#offset = 0
  }

  /** Gives all memory back. */
  release(): void {
    for (const chunk of this.#chunks) this.#heap.free(chunk)
    for (const owner of this.#owners) disownBlock(owner)
    this.#chunks = []
    this.#owners = []
    this.#offset = 0
  }

  #grow(bytes: number): Block {
    const block = this.#heap.allocate(bytes)
    // The registry holds `owner`'s block until the arena itself is collected.
    const owner = { arena: this }
    ownBlock(owner, this.#heap, block)
    this.#owners.push(owner)
    this.#chunks.push(block)
    return block
  }
}
