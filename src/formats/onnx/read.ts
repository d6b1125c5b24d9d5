/** Models of ONNX files: the graph is walked once, each operator making layers or views of what they give. */
import { errorIn, RefrainError, show } from '../../errors.ts'
import { Functional } from '../../model/functional.ts'
import { graphFromConfig } from '../../model/graph.ts'
import { layerMaker } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { FileDescription } from '../describe.ts'
import type { ForeignOptions } from '../foreign.ts'
import { Problems } from '../problems.ts'
import { Budget, readArray } from './arrays.ts'
import { batchAxes } from './batch-axes.ts'
import { Attributes, Unsupported } from './operation.ts'
import { type Out, Plan } from './plan.ts'
import { decodeModel, type GraphProto, type ModelProto, type ValueInfoProto } from './proto.ts'
import { layerReaders } from './read-layers.ts'
import { masksThatDiffer } from './read-masks.ts'
import { recurrentReaders } from './read-recurrent.ts'
import { shapeReaders } from './read-shapes.ts'
import { type Read, Reader, type Value } from './reader.ts'
import { type View, viewOf } from './view.ts'

const operators: Readonly<Record<string, Read>> = {
  ...shapeReaders,
  ...layerReaders,
  ...recurrentReaders,
}

/**
 * The model of an ONNX file: LSTM, GRU and RNN with their attributes, and the operators around them in files of
 * PyTorch, of tf2onnx and of Refrain, of the operator sets from 7 on.
 *
 * Inputs and outputs have the batch in front here, wherever the file has it, and no further dimensions of length 1
 * before it: [T,B,I] becomes [B,T,I], a final state [1,B,U] becomes [B,U]. The batch is of any size, and so is a
 * dimension that the file leaves open. An input of lengths, for `sequence_lens`, goes away: rows of several lengths
 * say them.
 *
 * Throws `BAD_FILE`, and `UNSUPPORTED` with all operators that have no layer, by operator and node.
 */
export async function readOnnx(
  bytes: Uint8Array,
  fileName: string,
  { customLayers, architecture: _, ...options }: ForeignOptions,
): Promise<Model> {
  const file = await decodeModel(bytes, fileName)
  const { graph } = file
  if (!graph || graph.output.length === 0) {
    throw new RefrainError('BAD_FILE', `${fileName}: expected a graph with outputs, got none`)
  }
  try {
    const problems = new Problems()
    const { plan, outputs } = walk(file, graph, bytes.length, fileName, problems)
    problems.check(fileName, 'cannot be read', 'Export the model in another format, such as .keras')
    const { config, weights } = plan.finish(outputs)
    const model = new Functional<Tensor>(graphFromConfig(config, layerMaker(customLayers)), options)
    return model.buildWith(({ path, size }) => {
      const found = weights.get(path)
      if (found?.length === size) return found
      throw new Error(`expected ${size} numbers for ${path}, got ${found?.length ?? 'none'}`)
    })
  } catch (error) {
    const { message } = error as Error
    if (!(error instanceof RefrainError)) {
      throw new RefrainError('BAD_FILE', `${fileName}: ${message}`, '', { cause: error })
    }
    throw message.startsWith(`${fileName}: `) ? error : errorIn(fileName, error)
  }
}

/** What an ONNX file holds; operators of a kind are counted. */
export async function describeOnnx(bytes: Uint8Array, fileName: string): Promise<FileDescription> {
  const file = await decodeModel(bytes, fileName)
  const { graph, producerName, producerVersion, opsetImport } = file
  const problems = new Problems()
  const counts = new Map<string, number>()
  for (const { opType } of graph?.node ?? []) counts.set(opType, (counts.get(opType) ?? 0) + 1)
  if (graph) {
    try {
      walk(file, graph, bytes.length, fileName, problems)
    } catch (error) {
      problems.add((error as Error).message)
    }
  }
  const sizes = (graph?.initializer ?? []).map(({ dims }) =>
    dims.reduce((size, n) => size * Number(n), 1),
  )
  const [{ version = 1 } = {}] = opsetImport
  return {
    format: `ONNX, operator set ${version}`,
    producer: `${producerName || 'a program that does not say'} ${producerVersion ?? ''}`.trim(),
    layers: [...counts].map(([opType, times]) => ({
      name: opType,
      kind: `× ${times}`,
      options: '',
    })),
    parameters: sizes.reduce((sum, size) => sum + size, 0),
    unsupported: problems.found,
    notes: problems.notes,
  }
}

