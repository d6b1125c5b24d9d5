/**
 * The backends that the suites run on, and how a kernel is held to the float64 reference. What the
 * reference itself is worth, `reference.test.ts` says.
 */
import { describe, expect, it } from 'vitest'
import {
  type Argument,
  blank,
  expectClose,
  floatsOut,
  type Random,
  run,
  sums,
  type Tolerance,
} from './kernels.case.ts'
import type { Backend, Kernels } from './kernels.ts'
import { referenceBackend } from './reference.ts'

export const truth = referenceBackend({ float: 'float64' })

/** Each backend, or why it cannot run here. */
const backends: Record<string, Backend | string> = {
  'reference float32': referenceBackend(),
}

/** Runs a suite on each backend; one that this machine lacks shows as skipped, with the reason. */
export function eachBackend(suite: (backend: Backend) => void): void {
  for (const [name, backend] of Object.entries(backends)) {
    if (typeof backend === 'string') it.skip(`${name}: ${backend}`, () => {})
    else describe(name, () => suite(backend))
  }
}

/** One, odd, around the width of every vector unit, and a whole number of vectors. */
export const sizes = [1, 3, 17, 33, 64]
export const flags = [0, 1]

/** What a kernel adds to, or an array that it must overwrite. */
export const start = (random: Random, n: number, accumulate: number) =>
  accumulate ? floatsOut(random.uniform(n)) : blank(n)

/** Runs a kernel on the backend and on the truth, compares all that they write, and returns it. */
export const checkerOf =
  (backend: Backend) =>
  (
    kernel: keyof Kernels,
    args: (Argument | number | null)[],
    tolerance: Tolerance = sums,
    what = args.filter((arg) => typeof arg === 'number').join(' '),
  ): Float64Array[] => {
    const expected = run(truth, kernel, args)
    const actual = run(backend, kernel, args)
    expect(actual.length, 'results').toBe(expected.length)
    expected.forEach((values, i) => {
      expectClose(actual[i], values, tolerance, `${kernel}(${what}) result ${i}`)
    })
    return actual
  }
