/**
 * The LSTM's equations (1) to (6) of `lstm.ts`, step by step from tensor operations, with what the
 * fused kernel has not. p, α, β are weights; LN(v) = (v - mean v) / √(variance v + ε).
 *
 *   peephole            z_i += p_i ⊙ c_{t-1},  z_f += p_f ⊙ c_{t-1},  z_o += p_o ⊙ c_t
 *   coupledGates        f_t = 1 - i_t
 *   gateClip            z = min(max(z, -limit), limit) where it goes into (1) to (4)
 *   cellClip            c_t = min(max(c_t, -limit), limit), at the end of (5)
 *   layerNormalization  z = α_x ⊙ LN(x_t·W) + α_h ⊙ LN(h_{t-1}·R) + b, each LN over all gates' columns;
 *                       in (6) α_c ⊙ LN(c_t) + β_c for c_t, which itself stays as it is
 *   projection          h_t = (o_t ⊙ tanh(c_t))·P
 *   zoneout             at last c_t and h_t keep each element of the step before with the rate as
 *                       probability; outside of training they are the expectation. h_t is of the
 *                       cell before zoneout.
 */
import type { Context } from '../tensor/context.ts'
import { normalizeRows } from '../tensor/normalize.ts'
import {
  activate,
  add,
  columns,
  dropoutMask,
  linear,
  multiply,
  stepOf,
  weightedSum,
} from '../tensor/ops.ts'
import { clip, repeatRows } from '../tensor/row-ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { ActivationName } from './activation.ts'
import type { SequenceResult } from './recurrent.ts'
import { dropInputs, gateMasks, gateProduct, runSteps } from './steps.ts'

/** ε of layer normalisation, as of Keras's `LayerNormalization`. */
const epsilon = 1e-3

/** The weights of an LSTM with G gates of U units, H being the projection or U. */
export interface LstmWeights {
  /** [I,GU] */
  readonly kernel: Tensor
  /** [H,GU] */
  readonly recurrentKernel: Tensor
  /** [GU] */
  readonly bias: Tensor | null
  /** [U,H] */
  readonly projectionKernel?: Tensor
  /** [(G-1)U], gates i, f, o; coupled: i, o */
  readonly peepholeKernel?: Tensor
  /** [GU] each */
  readonly inputGain?: Tensor
  readonly recurrentGain?: Tensor
  /** [U] each */
  readonly cellGain?: Tensor
  readonly cellBias?: Tensor
}

/** What an LSTM computes, the weights apart. */
export interface LstmMath {
  readonly units: number
  readonly activation: ActivationName
  readonly recurrentActivation: ActivationName
  readonly dropout: number
  readonly recurrentDropout: number
  readonly coupledGates: boolean
  readonly cellClip: number | null
  readonly gateClip: number | null
  readonly zoneout: { readonly h: number; readonly c: number }
}

