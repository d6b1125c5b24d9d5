/** A context that looks on at one pass: what every layer computes, and the gradients on the way back. */
import { Layer } from '../layers/layer.ts'
import { Context, type RecurrentStep } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A value that a layer has computed. */
export interface Sight {
  readonly layer: Layer
  /** A gate, a state or, with the name '', an output. */
  readonly kind: 'gate' | 'state' | 'output'
  readonly name: string
  /** Of gates and states, which are [B,U] each; outputs have all steps in one. */
  readonly t: number | null
  readonly tensor: Tensor
}

/** One pass of a recurrent layer over a batch. */
export interface Pass {
  readonly layer: Layer
  readonly stateNames: readonly string[]
  /** By time index. */
  readonly steps: RecurrentStep[]
  /** ‖∂loss/∂state‖ by time index and state; 0 until the way back. */
  readonly norms: number[][]
}

/** A gradient that the way back has met. */
export interface SeenGradient {
  readonly sight: Sight
  readonly gradient: Tensor
}

/** Recurrent layers run step by step in it; all values stay in the arena until its next reset. */
export class WatchingContext extends Context {
  /** In the order in which layers begin. */
  readonly passes: Pass[] = []
  /** In the order of computation. */
  readonly sights: Sight[] = []
  /** Gradients of states and outputs in the order of the way back, up to the first that is not finite. */
  readonly wayBack: SeenGradient[] = []
  /** That one, and its first element that is not finite. */
  badGradient: (SeenGradient & { readonly index: number }) | null = null
  #owner: object | string = ''

  override within<T>(owner: object | string, work: () => T): T {
    const before = this.#owner
    this.#owner = owner
    try {
      const result = work()
      if (owner instanceof Layer && Array.isArray(result)) this.#seeOutputs(owner, result)
      return result
    } finally {
      this.#owner = before
    }
  }

  override get onStep() {
    return (layer: object, t: number, step: RecurrentStep) => {
      // A cell that is a layer's step is part of that layer, which shows its gates.
      if (layer === this.#owner) this.#seeStep(layer as Layer, t, step)
    }
  }

  #seeOutputs(layer: Layer, outputs: readonly Tensor[]): void {
    for (const tensor of outputs) {
      if (tensor.dtype !== 'float') continue
      const sight: Sight = { layer, kind: 'output', name: '', t: null, tensor }
      this.sights.push(sight)
      this.record(tensor, [tensor], () => this.#checkGradient(sight))
    }
  }

  #seeStep(layer: Layer, t: number, step: RecurrentStep): void {
    let pass = this.passes.findLast((one) => one.layer === layer)
    if (!pass || pass.steps[t]) {
      const { stateNames } = layer as Layer & Pick<Pass, 'stateNames'>
      pass = { layer, stateNames, steps: [], norms: [] }
      this.passes.push(pass)
    }
    const norms = step.states.map(() => 0)
    pass.steps[t] = step
    pass.norms[t] = norms
    const { stateNames } = pass
    const seen: Sight[] = Object.entries(step.gates).map(([name, tensor]) => {
      return { layer, kind: 'gate', name, t, tensor }
    })
    step.states.forEach((tensor, i) => {
      const sight: Sight = { layer, kind: 'state', name: stateNames[i], t, tensor }
      seen.push(sight)
      tensor.tracked ||= this.recording
      // Going back, all that uses the state comes before this, the step that made it after.
      this.record(tensor, [tensor], () => {
        norms[i] = this.#checkGradient(sight)
      })
    })
    this.sights.push(...seen.sort((a, b) => orderOf(a) - orderOf(b)))
  }

  /** The gradient's norm. */
  #checkGradient(sight: Sight): number {
    const { kernels } = this
    const gradient = this.gradientOf(sight.tensor)
    const { values, size } = gradient
    const norm = Math.sqrt(kernels.sumSquares(values, size))
    if (!this.badGradient) {
      this.wayBack.push({ sight, gradient })
      const index = Number.isFinite(norm) ? -1 : kernels.firstNonFinite(values, size)
      if (index >= 0) this.badGradient = { sight, gradient, index }
    }
    return norm
  }
}

/**
 * Within a step: cell after cell of a stack, 'c.0' before 'c.1', and in each the gates, the states but
 * h, and at last o, which may see c, and h, which is made of both.
 */
function orderOf({ kind, name }: Sight): number {
  const [own, cell = '0'] = name.split('.')
  const rank = own === 'h' ? 3 : own === 'o' ? 2 : kind === 'state' ? 1 : 0
  return 4 * Number(cell) + rank
}

/** A layer's path within the model: 'bidirectional/forward'. */
export function pathOf({ name, children, parameters }: Layer): string {
  const path = children.length === 0 ? parameters[0]?.path : undefined
  return path ? path.slice(0, path.lastIndexOf('/')) : name
}
