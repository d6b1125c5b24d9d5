/**
 * Recurrence from tensor operations, a step after the other: what layers and cells share that no fused
 * kernel serves. Every step is on the tape, so gradients come by themselves.
 */
import type { Context } from '../tensor/context.ts'
import {
  add,
  columns,
  concatenate,
  dropoutMask,
  linear,
  multiply,
  scaleRepeated,
  stackSteps,
} from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { SequenceResult } from './recurrent.ts'

/** What one step gives: the output [B,U] and the states after it. */
export interface StepOutput {
  readonly output: Tensor
  readonly states: readonly Tensor[]
  /** Gates [B,U] by name, in the order in which they are computed, for who looks on. */
  readonly gates?: Readonly<Record<string, Tensor>>
}

/**
 * Runs `step` of a layer for each time index of x [B,T,…], from the last with `reverse`. Where a step is masked,
 * states stay as they were and the output is the one before; `before` is that of the first step's, zeros
 * if null.
 */
export function runSteps(
  layer: object,
  ctx: Context,
  x: Tensor,
  initial: readonly Tensor[],
  reverse: boolean,
  step: (time: number, states: readonly Tensor[]) => StepOutput,
  before: Tensor | null = null,
): SequenceResult {
  const [, steps] = x.shape
  const outputs: Tensor[] = new Array(steps)
  let states = initial
  let last = before
  let gates: StepOutput['gates'] = {}
  for (let s = 0; s < steps; s++) {
    const time = reverse ? steps - 1 - s : s
    const now = step(time, states)
    const same = now.states.indexOf(now.output)
    const keep = keeper(ctx, x, time)
    states = now.states.map((state, i) => keep(state, states[i]))
    last = same >= 0 ? states[same] : keep(now.output, last)
    outputs[time] = last
    gates = now.gates
    ctx.onStep?.(layer, time, { states, gates: gates ?? {}, mask: x.mask })
  }
  return { sequence: stackSteps(ctx, outputs), last: last!, states: [...states], gates }
}

/** Gives new values where step `time` counts, old ones (zeros if null) where it is masked. */
function keeper(ctx: Context, x: Tensor, time: number) {
  const { mask } = x
  if (!mask?.lengths) return (now: Tensor, _old: Tensor | null) => now
  const { rows, steps, valid } = mask
  const flagsOf = (wanted: number) => {
    const flags = ctx.empty([rows, 1])
    ctx.perform(() => {
      const { values } = flags
      const flagged = valid.ints
      for (let b = 0; b < rows; b++) values[b] = flagged[b * steps + time] === wanted ? 1 : 0
    })
    return flags
  }
  const counts = flagsOf(1)
  const masked = flagsOf(0)
  return (now: Tensor, old: Tensor | null) => {
    const size = [rows, now.shape[1], 1] as const
    const fresh = scaleRepeated(ctx, now, counts, size)
    return old ? add(ctx, fresh, scaleRepeated(ctx, old, masked, size)) : fresh
  }
}

/** x [B,T,I] under a dropout mask [B,I], the same for all steps; x itself when not training. */
export function dropInputs(ctx: Context, x: Tensor, rate: number): Tensor {
  if (!ctx.training || rate === 0) return x
  const [b, t, features] = x.shape
  const mask = dropoutMask(ctx, [b, features], rate)
  const dropped = scaleRepeated(ctx, x, mask, [b, t, features])
  dropped.mask = x.mask
  return dropped
}

/** A dropout mask [B,width] for each gate, the same for all steps; null when not training. */
export function gateMasks(
  ctx: Context,
  gates: number,
  [rows, width]: readonly [number, number],
  rate: number,
): Tensor[] | null {
  if (!ctx.training || rate === 0) return null
  return Array.from({ length: gates }, () => dropoutMask(ctx, [rows, width], rate))
}

/**
 * v ↦ v·w + bias, w being the weights of gates side by side: v [B,K] or [B,T,K], under each gate's own
 * mask where there are masks. Weights are cut into gates once for all steps.
 */
export function gateProduct(
  ctx: Context,
  w: Tensor,
  bias: Tensor | null,
  masks: readonly Tensor[] | null,
): (v: Tensor) => Tensor {
  if (!masks) return (v) => linear(ctx, v, w, bias)
  const width = w.shape[1] / masks.length
  const ofGate = (all: Tensor, gate: number) => columns(ctx, all, gate * width, width)
  const gates = masks.map((mask, gate) => ({
    mask,
    weights: ofGate(w, gate),
    bias: bias && ofGate(bias, gate),
  }))
  const masked = (v: Tensor, mask: Tensor) => {
    if (v.shape.length === 2) return multiply(ctx, v, mask)
    const [b, t, k] = v.shape
    return scaleRepeated(ctx, v, mask, [b, t, k])
  }
  return (v) =>
    concatenate(
      ctx,
      gates.map(({ mask, weights, bias }) => linear(ctx, masked(v, mask), weights, bias)),
    )
}
