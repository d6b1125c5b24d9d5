/** The heap of the wasm backend: blocks of linear memory, first fit, neighbours joined when freed. */
import { RefrainError } from '../../errors.ts'
import type { Block, Heap } from '../kernels.ts'

const alignment = 64
const pageBytes = 65536
/** 4 GiB, what 32-bit addresses reach, less a page so that no end overflows. */
const maximumPages = 65535

interface Hole {
  start: number
  end: number
}

export class WasmHeap implements Heap {
  readonly floatBytes = 4
  bytesInUse = 0
  readonly #memory: WebAssembly.Memory
  /**
   * Buffers of a shared memory. Each is its memory for ever, but the engine makes a new one when the
   * memory has grown, at a moment of its choice.
   */
  readonly #buffers = new WeakSet<ArrayBufferLike>()
  /** Free ranges in ascending order; no two touch. */
  readonly #holes: Hole[] = []

  /** `base`: the first byte that the module does not use itself. */
  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory
    const start = Math.ceil(base / alignment) * alignment
    this.#holes.push({ start, end: memory.buffer.byteLength })
  }

  allocate(bytes: number): Block {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
    let index = this.#holes.findIndex((hole) => hole.end - hole.start >= size)
    if (index < 0) {
      this.#grow(size)
      index = this.#holes.length - 1
    }
    const hole = this.#holes[index]
    const byteOffset = hole.start
    hole.start += size
    if (hole.start === hole.end) this.#holes.splice(index, 1)
    new Uint8Array(this.#memory.buffer, byteOffset, size).fill(0)
    this.bytesInUse += size
    return { byteOffset, byteLength: size }
  }

  free(block: Block): void {
    const start = block.byteOffset
    const end = start + block.byteLength
    let index = this.#holes.findIndex((hole) => hole.start >= end)
    if (index < 0) index = this.#holes.length
    const before = this.#holes[index - 1]
    const after = this.#holes[index]
    if (before && before.end > start) {
      throw new RefrainError('BAD_ARGUMENT', 'heap: a block was freed twice')
    }
    this.bytesInUse -= block.byteLength
    const joinsBefore = before?.end === start
    const joinsAfter = after?.start === end
    if (joinsBefore) before.end = joinsAfter ? after.end : end
    else if (joinsAfter) after.start = start
    else this.#holes.splice(index, 0, { start, end })
    if (joinsBefore && joinsAfter) this.#holes.splice(index, 1)
  }

  /** Whether a view of this buffer is a view of the heap. Growing detaches those of unshared memory. */
  owns(buffer: ArrayBufferLike): boolean {
    return buffer === this.#memory.buffer || this.#buffers.has(buffer)
  }

  floats(block: Block, byteOffset: number, length: number): Float32Array {
    return new Float32Array(this.#buffer(), block.byteOffset + byteOffset, length)
  }

  ints(block: Block, byteOffset: number, length: number): Int32Array {
    return new Int32Array(this.#buffer(), block.byteOffset + byteOffset, length)
  }

  #buffer(): ArrayBuffer {
    const { buffer } = this.#memory
    if (!(buffer instanceof ArrayBuffer)) this.#buffers.add(buffer)
    return buffer
  }

  /** Memory outside of WebAssembly's is out of reach. */
  borrow(): null {
    return null
  }

  /** Makes the last hole at least `size` bytes long, doubling the memory if it may. */
  #grow(size: number): void {
    const end = this.#memory.buffer.byteLength
    const last = this.#holes.at(-1)
    const free = last?.end === end ? end - last.start : 0
    const needed = Math.ceil((size - free) / pageBytes)
    const pages = end / pageBytes
    const doubled = Math.min(Math.max(needed, pages), maximumPages - pages)
    if (!this.#tryGrow(doubled) && !this.#tryGrow(needed)) {
      throw new RefrainError(
        'BACKEND_UNAVAILABLE',
        `wasm: no ${size} bytes left beside the ${this.bytesInUse} in use`,
        'use a smaller batch, shorter sequences or the native backend',
      )
    }
    const newEnd = this.#memory.buffer.byteLength
    if (last && free > 0) last.end = newEnd
    else this.#holes.push({ start: end, end: newEnd })
    // The doubling may have been cut to less than is needed.
    if (doubled < needed) this.#grow(size)
  }

  #tryGrow(pages: number): boolean {
    try {
      this.#memory.grow(pages)
      return pages > 0
    } catch {
      return false
    }
  }
}
