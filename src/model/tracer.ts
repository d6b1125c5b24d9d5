/**
 * Where `model.trace` and `debugNumerics` find their code. Pages that use neither do without it: it is
 * in a bundle only if something imports `trace`, as the library as a whole does in Node.
 */
import { notInBundle } from '../errors.ts'
import type { watchNumerics } from '../train/numerics.ts'
import type { trace } from './trace.ts'

interface Tracer {
  readonly trace: typeof trace
  readonly watchNumerics: typeof watchNumerics
}

let known: Tracer | null = null

/** Makes the code known. */
export function addTracer(tracer: Tracer): void {
  known = tracer
}

/** The code; throws `UNSUPPORTED` in a bundle without it. */
export function tracerFor(what: string): Tracer {
  return known ?? notInBundle(what, 'trace', ', as in trace(model, x, y)')
}
