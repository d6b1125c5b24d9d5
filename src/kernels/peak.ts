/** The machine's peak, measured with the backend's own instructions and threads. */
import { checkNumber, checkOptions } from '../util/check.ts'
import { defaultBackend } from './backend.ts'
import type { Backend, Floats } from './kernels.ts'

/** What `measurePeak` found. */
export interface MeasuredPeak {
  /** Threads of the backend, all of which `gflops` and `gigabytesPerSecond` are of. */
  threads: number
  /** 10⁹ floating-point operations a second; a multiply-add is two. */
  gflops: number
  gflopsOneThread: number
  /** 10⁹ bytes a second read from an array much larger than the processor's caches. */
  gigabytesPerSecond: number
}

/** Numbers that a task of `peakMultiplyAdd` works on. */
const elements = 192
/** Larger than the last-level cache of most machines; plain loops are slower than any memory. */
const readBytes = { native: 2 ** 27, wasm: 2 ** 26, reference: 2 ** 25 }
/** A call shorter than this measures the start of threads, too. */
const callMilliseconds = 4

/**
 * Measures what the machine computes and reads at most with a backend: independent multiply-adds in
 * registers, and a sum over an array in memory. The best of many calls counts.
 *
 * @param backend default: the one in use
 * @param options.milliseconds time for each of the three measurements; default 80
 */
export function measurePeak(
  backend: Backend = defaultBackend(),
  options: { milliseconds?: number } = {},
): MeasuredPeak {
  checkOptions('measurePeak', options, ['milliseconds'])
  const milliseconds = checkNumber(
    "measurePeak 'milliseconds'",
    options.milliseconds ?? 80,
    0,
    60_000,
  )
  const { kernels, heap, threads } = backend
  const multiplyAdds = (tasks: number): number => {
    // Starts at numbers that stay finite: x · 0.5 + 1 tends to 2.
    const call = (rounds: number) => timed(() => kernels.peakMultiplyAdd(0.5, 1, rounds, tasks))
    let rounds = 1024
    while (call(rounds) < callMilliseconds && rounds < 2 ** 28) rounds *= 2
    return (2 * elements * rounds * tasks) / best(milliseconds, () => call(rounds)) / 1e6
  }
  const one = multiplyAdds(1)
  const all = threads > 1 ? multiplyAdds(threads) : one

  const bytes = readBytes[backend.name]
  const block = heap.allocate(bytes)
  try {
    const length = bytes / heap.floatBytes
    const x: Floats = heap.floats(block, 0, length)
    // Memory never written may stand for one page of zeros, which the cache holds.
    kernels.fill(x, 1, length)
    const fastest = best(milliseconds, () => timed(() => kernels.peakRead(x, length)))
    return {
      threads,
      gflops: all,
      gflopsOneThread: one,
      gigabytesPerSecond: bytes / fastest / 1e6,
    }
  } finally {
    heap.free(block)
  }
}

/** Milliseconds that a call takes; never 0, however coarse the clock. */
function timed(call: () => number): number {
  const start = performance.now()
  call()
  return Math.max(performance.now() - start, 1e-3)
}

/** The shortest of the calls that fit into the time, at least three. */
function best(milliseconds: number, call: () => number): number {
  const end = performance.now() + milliseconds
  let fastest = Number.POSITIVE_INFINITY
  for (let calls = 0; calls < 3 || performance.now() < end; calls++) {
    fastest = Math.min(fastest, call())
  }
  return fastest
}
