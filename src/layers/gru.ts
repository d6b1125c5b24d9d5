/**
 * The GRU (Cho et al. 2014), in both forms that Keras has, gates in its order z, r, h. For each step t,
 * with a = x_t·W + b of three parts of U columns each, and R cut likewise:
 *
 *   (1) z_t = σ(a_z + h_{t-1}·R_z)                 how much of the old state to keep
 *   (2) r_t = σ(a_r + h_{t-1}·R_r)                 how much of it the candidate sees
 *   (3) ĥ_t = tanh(a_h + r_t ⊙ (h_{t-1}·R_h))      the candidate, reset after the product (cuDNN's form)
 *   (3') ĥ_t = tanh(a_h + (r_t ⊙ h_{t-1})·R_h)     reset before it (the paper's form)
 *   (4) h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ ĥ_t
 *
 * With `resetAfter` each product has a bias of its own: h_{t-1}·R stands for h_{t-1}·R + b'.
 * PyTorch's `nn.GRU` is (3) with the gates in the order r, z, n.
 *
 * Backwards for (3), with s_h = h_{t-1}·R_h + b'_h, dh_t = ∂loss/∂h_t (from the output and from step t+1)
 * and ds the gradient of h_{t-1}·R + b', da that of x_t·W + b:
 *
 *   (5) da_h = dh_t ⊙ (1 - z_t) ⊙ (1 - ĥ_t²),  ds_h = da_h ⊙ r_t
 *   (6) da_z = ds_z = dh_t ⊙ (h_{t-1} - ĥ_t) ⊙ z_t (1 - z_t)
 *   (7) da_r = ds_r = da_h ⊙ s_h ⊙ r_t (1 - r_t)
 *   (8) dh_{t-1} = dh_t ⊙ z_t + ds·Rᵀ,  dx_t = da·Wᵀ    the first term is the additive path
 *   (9) dW += x_tᵀ·da,  dR += h_{t-1}ᵀ·ds,  db += da,  db' += ds
 *
 * The fused kernels compute (3) for σ = sigmoid and tanh; everything else runs step by step from tensor
 * operations (`composed`), slower, with the same meaning.
 */
import type { Kernels } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import { activate, add, columns, multiply, stepOf, weightedSum } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { CellLayer, type CellOptions, type CellOutputs, cellOptionNames } from './cell-layer.ts'
import { giveToState, otherActivations, type Packing, packingBy } from './fused.ts'
import { layerOptions } from './layer.ts'
import type { SequenceResult } from './recurrent.ts'
import { dropInputs, gateMasks, gateProduct, runSteps } from './steps.ts'

/** Keras 3's options for `GRU`, with its defaults. */
export interface GruOptions extends CellOptions {
  /** Of the gates z and r; default 'sigmoid'. */
  recurrentActivation?: ActivationName
  /** The reset gate acts after the product with h, equation (3); default true. */
  resetAfter?: boolean
}

/** What `apply` returns with `returnState: true`. */
export type GruOutputs = CellOutputs

/** The layer behind `gru`. */
export class Gru<State extends boolean = boolean> extends CellLayer<State> {
  readonly kind = 'gru'
  readonly gates = 3
  readonly recurrentActivation: ActivationName
  readonly resetAfter: boolean

  constructor(options: GruOptions) {
    super('gru', options)
    this.recurrentActivation = checkActivation(
      "gru 'recurrentActivation'",
      options.recurrentActivation ?? 'sigmoid',
    )
    this.resetAfter = options.resetAfter ?? true
  }

  override options() {
    const { recurrentActivation, resetAfter } = this
    return { ...super.options(), recurrentActivation, resetAfter }
  }

  copy(changes: Partial<GruOptions>): Gru {
    const { name, trainable } = this
    const options = this.options() as unknown as GruOptions
    return new Gru({ ...options, name, trainable, ...changes })
  }

  /** With `resetAfter` two biases: the inputs', then the state's. */
  protected override get biasShape() {
    const width = 3 * this.units
    return this.resetAfter ? [2, width] : [width]
  }

  protected get notFused() {
    const other = otherActivations(this.activation, this.recurrentActivation)
    if (other || this.resetAfter) return other
    return 'resetAfter false: the fused kernel resets after the product'
  }

  protected packing({ gruPackSize, gruPack }: Kernels): Packing {
    return packingBy(gruPackSize, gruPack, this.weights, this.units)
  }

