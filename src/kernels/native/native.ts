/** The native backend: the Node-API addon of csrc/, for the best instruction set of the machine. */
import { platform } from '#platform'
import { RefrainError } from '../../errors.ts'
import type { Backend, Block, Floats, Heap, Kernels } from '../kernels.ts'
import { checkThreads, defaultThreads } from '../threads.ts'

/** What the addon exports. */
interface Addon {
  /** Instruction sets that run here, best first. */
  variants(): string[]
  create(variant: string): Kernels & { setThreads(count: number): void }
  /** Makes a new buffer ready; bytes by which its memory lies past a multiple of 64. */
  prepare(buffer: ArrayBuffer): number
  /** Gives a buffer's memory back at once. */
  release(buffer: ArrayBuffer): void
}

const alignment = 64

interface NativeBlock extends Block {
  readonly buffer: ArrayBuffer
  /** Where the block begins in the buffer: of allocated ones, at a multiple of 64 in memory. */
  readonly start: number
}

/** Blocks are ArrayBuffers of their own. Freed ones are emptied: the garbage collector would take its time. */
class NativeHeap implements Heap<NativeBlock> {
  readonly floatBytes = 4
  bytesInUse = 0
  readonly #addon: Addon

  constructor(addon: Addon) {
    this.#addon = addon
  }

  allocate(bytes: number): NativeBlock {
    const byteLength = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
    let buffer: ArrayBuffer
    try {
      buffer = new ArrayBuffer(byteLength + alignment)
    } catch (error) {
      throw new RefrainError(
        'BACKEND_UNAVAILABLE',
        `native: no ${byteLength} bytes left beside the ${this.bytesInUse} in use`,
        'use a smaller batch or shorter sequences',
        { cause: error },
      )
    }
    this.bytesInUse += byteLength
    const start = (alignment - this.#addon.prepare(buffer)) % alignment
    return { byteOffset: 0, byteLength, buffer, start }
  }

  free(block: NativeBlock): void {
    this.bytesInUse -= block.byteLength
    this.#addon.release(block.buffer)
  }

  floats(block: NativeBlock, byteOffset: number, length: number): Float32Array {
    return new Float32Array(block.buffer, block.start + byteOffset, length)
  }

  ints(block: NativeBlock, byteOffset: number, length: number): Int32Array {
    return new Int32Array(block.buffer, block.start + byteOffset, length)
  }

  borrow(array: Floats | Int32Array): NativeBlock | null {
    const { buffer, byteOffset, byteLength } = array
    if (array instanceof Float64Array || !(buffer instanceof ArrayBuffer)) return null
    return { byteOffset: 0, byteLength, buffer, start: byteOffset }
  }
}

let loaded: { addon: Addon } | { reason: string } | undefined

function load(): { addon: Addon } | { reason: string } {
  loaded ??= platform.loadAddon() as { addon: Addon } | { reason: string }
  return loaded
}

/** Instruction sets that the addon offers here, best first, or why there is no addon. */
export function nativeVariants(): { variants: string[] } | { reason: string } {
  const result = load()
  return 'addon' in result ? { variants: result.addon.variants() } : result
}

export interface NativeOptions {
  /** avx512, avx2 or baseline. Default: the best that runs here. */
  variant?: string
  /** Default: REFRAIN_THREADS, or one for each core. */
  threads?: number
}

/** Kernels in machine code. Throws BACKEND_UNAVAILABLE where the addon or the variant is missing. */
export function nativeBackend({ variant, threads }: NativeOptions = {}): Backend {
  const result = load()
  if ('reason' in result) {
    throw new RefrainError('BACKEND_UNAVAILABLE', `native: ${result.reason}`)
  }
  const { addon } = result
  const available = addon.variants()
  const chosen = variant ?? available[0]
  if (!available.includes(chosen)) {
    throw new RefrainError(
      'BACKEND_UNAVAILABLE',
      `native:${chosen}: this machine runs ${available.join(', ')}`,
    )
  }
  let count = checkThreads('threads', threads ?? defaultThreads())
  const kernels = addon.create(chosen)
  kernels.setThreads(count)
  return {
    name: 'native',
    variant: chosen,
    kernels,
    heap: new NativeHeap(addon) as Heap as Heap<Block>,
    get threads() {
      return count
    },
    set threads(value: number) {
      count = checkThreads('threads', value)
      kernels.setThreads(count)
    },
  }
}
