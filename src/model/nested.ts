/** A model as a layer of another one. */
import { RefrainError, show } from '../errors.ts'
import {
  inside,
  Layer,
  type LayerConfig,
  type LayerOptions,
  type Shape,
  type SymbolicTensor,
} from '../layers/layer.ts'
import type { Context } from '../tensor/context.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { type Graph, type GraphConfig, graphConfig, graphFromConfig, runGraph } from './graph.ts'
import { nameLayers } from './names.ts'

/** What a nested layer needs of its model. */
export interface Inner {
  /** Null until the first input's shape is known. */
  readonly graph: Graph | null
  readonly layers: readonly Layer[]
  /** Makes the graph for an input shape. */
  makeGraph(inputShape: Shape): void
}

/** The layer that a model becomes inside another; `model.asLayer()` makes it. */
export class Nested extends Layer {
  readonly kind: 'model' | 'sequential'
  readonly inner: Inner

  constructor(kind: 'model' | 'sequential', inner: Inner, options: LayerOptions) {
    super(options)
    this.kind = kind
    this.inner = inner
  }

  /** The layers inside, in order. */
  get layers(): readonly Layer[] {
    return this.inner.layers
  }

  get graph(): Graph {
    return this.inner.graph!
  }

  override get children() {
    nameLayers(this.layers)
    return this.layers.map((layer) => ({ role: layer.name, layer }))
  }

  override get inputType(): DType {
    return this.inputTypeOf(0)
  }

  override inputTypeOf(i: number): DType {
    const { graph, layers } = this.inner
    return graph ? (graph.inputs[i]?.dtype ?? 'float') : layers[0].inputType
  }

  override get outputType(): DType {
    return this.inner.graph?.outputs[0].dtype ?? this.layers.at(-1)!.outputType
  }

  override get wholeSequence() {
    for (const { layer, inputs } of this.graph.calls) {
      const reason =
        inputs.length > 1 && layer.path(false) ? 'it takes states' : layer.wholeSequence
      if (reason) return `of its layer '${layer.name}': ${reason}`
    }
    return ''
  }

  options(): Record<string, unknown> {
    return { ...graphConfig(this.graph) }
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    if (!this.inner.graph) {
      // As a sequential model that has no shape yet does: each layer in turn.
      let shape = inputs[0]
      nameLayers(this.layers)
      inside(this, () => {
        for (const layer of this.layers) shape = layer.outputShapes([shape])[0]
      })
      return [shape]
    }
    const { graph } = this
    const fits = (shape: Shape, i: number) =>
      shape.length === graph.inputs[i].shape.length &&
      graph.inputs[i].shape.every(
        (length, axis) => axis === 0 || length === null || shape[axis] === length,
      )
    if (inputs.length !== graph.inputs.length || !inputs.every(fits)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: expected inputs of shape ` +
          `${graph.inputs.map(({ shape }) => show([...shape])).join(' and ')}, ` +
          `got ${inputs.map((shape) => show([...shape])).join(' and ')}`,
      )
    }
    const shapes = new Map<SymbolicTensor, Shape>()
    graph.inputs.forEach((symbol, i) => {
      shapes.set(symbol, inputs[i])
    })
    for (const call of graph.calls) {
      const found = call.layer.outputShapes(call.inputs.map((symbol) => shapes.get(symbol)!))
      call.outputs.forEach((symbol, i) => {
        shapes.set(symbol, found[i])
      })
    }
    return graph.outputs.map((symbol) => shapes.get(symbol)!)
  }

  protected override declare([input]: readonly Shape[]) {
    if (!this.inner.graph) this.inner.makeGraph(input)
  }

  call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    // The result's memory is for the last layer, not for the first that has its shape.
    ctx.offerRoom(null)
    return runGraph(this.graph, ctx, inputs)
  }
}

/** The layer that a file describes, of any kind: `make` of layers, and models in models. */
export function nestedFromConfig(
  { kind, name, options }: LayerConfig,
  make: (config: LayerConfig) => Layer,
): Nested {
  const { trainable, ...config } = options as unknown as GraphConfig & { trainable?: boolean }
  const graph = graphFromConfig(config, make)
  const { layers } = graph
  const inner: Inner = { graph, layers, makeGraph: () => {} }
  return new Nested(kind as Nested['kind'], inner, { name, trainable })
}