  /** Equations (1) to (9) by the fused kernels, all steps of all rows in one call. */
  protected fused(ctx: Context, x: Tensor, h0: Tensor | null, reverse: boolean): SequenceResult {
    const { kernels } = ctx
    const pass = this.begin(ctx, x, h0)
    const { b, t, inputs, units, weights, times, lengths, order, packed } = pass
    const h = ctx.empty([b, t, units])
    const hLast = ctx.empty([b, units])
    const gates = pass.keep ? ctx.empty([b, t, 4 * units]) : null
    const direction = reverse ? 1 : 0
    kernels.gruForward(
      x.values,
      packed.values,
      h0?.values ?? null,
      times?.ints ?? null,
      lengths?.ints ?? null,
      order?.ints ?? null,
      h.values,
      gates?.values ?? null,
      hLast.values,
      b,
      t,
      inputs,
      units,
      direction,
    )
    ctx.recordAll([h, hLast], pass.sources, () => {
      const dh = ctx.hasGradient(h) ? ctx.gradientOf(h) : null
      const dhState = ctx.gradientOf(hLast)
      const scratch = ctx.empty([kernels.gruScratchSize(b, t, inputs, units)])
      const { gradients, adds } = ctx.gradientsOf([x, ...weights])
      const [dx, dKernel, dRecurrent, dBias] = gradients
      kernels.gruBackward(
        x.values,
        packed.values,
        h0?.values ?? null,
        times?.ints ?? null,
        lengths?.ints ?? null,
        order?.ints ?? null,
        h.values,
        gates!.values,
        dh?.values ?? null,
        dhState.values,
        dx?.values ?? null,
        dKernel?.values ?? null,
        dRecurrent?.values ?? null,
        dBias?.values ?? null,
        scratch.values,
        b,
        t,
        inputs,
        units,
        direction,
        adds,
      )
      giveToState(ctx, h0, dhState)
    })
    return { sequence: h, last: hLast, states: [hLast] }
  }

  /** Equations (1) to (4), step by step on the tape. */
  protected composed(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
  ): SequenceResult {
    const [b, , features] = x.shape
    const { units, activation, recurrentActivation, resetAfter } = this
    const [kernel, recurrent, bias] = this.weights
    const [inputBias, stateBias] = this.#biases(ctx, bias)
    // Keras: with recurrent dropout the input, too, has a mask for each gate.
    const perGate = ctx.training && this.recurrentDropout > 0
    const inputMasks = perGate ? gateMasks(ctx, 3, [b, features], this.dropout) : null
    const stateMasks = gateMasks(ctx, 3, [b, units], this.recurrentDropout)
    const source = perGate ? x : dropInputs(ctx, x, this.dropout)
    const fromInput = gateProduct(ctx, kernel, inputBias, inputMasks)(source)
    const part = (all: Tensor, gate: number, count = 1) =>
      columns(ctx, all, gate * units, count * units)
    const fromState = resetAfter
      ? gateProduct(ctx, recurrent, stateBias, stateMasks)
      : gateProduct(ctx, part(recurrent, 0, 2), null, stateMasks?.slice(0, 2) ?? null)
    const toCandidate = resetAfter ? null : gateProduct(ctx, part(recurrent, 2), null, null)
    return runSteps(this, ctx, x, initial, reverse, (time, [h]) => {
      const ofX = stepOf(ctx, fromInput, time)
      const ofH = fromState(h)
      const gate = (i: number) =>
        activate(ctx, recurrentActivation, add(ctx, part(ofX, i), part(ofH, i)))
      const z = gate(0)
      const r = gate(1)
      const seen = stateMasks && toCandidate ? multiply(ctx, h, stateMasks[2]) : h
      const recalled = toCandidate
        ? toCandidate(multiply(ctx, r, seen))
        : multiply(ctx, r, part(ofH, 2))
      const candidate = activate(ctx, activation, add(ctx, part(ofX, 2), recalled))
      const kept = multiply(ctx, z, weightedSum(ctx, [h, candidate], [1, -1]))
      const output = add(ctx, candidate, kept)
      return { output, states: [output], gates: { z, r, candidate } }
    })
  }

  /** The bias of the inputs' product and that of the state's, each [3U]. */
  #biases(ctx: Context, bias: Tensor | null): (Tensor | null)[] {
    if (!bias || !this.resetAfter) return [bias, null]
    const width = 3 * this.units
    const both = bias.view([2 * width])
    return [columns(ctx, both, 0, width), columns(ctx, both, width, width)]
  }
}

const optionNames = [...cellOptionNames, 'recurrentActivation', 'resetAfter']

/**
 * A layer of gated recurrent units: [B,T,I] → [B,U], or [B,T,U] with `returnSequences`. Masked steps
 * carry the state over. Weights: kernel [I,3U], recurrentKernel [U,3U], bias [2,3U] ([3U] without
 * `resetAfter`), gates z, r, h. Keras 3's `GRU`, names and defaults included.
 */
export function gru<const State extends boolean = false>(
  options: GruOptions & { returnState?: State },
): Gru<State> {
  return new Gru(layerOptions('gru', options, optionNames))
}
