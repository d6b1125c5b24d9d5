/** What layers with a fused kernel share: packed weights, and the gradients of several sources. */
import type { Backend, Kernels } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { allocateTensor, type Tensor } from '../tensor/tensor.ts'

/** For whom weights are packed, as in `lstmPack`: 0 forward only, 1 backward too, 2 with dx. */
export type PackKind = 0 | 1 | 2

/** The values of a recurrent layer's weights. */
export type Weights = readonly [kernel: Tensor, recurrent: Tensor, bias: Tensor | null]

/** How a kernel packs weights. */
export interface Packing {
  /** How many floats that takes. */
  size(backward: number): number
  /** Writes them. */
  pack(packed: Tensor, backward: number): void
}

/** The packing of kernel [I,G·U], recurrent kernel and bias by the kernels of a layer of that kind. */
export function packingBy(
  size: Kernels['lstmPackSize'],
  pack: Kernels['lstmPack'],
  [kernel, recurrent, bias]: Weights,
  units: number,
): Packing {
  const [inputs] = kernel.shape
  return {
    size: (kinds) => size(inputs, units, kinds),
    pack: ({ values }, kinds) =>
      pack(kernel.values, recurrent.values, bias?.values ?? null, values, inputs, units, kinds),
  }
}

/** Weights as a kernel wants them, rearranged again only after they have changed. */
export class PackedWeights {
  #last: { tensor: Tensor; version: number; backend: Backend; backward: number } | null = null

  of(
    { backend }: Context,
    parameters: readonly (Parameter | null)[],
    backward: PackKind,
    { size, pack }: Packing,
  ): Tensor {
    /** Counts changes of the weights. */
    const version = () => parameters.reduce((sum, parameter) => sum + (parameter?.version ?? 0), 0)
    const old = this.#last?.backend === backend ? this.#last : null
    if (old?.version === version()) {
      if (old.backward >= backward) return old.tensor
      // A stream's steps hold views of the old one, which they give up when the version changes.
      parameters[0]!.version++
    }
    // Where the layer stands twice in a graph, one of its inputs may have a gradient and one none.
    const kinds = backward === 0 ? 0 : Math.max(backward, old?.backward ?? 0)
    const floats = size(kinds)
    const fits = old !== null && old.tensor.size >= floats
    const tensor = fits ? old.tensor : allocateTensor(backend.heap, [floats])
    pack(tensor, kinds)
    this.#last = { tensor, version: version(), backend, backward: kinds }
    return tensor
  }
}

/** Adds what a backward pass has left for an initial state to that state's gradient. */
export function giveToState(ctx: Context, state: Tensor | null, gradient: Tensor): void {
  if (!state?.tracked) return
  ctx.kernels.addScaled(gradient.values, ctx.gradientOf(state).values, 1, state.size)
}

/** Why a layer of these activations has no fused path; '' for tanh and sigmoid. */
export function otherActivations(activation: string, recurrentActivation: string): string {
  if (activation === 'tanh' && recurrentActivation === 'sigmoid') return ''
  const pair = `activation '${activation}', recurrentActivation '${recurrentActivation}'`
  return `${pair}: the fused kernel has tanh and sigmoid`
}

/** Why a layer with recurrent dropout has none in training. */
export const droppedState = 'recurrentDropout: the fused kernel has no masks on h'
