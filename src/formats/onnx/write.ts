/** Models as ONNX files. */
import type { Layer, Shape } from '../../layers/layer.ts'
import type { AnyModel } from '../../model/file.ts'
import type { Graph } from '../../model/graph.ts'
import { Nested } from '../../model/nested.ts'
import { Problems } from '../problems.ts'
import type { Dimension } from './builder.ts'
import { encodeModel } from './proto.ts'
import { layerWriters, stepwise } from './write-layers.ts'
import { writeBidirectional, writeRecurrent } from './write-recurrent.ts'
import { type Value, Writer } from './writer.ts'

/** Operators of this set: ONNX 1.12 of 2022, the first with layer normalization. */
const opset = 17
const irVersion = 8

/** An ONNX file, and what differs from the model. */
export interface OnnxFile {
  readonly bytes: Uint8Array
  readonly notes: readonly string[]
}

/**
 * A model as an ONNX file (operators of set 17, float32), for ONNX Runtime and WebNN: recurrent operators
 * have time in front, which is what these take.
 *
 * Inputs and outputs have the model's names and shapes, the batch in front; ids are int32. The batch, and what is
 * null in the input's shape, may be of any length. All steps of an input count: rows of several lengths, which
 * `predict` takes as they are, are padded and need `masking` or an embedding with `maskZero` in the model, or run by
 * themselves. A mask becomes `sequence_lens`, computed in the graph: exact where a row's steps that count come
 * first; `notes` say so of models for which it matters.
 *
 * Dropout and noise are left out. Throws `UNSUPPORTED` with all layers and options that ONNX does not have, and
 * `NOT_BUILT` before the model is built.
 *
 * @param where for errors: the file's name
 */
export async function writeOnnx(model: AnyModel, where: string): Promise<OnnxFile> {
  model.build().rename()
  const problems = new Problems()
  const writer = new Writer(problems)
  const graph = model.graph!
  const { inputNames, outputNames } = model
  const given = graph.inputs.map(({ shape, dtype }, i): Value => {
    const open = inputNames.length === 1 ? '' : `${inputNames[i]}_`
    const dims = shape.map((length, axis) => length ?? dimensionName(open, axis, shape.length))
    return { name: writer.graph.input(inputNames[i], dtype, dims), shape, mask: null }
  })
  const values = writeGraph(writer, graph, given)
  values.forEach(({ name, shape }, i) => {
    const dims = shape.map(
      (length, axis) => length ?? (axis === 0 ? 'batch' : `${outputNames[i]}_${axis}`),
    )
    writer.graph.output(outputNames[i], name, dims)
  })
  problems.checkWriting(where, 'ONNX')
  const bytes = await encodeModel({
    irVersion,
    producerName: 'refrain',
    opsetImport: [{ domain: '', version: opset }],
    graph: writer.graph.finish(model.name),
  })
  return { bytes, notes: [...writer.notes] }
}

function dimensionName(open: string, axis: number, rank: number): Dimension {
  if (axis === 0) return 'batch'
  return axis === 1 && rank > 1 ? `${open}time` : `${open}${axis}`
}

/** Writes a graph's layers; one value for each of its outputs. */
function writeGraph(writer: Writer, graph: Graph, inputs: readonly Value[]): Value[] {
  const values = new Map(graph.inputs.map((input, i) => [input, inputs[i]]))
  for (const { layer, inputs: sources, outputs } of graph.calls) {
    const given = sources.map((source) => values.get(source)!)
    const results = writeLayer(writer, layer, given)
    outputs.forEach((output, i) => {
      values.set(output, results[i])
    })
  }
  return graph.outputs.map((output) => values.get(output)!)
}

/** Writes a layer of any kind; one value for each of its outputs. */
function writeLayer(writer: Writer, layer: Layer, inputs: readonly Value[]): Value[] {
  if (layer instanceof Nested) return writeGraph(writer, layer.graph, inputs)
  if (['lstm', 'gru', 'simpleRnn'].includes(layer.kind))
    return writeRecurrent(writer, layer, inputs)
  if (layer.kind === 'bidirectional') return writeBidirectional(writer, layer, inputs)
  if (layer.kind === 'timeDistributed') return [writeSteps(writer, layer, inputs[0])]
  const shapes = layer.outputShapes(inputs.map(({ shape }) => shape))
  const [x] = inputs
  const write = Object.hasOwn(layerWriters, layer.kind) ? layerWriters[layer.kind] : null
  if (!write) {
    writer.refuse(layer, 'layers of this kind are not written')
    return shapes.map((shape) => ({ ...x, shape }))
  }
  const result = write(writer, layer, inputs, shapes[0])
  return [
    typeof result === 'string'
      ? { ...x, name: result, shape: shapes[0] }
      : { ...result, shape: shapes[0] },
  ]
}

/** A layer at every step: on the last dimension as it stands, else with all steps of all rows as a batch. */
function writeSteps(writer: Writer, layer: Layer, x: Value): Value {
  const [shape] = layer.outputShapes([x.shape])
  const [{ layer: inner }] = layer.children
  const { mask } = x
  if (stepwise(inner)) {
    const [{ name }] = writeLayer(writer, inner, [{ ...x, mask: null }])
    return { name, shape, mask }
  }
  const [, , ...each] = x.shape
  const folded = writer.reshape(x.name, [-1, ...each.map((one, i) => one ?? { axis: i + 2 })])
  const rows: Shape = [null, ...each]
  const [result] = writeLayer(writer, inner, [{ name: folded, shape: rows, mask: null }])
  return { name: unfold(writer, x, result), shape, mask }
}

/** The rows of `result`, [B·T,…], as [B,T,…] with x's B and T. */
function unfold(writer: Writer, { name, shape: [, steps] }: Value, result: Value): string {
  const [, ...each] = result.shape
  return writer.reshape(result.name, [
    { axis: 0, of: name },
    steps ?? { axis: 1, of: name },
    ...each.map((one, i) => one ?? { axis: i + 1 }),
  ])
}
