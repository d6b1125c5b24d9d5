/** The arena: memory that a step takes and gives back. */
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Arena } from './arena.ts'
import { Context } from './context.ts'
import * as ops from './ops.ts'

eachKindOfBackend((backend) => {
  const { heap } = backend

  it('starts over at the same place', () => {
    const arena = new Arena(heap)
    const first = arena.tensor([3, 4])
    first.values.fill(7)
    const place = first.values.byteOffset
    arena.reset()
    const again = arena.tensor([2])
    expect(again.values.byteOffset).toBe(place)
    // Not zeroed: that is what `zeros` of the context is for.
    expect(Array.from(again.values)).toEqual([7, 7])
    const zeros = new Context(backend, arena).zeros([5])
    expect(Array.from(zeros.values)).toEqual([0, 0, 0, 0, 0])
    arena.release()
  })

  it('gives each tensor memory of its own, aligned to 64 bytes', () => {
    const arena = new Arena(heap)
    const tensors = [1, 16, 17, 0, 4000, 3].map((size, i) =>
      arena.tensor([size], i % 2 ? 'int32' : 'float'),
    )
    const viewOf = (i: number) => (i % 2 ? tensors[i].ints : tensors[i].values)
    tensors.forEach((_, i) => {
      viewOf(i).fill(i + 1)
    })
    tensors.forEach(({ size }, i) => {
      expect(viewOf(i).length).toBe(size)
      expect(viewOf(i).every((value) => value === i + 1)).toBe(true)
      expect((viewOf(i).byteOffset - viewOf(0).byteOffset) % 64).toBe(0)
    })
    arena.release()
  })

  it('grows within a step, joins its memory at the next, then stays as it is', () => {
    const arena = new Arena(heap)
    const before = heap.bytesInUse
    const step = (scale: number) => {
      arena.reset()
      const tensors = [10_000, 70_000, 300, 90_000].map((size) => arena.tensor([size * scale]))
      tensors.forEach((tensor, i) => {
        tensor.values.fill(i)
      })
      tensors.forEach((tensor, i) => {
        expect(tensor.values.every((value) => value === i)).toBe(true)
      })
    }
    step(1)
    step(1)
    const held = arena.bytes
    expect(held).toBeGreaterThanOrEqual(170_300 * heap.floatBytes)
    const inUse = heap.bytesInUse
    for (let i = 0; i < 20; i++) step(1)
    expect(arena.bytes).toBe(held)
    expect(heap.bytesInUse).toBe(inUse)
    step(4)
    expect(arena.bytes).toBeGreaterThan(held)
    step(4)
    const more = arena.bytes
    for (let i = 0; i < 20; i++) step(1 + 3 * (i % 2))
    expect(arena.bytes).toBe(more)
    arena.release()
    expect(arena.bytes).toBe(0)
    expect(heap.bytesInUse).toBe(before)
  })

  it('is flat over steps with gradients', () => {
    const arena = new Arena(heap)
    const step = (rows: number) => {
      arena.reset()
      const ctx = new Context(backend, arena, { gradients: true })
      const x = ctx.zeros([rows, 64])
      const kernel = ctx.zeros([64, 64])
      x.tracked = true
      kernel.tracked = true
      let y = x
      for (let i = 0; i < 3; i++) y = ops.activate(ctx, 'tanh', ops.linear(ctx, y, kernel, null))
      ctx.gradientOf(y)
      ctx.backward()
    }
    step(128)
    step(128)
    const [held, inUse] = [arena.bytes, heap.bytesInUse]
    for (let i = 0; i < 50; i++) step(1 + ((i * 37) % 128))
    expect([arena.bytes, heap.bytesInUse]).toEqual([held, inUse])
    arena.release()
  })
})

describe('the context', () => {
  it('numbers its uses of randomness', () => {
    const ctx = new Context({ kernels: {} } as never, {} as never)
    expect([ctx.nextStream(), ctx.nextStream(), ctx.nextStream()]).toEqual([0, 1, 2])
    expect(ctx.random).toEqual({ seed: 0, step: 0 })
    expect(ctx.training).toBe(false)
    expect(ctx.recording).toBe(false)
  })
})
