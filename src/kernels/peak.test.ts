import { describe, expect, it } from 'vitest'
import { checkerOf, eachBackend, expectSameBits } from './backends.case.ts'
import { floats, Random, run } from './kernels.case.ts'
import { measurePeak } from './peak.ts'
import { referenceBackend } from './reference.ts'

describe('the reference', () => {
  it('does as many multiply-adds on as many numbers as it says', () => {
    const { kernels } = referenceBackend()
    const sum = (191 * 192) / 2
    expect(kernels.peakMultiplyAdd(1, 0, 7, 1)).toBe(sum)
    expect(kernels.peakMultiplyAdd(1, 1, 7, 1)).toBe(sum + 7 * 192)
    expect(kernels.peakMultiplyAdd(2, 0, 3, 5)).toBe(8 * 5 * sum)
  })
})

eachBackend((backend) => {
  const check = checkerOf(backend)

  it('peakMultiplyAdd', () => {
    for (const [rounds, tasks] of [
      [0, 1],
      [1, 2],
      [3, 3],
      [50, 1],
    ]) {
      check('peakMultiplyAdd', [0.75, 0.5, rounds, tasks])
    }
    // Enough for threads to share.
    check('peakMultiplyAdd', [0.5, 1, 5000, 4])
  })

  it('peakRead', () => {
    const random = new Random(1)
    for (const n of [0, 1, 5, 127, 1000, 40_000, 400_001]) {
      check('peakRead', [floats(random.uniform(n, 0, 1)), n])
    }
  })

  it('the number of threads changes nothing', () => {
    const x = floats(new Random(2).uniform(400_001))
    expectSameBits(backend, () => ({
      adds: run(backend, 'peakMultiplyAdd', [0.75, 0.5, 3000, 5])[0],
      read: run(backend, 'peakRead', [x, 400_001])[0],
    }))
  })

  it('measurePeak gives numbers and takes nothing for good', () => {
    const before = backend.heap.bytesInUse
    const peak = measurePeak(backend, { milliseconds: 1 })
    expect(peak.threads).toBe(backend.threads)
    for (const value of [peak.gflops, peak.gflopsOneThread, peak.gigabytesPerSecond]) {
      expect(value).toBeGreaterThan(0)
      expect(value).toBeLessThan(1e6)
    }
    expect(backend.heap.bytesInUse).toBe(before)
  })
})

it('measurePeak refuses what it does not know', () => {
  expect(() => measurePeak(undefined, { millis: 3 } as never)).toThrow(
    "measurePeak: unknown option 'millis'",
  )
})