/** All steps of a layer over x [B,T,I] from the initial states h [B,H] and c [B,U]. */
export function lstmSteps(
  layer: LstmMath,
  ctx: Context,
  x: Tensor,
  initial: readonly Tensor[],
  reverse: boolean,
  weights: LstmWeights,
): SequenceResult {
  const { units, activation, recurrentActivation, coupledGates, zoneout } = layer
  const { cellGain, cellBias, projectionKernel } = weights
  const [b] = x.shape
  const sums = gateSums(ctx, x, weights, layer)
  const [i_, f_, g_, o_] = coupledGates ? [0, -1, 1, 2] : [0, 1, 2, 3]
  const peephole = peepholes(ctx, weights, units, b)
  const ones = coupledGates ? ctx.empty([b, units]) : null
  if (ones) ctx.kernels.fill(ones.values, 1, ones.size)

  const limit = (v: Tensor, most: number | null) => (most === null ? v : clip(ctx, v, -most, most))

  return runSteps(layer, ctx, x, initial, reverse, (time, [h, c]) => {
    const z = sums(time, h)
    const part = (gate: number) => columns(ctx, z, gate * units, units)
    const gate = (sum: Tensor) => activate(ctx, recurrentActivation, limit(sum, layer.gateClip))
    const i = gate(peephole(part(i_), c, 0))
    const f = ones ? weightedSum(ctx, [ones, i], [1, -1]) : gate(peephole(part(f_), c, 1))
    const g = activate(ctx, activation, limit(part(g_), layer.gateClip))
    const sum = add(ctx, multiply(ctx, f, c), multiply(ctx, i, g))
    const cell = limit(sum, layer.cellClip)
    const o = gate(peephole(part(o_), cell, ones ? 1 : 2))
    const seen = cellGain ? normalizeRows(ctx, cell, cellGain, cellBias ?? null, epsilon) : cell
    const wide = multiply(ctx, o, activate(ctx, activation, seen))
    const shown = projectionKernel ? linear(ctx, wide, projectionKernel, null) : wide
    const output = zoneOut(ctx, shown, h, zoneout.h)
    const states = [output, zoneOut(ctx, cell, c, zoneout.c)]
    return { output, states, gates: { i, f, g, o } }
  })
}

/** The gates' sums z of a step from h; x's share of all steps is computed at once. */
function gateSums(
  ctx: Context,
  x: Tensor,
  { kernel, recurrentKernel, bias, inputGain, recurrentGain }: LstmWeights,
  { dropout, recurrentDropout, coupledGates }: LstmMath,
): (time: number, h: Tensor) => Tensor {
  const [b, , features] = x.shape
  const gates = coupledGates ? 3 : 4
  // Keras: with recurrent dropout the input, too, has a mask for each gate.
  const perGate = ctx.training && recurrentDropout > 0
  const inputMasks = perGate ? gateMasks(ctx, gates, [b, features], dropout) : null
  const stateMasks = gateMasks(ctx, gates, [b, recurrentKernel.shape[0]], recurrentDropout)
  const source = perGate ? x : dropInputs(ctx, x, dropout)
  const fromState = gateProduct(ctx, recurrentKernel, null, stateMasks)
  if (!inputGain || !recurrentGain) {
    const fromInput = gateProduct(ctx, kernel, bias, inputMasks)(source)
    return (time, h) => add(ctx, stepOf(ctx, fromInput, time), fromState(h))
  }
  const sums = gateProduct(ctx, kernel, null, inputMasks)(source)
  const fromInput = normalizeRows(ctx, sums, inputGain, bias, epsilon)
  return (time, h) => {
    const normalized = normalizeRows(ctx, fromState(h), recurrentGain, null, epsilon)
    return add(ctx, stepOf(ctx, fromInput, time), normalized)
  }
}

/** (sum, cell, place) ↦ sum + p ⊙ cell, p being the place-th part of the peephole's weights. */
function peepholes(
  ctx: Context,
  { peepholeKernel }: LstmWeights,
  units: number,
  rows: number,
): (sum: Tensor, cell: Tensor, place: number) => Tensor {
  if (!peepholeKernel) return (sum) => sum
  const all = repeatRows(ctx, peepholeKernel, rows)
  const parts = Array.from({ length: peepholeKernel.size / units }, (_, place) =>
    columns(ctx, all, place * units, units),
  )
  return (sum, cell, place) => add(ctx, sum, multiply(ctx, parts[place], cell))
}

/** The value before instead of the new one, element by element, with probability `rate`. */
function zoneOut(ctx: Context, now: Tensor, before: Tensor, rate: number): Tensor {
  if (rate === 0) return now
  if (!ctx.training) return weightedSum(ctx, [before, now], [rate, 1 - rate])
  // The mask is 0 or 1 / (1 - rate).
  const mask = dropoutMask(ctx, now.shape, rate, ctx.nextFreshStream())
  const change = weightedSum(ctx, [now, before], [1 - rate, rate - 1])
  return add(ctx, before, multiply(ctx, change, mask))
}
