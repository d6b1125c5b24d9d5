/**
 * The reference backend: every kernel as plain loops that read like its definition. It is the truth
 * that the fast backends are held to, the fallback where neither of them runs, and, in float64, the
 * ground for finite-difference checks. Sums are taken in double precision and rounded when stored.
 */
import { RefrainError } from '../errors.ts'
import type { Backend, Block, Floats, Heap, Kernels } from './kernels.ts'
import { activationKernels } from './reference/activations.ts'
import { arrayKernels } from './reference/arrays.ts'
import { crfKernels } from './reference/crf.ts'
import { gruKernels } from './reference/gru.ts'
import { lossKernels } from './reference/losses.ts'
import { lstmKernels } from './reference/lstm.ts'
import { normalizationKernels } from './reference/normalization.ts'
import { optimizerKernels } from './reference/optimizers.ts'
import { patchKernels } from './reference/patches.ts'
import { peakKernels } from './reference/peak.ts'
import { rnnKernels } from './reference/rnn.ts'
import { sequenceKernels } from './reference/sequences.ts'

/** A buffer of its own for each block. */
interface BufferBlock extends Block {
  readonly buffer: ArrayBuffer
}

class BufferHeap implements Heap<BufferBlock> {
  readonly floatBytes: 4 | 8
  bytesInUse = 0
  private readonly live = new Set<BufferBlock>()

  constructor(floatBytes: 4 | 8) {
    this.floatBytes = floatBytes
  }

  allocate(bytes: number): BufferBlock {
    let buffer: ArrayBuffer
    try {
      buffer = new ArrayBuffer(bytes)
    } catch (cause) {
      throw new RefrainError(
        'BACKEND_UNAVAILABLE',
        `reference: no ${bytes} bytes left beside the ${this.bytesInUse} in use`,
        'use a smaller batch or shorter sequences',
        { cause },
      )
    }
    const block = { buffer, byteOffset: 0, byteLength: bytes }
    this.live.add(block)
    this.bytesInUse += bytes
    return block
  }

  free(block: BufferBlock): void {
    if (!this.live.delete(block)) throw new Error('free: this block is not allocated')
    this.bytesInUse -= block.byteLength
  }

  floats(block: BufferBlock, byteOffset: number, length: number): Float32Array | Float64Array {
    const Floats = this.floatBytes === 8 ? Float64Array : Float32Array
    return new Floats(block.buffer, block.byteOffset + byteOffset, length)
  }

  ints(block: BufferBlock, byteOffset: number, length: number): Int32Array {
    return new Int32Array(block.buffer, block.byteOffset + byteOffset, length)
  }

  borrow(array: Floats | Int32Array): BufferBlock | null {
    const { buffer, byteOffset, byteLength } = array
    const fits = array instanceof Int32Array || array.BYTES_PER_ELEMENT === this.floatBytes
    return fits && buffer instanceof ArrayBuffer ? { buffer, byteOffset, byteLength } : null
  }
}

const kernels: Kernels = {
  ...arrayKernels,
  ...activationKernels,
  ...sequenceKernels,
  ...patchKernels,
  ...lstmKernels,
  ...gruKernels,
  ...rnnKernels,
  ...lossKernels,
  ...normalizationKernels,
  ...crfKernels,
  ...optimizerKernels,
  ...peakKernels,
}

/**
 * The reference backend: plain loops, with floats of 4 bytes or, for checking, of 8. Always one thread.
 * Bundles for pages leave it out unless they ask for it: `setBackend(referenceBackend())` makes a model
 * run, slowly, in a browser without SIMD in WebAssembly.
 */
export function referenceBackend({
  float = 'float32',
}: {
  float?: 'float32' | 'float64'
} = {}): Backend {
  return {
    name: 'reference',
    variant: float,
    kernels,
    heap: new BufferHeap(float === 'float64' ? 8 : 4),
    get threads() {
      return 1
    },
    set threads(_count) {},
  }
}
