/**
 * The simple recurrent network (Elman 1990). For each step t:
 *
 *   (1) h_t = f(x_t·W + h_{t-1}·R + b)
 *
 * and backwards, with dh_t = ∂loss/∂h_t from the output and from step t+1:
 *
 *   (2) da_t = dh_t ⊙ f'(a_t)
 *   (3) dh_{t-1} = da_t·Rᵀ,  dx_t = da_t·Wᵀ
 *   (4) dW += x_tᵀ·da_t,  dR += h_{t-1}ᵀ·da_t,  db += da_t
 *
 * The fused kernels compute this for tanh and relu; any other f, and recurrent dropout, runs step by step
 * from tensor operations (`composed`), slower, with the same meaning.
 *
 * By (2) and (3) a gradient that goes back k steps has passed k products with R and k derivatives that
 * tanh keeps at most 1: it vanishes or explodes (Hochreiter 1991), which the gates of lstm and gru mend.
 */
import type { Kernels } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import { activate, add, stepOf } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { CellLayer, type CellOptions, type CellOutputs, cellOptionNames } from './cell-layer.ts'
import { giveToState, type Packing, packingBy } from './fused.ts'
import { layerOptions } from './layer.ts'
import type { SequenceResult } from './recurrent.ts'
import { dropInputs, gateMasks, gateProduct, runSteps } from './steps.ts'

/** Keras 3's options for `SimpleRNN`, with its defaults. */
export interface SimpleRnnOptions extends CellOptions {}

/** What `apply` returns with `returnState: true`. */
export type SimpleRnnOutputs = CellOutputs

/** The layer behind `simpleRnn`. */
export class SimpleRnn<State extends boolean = boolean> extends CellLayer<State> {
  readonly kind = 'simpleRnn'
  readonly gates = 1

  constructor(options: SimpleRnnOptions) {
    super('simpleRnn', options)
  }

  copy(changes: Partial<SimpleRnnOptions>): SimpleRnn {
    const { name, trainable } = this
    const options = this.options() as unknown as SimpleRnnOptions
    return new SimpleRnn({ ...options, name, trainable, ...changes })
  }

  protected get notFused() {
    const { activation } = this
    if (activation === 'tanh' || activation === 'relu') return ''
    return `activation '${activation}': the fused kernel has tanh and relu`
  }

  protected packing({ rnnPackSize, rnnPack }: Kernels): Packing {
    return packingBy(rnnPackSize, rnnPack, this.weights, this.units)
  }

  /** Equations (1) to (4) by the fused kernels, all steps of all rows in one call. */
  protected fused(ctx: Context, x: Tensor, h0: Tensor | null, reverse: boolean): SequenceResult {
    const { kernels } = ctx
    const pass = this.begin(ctx, x, h0)
    const { b, t, inputs, units, weights, times, lengths, order, packed } = pass
    const h = ctx.empty([b, t, units])
    const hLast = ctx.empty([b, units])
    const relu = this.activation === 'relu' ? 1 : 0
    const direction = reverse ? 1 : 0
    kernels.rnnForward(
      x.values,
      packed.values,
      h0?.values ?? null,
      times?.ints ?? null,
      lengths?.ints ?? null,
      order?.ints ?? null,
      h.values,
      hLast.values,
      b,
      t,
      inputs,
      units,
      direction,
      relu,
    )
    ctx.recordAll([h, hLast], pass.sources, () => {
      const dh = ctx.hasGradient(h) ? ctx.gradientOf(h) : null
      const dhState = ctx.gradientOf(hLast)
      const dz = ctx.empty([b, t, units])
      const scratch = ctx.empty([kernels.rnnScratchSize(b, t, inputs, units)])
      const { gradients, adds } = ctx.gradientsOf([x, ...weights])
      const [dx, dKernel, dRecurrent, dBias] = gradients
      kernels.rnnBackward(
        x.values,
        packed.values,
        h0?.values ?? null,
        times?.ints ?? null,
        lengths?.ints ?? null,
        order?.ints ?? null,
        h.values,
        dz.values,
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
        relu,
        adds,
      )
      giveToState(ctx, h0, dhState)
    })
    return { sequence: h, last: hLast, states: [hLast] }
  }

  /** Equation (1), step by step on the tape. */
  protected composed(
    ctx: Context,
    x: Tensor,
    initial: readonly Tensor[],
    reverse: boolean,
  ): SequenceResult {
    const [b] = x.shape
    const [kernel, recurrent, bias] = this.weights
    const fromInput = gateProduct(ctx, kernel, bias, null)(dropInputs(ctx, x, this.dropout))
    const masks = gateMasks(ctx, 1, [b, this.units], this.recurrentDropout)
    const fromState = gateProduct(ctx, recurrent, null, masks)
    return runSteps(this, ctx, x, initial, reverse, (time, [h]) => {
      const sum = add(ctx, stepOf(ctx, fromInput, time), fromState(h))
      const output = activate(ctx, this.activation, sum)
      return { output, states: [output] }
    })
  }
}

/**
 * A simple recurrent layer: [B,T,I] → [B,U], or [B,T,U] with `returnSequences`. Masked steps carry the
 * state over. Weights: kernel [I,U], recurrentKernel [U,U], bias [U]. Keras 3's `SimpleRNN`, names and
 * defaults included.
 */
export function simpleRnn<const State extends boolean = false>(
  options: SimpleRnnOptions & { returnState?: State },
): SimpleRnn<State> {
  return new SimpleRnn(layerOptions('simpleRnn', options, cellOptionNames))
}