/** Reads the nodes of a graph; gives the plan and what its outputs show. */
function walk(
  { opsetImport }: ModelProto,
  graph: GraphProto,
  fileBytes: number,
  fileName: string,
  problems: Problems,
): { plan: Plan; outputs: Out[] } {
  const isOnnx = (domain: string) => domain === '' || domain === 'ai.onnx'
  const opset = opsetImport.find(({ domain }) => isOnnx(domain))?.version ?? 1
  const plan = new Plan()
  const values = new Map<string, Value>()
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]))
  const uses = new Map<string, number>()
  for (const name of [
    ...graph.node.flatMap(({ input }) => input),
    ...graph.output.map((o) => o.name),
  ]) {
    uses.set(name, (uses.get(name) ?? 0) + 1)
  }
  const places = batchAxes(graph)
  let batch: number | null = null
  for (const info of graph.input) {
    if (tensors.has(info.name)) continue
    const place = places.get(info.name) ?? 0
    const size = info.type?.tensorType?.shape?.dim[place]?.dimValue ?? 0
    if (size > 0) batch ??= size
    values.set(info.name, readInput(plan, info, place, fileName))
  }
  const reader = new Reader({ plan, budget: new Budget(fileBytes, fileName), opset, batch, uses })
  const find = (name: string): Value => {
    const known = values.get(name)
    if (known) return known
    const tensor = tensors.get(name)
    if (!tensor) {
      throw new RefrainError('BAD_FILE', `${fileName}: ${show(name)} is used before it is made`)
    }
    const array = readArray(tensor, fileName)
    values.set(name, array)
    return array
  }
  for (const node of graph.node) {
    const { opType, name, domain, input, output } = node
    const label = `${opType} ${show(name || output[0] || '')}`
    const read = isOnnx(domain) && Object.hasOwn(operators, opType) ? operators[opType] : null
    const given = input.map((one) => (one === '' ? null : find(one)))
    let results: readonly Value[] = []
    if (!read) problems.add(`the operator ${label} has no layer`)
    else if (given.every((value) => value?.kind !== 'unknown')) {
      results =
        attempt(problems, label, () =>
          read(reader, given, { node, attributes: new Attributes(node) }),
        ) ?? []
    }
    output.forEach((one, i) => {
      if (one !== '') values.set(one, results[i] ?? { kind: 'unknown' })
    })
  }
  const outputs = graph.output.flatMap(({ name }) => {
    const value = find(name)
    if (value.kind === 'unknown') return []
    return attempt(problems, `the output ${show(name)}`, () => settled(reader, value)) ?? []
  })
  for (const what of plan.unreadable(outputs)) problems.add(what)
  for (const what of masksThatDiffer(plan.live(outputs), reader.ragged)) problems.add(what)
  return { plan, outputs }
}

/** What `run` gives; null, and a problem, where it cannot be had. */
function attempt<Result>(problems: Problems, label: string, run: () => Result): Result | null {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
    problems.add(`${label} ${error.message}`)
    return null
  }
}

const types: Readonly<Record<number, 'float' | 'int32'>> = {
  1: 'float',
  6: 'int32',
  7: 'int32',
  10: 'float',
  11: 'float',
}

/** An input, seen as the file has it. */
function readInput(plan: Plan, info: ValueInfoProto, place: number, fileName: string): View {
  const tensor = info.type?.tensorType
  const type = types[tensor?.elemType ?? 0]
  const where = `${fileName}: the input ${show(info.name)}`
  if (!tensor?.shape || tensor.shape.dim.length === 0 || !type) {
    throw new RefrainError('UNSUPPORTED', `${where} is no tensor of numbers with a known shape`)
  }
  const dims = tensor.shape.dim.map(({ dimValue }, i) => {
    if (!dimValue) return `${info.name}.${i}`
    if (dimValue > 0 && dimValue < 2 ** 31) return dimValue
    throw new RefrainError('BAD_FILE', `${where} has a dimension of ${dimValue}`)
  })
  if (place >= dims.length)
    throw new RefrainError('BAD_FILE', `${where} has ${dims.length} dimensions`)
  // A final state of one layer, [1,B,U], is [B,U] here.
  const kept = dims.map((_, i) => i).filter((i) => i !== place && !(i < place && dims[i] === 1))
  const out = plan.input(info.name, ['batch', ...kept.map((i) => dims[i])], type)
  return viewOf(
    out,
    dims.map((_, i) => (i === place ? [0] : kept.includes(i) ? [kept.indexOf(i) + 1] : [])),
  )
}

/** The output that shows a value, the batch in front, without dimensions of length 1 before it. */
function settled(reader: Reader, value: Value): Out {
  const view = reader.settler.unpick(reader.view(value))
  const place = view.axes.findIndex((axis) => axis.includes(0))
  const split = view.axes.flatMap((axis, i) => {
    if (axis.length === 0 && i < place) return []
    return axis.includes(0) ? axis.map((part) => [part]) : [axis]
  })
  const batch = split.filter(([part]) => part === 0)
  const rest = split.filter(([part]) => part !== 0)
  return reader.settler.settle({ ...view, axes: [...batch, ...rest] })
}
