/** What recurrent layers do on given data: every gate, state and gradient, at every time step. */
import type { RecurrentStep } from '../tensor/context.ts'
import { type Tensor, tensorOver } from '../tensor/tensor.ts'
import { watchNumerics } from '../train/numerics.ts'
import { type Pass, pathOf } from '../train/watch.ts'
import { checkOptions } from '../util/check.ts'
import type { Model } from './model.ts'
import { observe } from './observe.ts'
import type { ModelData } from './outputs.ts'
import { addTracer } from './tracer.ts'

/** How much of a gate is near its ends, step by step. */
export interface Saturation {
  /** Share of the values below 0.1 (of a candidate, below -0.9), for t from 0. */
  readonly low: Float64Array
  /** Share of the values above 0.9. */
  readonly high: Float64Array
}

/** What `trace` finds out about one pass of a recurrent layer. */
export interface LayerTrace {
  /** The layer's name; of a bidirectional layer 'name/forward' and 'name/backward'. */
  readonly layer: string
  /** [B,T] 1 where a step counts, 0 where it is masked; null: all count. */
  readonly mask: Tensor | null
  /** The states after each step, [B,T,U] each: h, and of an LSTM c. At masked steps those before. */
  readonly states: Readonly<Record<string, Tensor>>
  /**
   * What each gate let through, [B,T,U] each: of an LSTM i, f, g (the candidate) and o, of a GRU z, r
   * and candidate; of cells in a stack 'i.0', 'i.1', …; none of a simple RNN. At masked steps anything.
   */
  readonly gates: Readonly<Record<string, Tensor>>
  /** Of each gate, over the rows that count and all units; 0 at steps that no row has. */
  readonly saturation: Readonly<Record<string, Saturation>>
  /**
   * ‖∂loss/∂h_t‖ and so on for t from 0, as `gradientFlow` has them; null without targets. The last
   * layer's also show where a loss of the last step alone fades.
   */
  readonly gradients: Readonly<Record<string, Float64Array>> | null
}

/** The result of `trace`. */
export interface Trace {
  /** The loss over all rows; null without targets. */
  readonly loss: number | null
  /** What the model predicts for all rows, a tensor for each output. */
  readonly outputs: readonly Tensor[]
  /** In the order in which the layers run. */
  readonly layers: readonly LayerTrace[]
  /** Norms of the weights' gradients by their paths, 'lstm/kernel'; null without targets. */
  readonly weightGradients: Readonly<Record<string, number>> | null
}

/**
 * Records what a model's recurrent layers do on some rows: the activations of every gate, the states,
 * how saturated gates are (Karpathy, Johnson & Li 2015) and, with targets, the norm of the loss's
 * gradient at each time step.
 *
 *     const { layers: [lstm] } = await trace(model, x, y)
 *     lstm.gates.f               // [B,T,U]: the forget gate
 *     lstm.saturation.f.high[t]  // share of it that is open at step t
 *     lstm.gradients.c[t]        // ‖∂loss/∂c_t‖
 *
 * All rows are one batch, padded to the longest, without dropout, from initial states; no weight
 * changes. Layers run step by step, which takes several times as long as a prediction, and everything is
 * kept: choose few rows. `model.trace` is the same.
 *
 * @param y targets as for `fit`; needs a compiled model
 *
 * Throws `NOT_BUILT` for targets before `compile`, and what `fit` does for data that does not fit.
 */
export async function trace(
  model: Model<Tensor | Tensor[]>,
  x: ModelData,
  y?: ModelData,
  options: { sampleWeight?: ModelData } = {},
): Promise<Trace> {
  checkOptions('trace', options, ['sampleWeight'])
  const given = { y, ...options, weightGradients: true }
  return observe('trace', model, x, given, ({ ctx, outputs, loss }) => {
    const wanted = loss === null ? [] : model.parameters.trainable
    const norms = wanted.map(({ parameter }) => {
      const { gradient } = parameter.memory
      const squares = gradient ? ctx.kernels.sumSquares(gradient.values, gradient.size) : 0
      return [parameter.path, Math.sqrt(squares)] as const
    })
    return {
      loss,
      outputs: outputs.map(({ elements, shape }) => tensorOver(elements.slice(), shape)),
      layers: ctx.passes.map((pass) => traceOf(pass, loss !== null)),
      weightGradients: loss === null ? null : Object.fromEntries(norms),
    }
  })
}

addTracer({ trace, watchNumerics })

function traceOf({ layer, stateNames, steps, norms }: Pass, withGradients: boolean): LayerTrace {
  const [{ mask, gates }] = steps
  const gateNames = Object.keys(gates)
  const entries = <T>(names: readonly string[], of: (name: string, i: number) => T) =>
    Object.fromEntries(names.map((name, i) => [name, of(name, i)]))
  const together = entries(gateNames, (name) => joined(steps, (step) => step.gates[name]))
  const flags = mask?.lengths ? mask.valid : null
  return {
    layer: pathOf(layer),
    mask: flags && tensorOver(flags.ints.slice(), flags.shape),
    states: entries(stateNames, (_, i) => joined(steps, ({ states }) => states[i])),
    gates: together,
    saturation: entries(gateNames, (name) =>
      saturationOf(together[name], flags?.ints ?? null, /^(g|candidate)(\.|$)/.test(name)),
    ),
    gradients: withGradients
      ? entries(stateNames, (_, i) => Float64Array.from(norms, (step) => step[i]))
      : null,
  }
}

/** The tensors [B,U] of all steps as one, [B,T,U]. */
function joined(steps: readonly RecurrentStep[], of: (step: RecurrentStep) => Tensor): Tensor {
  const [rows, units] = of(steps[0]).shape
  const first = of(steps[0]).values
  const all = new (first.constructor as typeof Float32Array)(rows * steps.length * units)
  steps.forEach((step, t) => {
    const { values } = of(step)
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * units, (row + 1) * units)
      all.set(own, (row * steps.length + t) * units)
    }
  })
  return tensorOver(all, [rows, steps.length, units])
}

function saturationOf(gate: Tensor, valid: Int32Array | null, candidate: boolean): Saturation {
  const [rows, steps, units] = gate.shape
  const { values } = gate
  const least = candidate ? -0.9 : 0.1
  const [low, high] = [new Float64Array(steps), new Float64Array(steps)]
  for (let t = 0; t < steps; t++) {
    let count = 0
    for (let row = 0; row < rows; row++) {
      const step = row * steps + t
      if (valid && valid[step] === 0) continue
      count += units
      for (let i = step * units; i < (step + 1) * units; i++) {
        if (values[i] < least) low[t]++
        else if (values[i] > 0.9) high[t]++
      }
    }
    low[t] /= Math.max(1, count)
    high[t] /= Math.max(1, count)
  }
  return { low, high }
}
