/**
 * The backends that the suites run on, and how a kernel is held to the float64 reference. What the
 * reference itself is worth, `reference.test.ts` says.
 */
import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import {
  type Argument,
  blank,
  exact,
  expectClose,
  floatsOut,
  type Random,
  run,
  sums,
  type Tolerance,
} from './kernels.case.ts'
import type { Backend, Kernels } from './kernels.ts'
import { nativeBackend, nativeVariants } from './native/native.ts'
import { referenceBackend } from './reference.ts'
import { wasmVariants } from './wasm/module.ts'
import { threadedWasm } from './wasm/threads.case.ts'
import { whyNoWasm } from './wasm/wasm.ts'

export const truth = referenceBackend({ float: 'float64' })

/** Each backend, or why it cannot run here. */
const backends: Record<string, Backend | string> = { 'reference float32': referenceBackend() }

const native = nativeVariants()
if ('reason' in native) backends.native = native.reason
else {
  // More threads than one, so that work is split wherever the backend thinks it worthwhile.
  for (const variant of native.variants) {
    backends[`native ${variant}`] = nativeBackend({ variant, threads: 2 })
  }
}
// Node 20 has relaxed SIMD behind a flag.
if (whyNoWasm('relaxed')) setFlagsFromString('--experimental-wasm-relaxed-simd')
for (const variant of wasmVariants) {
  backends[`wasm ${variant}`] = whyNoWasm(variant) ?? (await threadedWasm({ variant, threads: 3 }))
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

/** Calls `f` with 1, 2 and 3 threads; all that it gives must be the same bits. */
export function expectSameBits(backend: Backend, f: () => Record<string, Float64Array>): void {
  const before = backend.threads
  try {
    backend.threads = 1
    const one = f()
    for (const threads of [2, 3]) {
      backend.threads = threads
      const several = f()
      for (const name of Object.keys(one)) {
        expectClose(several[name], one[name], exact, `${name}, ${threads} threads`)
      }
    }
  } finally {
    backend.threads = before
  }
}
