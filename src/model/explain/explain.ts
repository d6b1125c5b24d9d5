import { type MeasuredPeak, measurePeak } from '../../kernels/peak.ts'
import type { Layer, SymbolicTensor } from '../../layers/layer.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { takesLabels } from '../../train/losses.ts'
import { adam } from '../../train/optimizers.ts'
import { checkInteger, checkNumber, checkOptions } from '../../util/check.ts'
import type { Model } from '../model.ts'
import { resolveOutputs } from '../outputs.ts'
import { eachLayer, type LayerWay, wayOf } from '../ways.ts'
import { callsOf, fillIn } from './calls.ts'
import {
  batchingCost,
  type Cost,
  type LayerCost,
  layerCost,
  lossCost,
  noCost,
  optimizerCost,
} from './cost.ts'
import { formatExplanation } from './format.ts'
import { profilePrediction, profileTraining } from './measure.ts'
import type { Lap } from './profile.ts'
import { type SlowPath, slowPaths } from './slow.ts'

/** Options of `explain`. */
export interface ExplainOptions {
  /** Rows of a batch; default 32. */
  batchSize?: number
  /** Length of sequences where the model leaves it open; default 100. */
  steps?: number
  /** About how long to measure predictions, and training steps; default 500. */
  milliseconds?: number
}

/** What is to be done, and how long it takes. */
export interface Work extends Cost {
  /**
   * The least time that the machine's measured peak and memory allow: the larger of operations /
   * peak and bytes / bandwidth. Data that stays in the caches may beat it.
   */
  readonly estimatedMilliseconds: number
  readonly milliseconds: number
  /** Of the measured multiply-add peak, 0 to 1. */
  readonly shareOfPeak: number
}

/** One layer's way and work, all of its calls together; layers inside it have lines of their own. */
export interface LayerExplanation extends LayerWay {
  readonly predict: Work
  /** In a training step; null if training was not measured. */
  readonly forward: Work | null
  readonly backward: Work | null
}

/** What a step does beside the layers. */
export interface Part {
  /** 'batching', 'loss' (with the metrics), 'optimizer' (with clipping); 'rest' of the step. */
  readonly part: string
  readonly work: Work
}

/** A whole step: its time is the sum of the layers' and the parts'. */
export interface StepExplanation {
  readonly milliseconds: number
  readonly parts: readonly Part[]
}

/** What `explain` finds; as a string, a table. */
export interface Explanation {
  /** The model's name. */
  readonly model: string
  /** With its instruction set: 'native avx512'. */
  readonly backend: string
  /** Rows of each batch that was measured. */
  readonly batchSize: number
  /** Length of the sequences: the option where the model leaves one open, 1 if it has none. */
  readonly steps: number
  /** The machine's measured peak, which all shares are of. */
  readonly peak: MeasuredPeak
  readonly layers: readonly LayerExplanation[]
  readonly prediction: StepExplanation
  /** Null for a model with nothing to train. */
  readonly training:
    | (StepExplanation & { readonly loss: string; readonly optimizer: string })
    | null
  readonly slow: readonly SlowPath[]
  /** The tables that the command prints. */
  toString(): string
}

/**
 * Runs `work` with stateful layers that start from zeros, and puts back their states and the weights,
 * which averages and constraints would move even at a learning rate of 0.
 */
async function unchanged<T>(
  { states, parameters }: Model<Tensor | Tensor[]>,
  work: () => Promise<T>,
): Promise<T> {
  // Each by itself: another model that shares them may be their home.
  const weights = parameters.parameters.map(({ value }) => value.values.slice())
  const kept = states.read()
  states.reset()
  try {
    return await work()
  } finally {
    parameters.parameters.forEach(({ value }, i) => {
      value.values.set(weights[i])
    })
    parameters.touch()
    states.write(kept)
  }
}

/**
 * Says, for each layer, which way it runs and why, how many operations and bytes that takes, how long
 * it should take on this machine and how long it does: predictions and training steps of random data,
 * through the model's own layers, loss and optimizer (mean squared error and Adam before `compile`).
 * Weights stay as they are. Takes about two seconds.
 *
 * `console.log(String(await explain(model)))` prints the table; docs/explain.md explains it. Throws
 * `NOT_BUILT` if the input shape is not known yet.
 */
export async function explain(
  model: Model<Tensor | Tensor[]>,
  options: ExplainOptions = {},
): Promise<Explanation> {
  checkOptions('explain', options, ['batchSize', 'steps', 'milliseconds'])
  const batchSize = checkInteger("explain 'batchSize'", options.batchSize ?? 32)
  const wanted = checkInteger("explain 'steps'", options.steps ?? 100)
  const milliseconds = checkNumber("explain 'milliseconds'", options.milliseconds ?? 500, 0, 1e6)
  model.build().parameters.bringHome()
  const graph = model.graph!
  const { backend } = model
  const { floatBytes } = backend.heap
  const steps = fixedSteps(graph.inputs) ?? wanted
  const sizes = { batchSize, steps, milliseconds }

  const peak = measurePeak(backend, { milliseconds: Math.min(80, milliseconds) })
  const predicted = await unchanged(model, async () => profilePrediction(model, sizes))
  const compiled = model.compiled ?? {
    optimizer: adam(),
    outputs: resolveOutputs({ loss: 'meanSquaredError' }, model.outputNames),
  }
  const trained =
    model.parameters.trainableSize > 0
      ? await unchanged(model, () => profileTraining(model, compiled, sizes))
      : null

  const costs = new Map<Layer, LayerCost[]>()
  const calls = callsOf(graph, batchSize, steps)
  for (const call of calls) {
    const list = costs.get(call.layer) ?? []
    costs.set(call.layer, [...list, layerCost(call, floatBytes)])
  }
  const layers: LayerExplanation[] = []
  eachLayer(model, (layer, path) => {
    const cost = (pass: keyof LayerCost) => sum((costs.get(layer) ?? []).map((one) => one[pass]))
    const [before, after] = [predicted.times.get(layer), trained?.times.get(layer)]
    layers.push({
      ...wayOf(layer, path),
      predict: workOf(cost('prediction'), before?.forward ?? 0, peak),
      forward: trained && workOf(cost('forward'), after?.forward ?? 0, peak),
      backward: trained && workOf(cost('backward'), after?.backward ?? 0, peak),
    })
  })

  const inputs = graph.inputs.map(({ shape }) => fillIn(shape, batchSize, steps))
  const trainedOutputs = compiled.outputs.flatMap(({ loss }, i) =>
    loss ? [{ loss, size: fillIn(graph.outputs[i].shape, batchSize, steps) }] : [],
  )
  const parts = (lap: Lap, list: Record<string, Cost>) => ({
    milliseconds: lap.total,
    parts: Object.entries(list).map(([part, cost]) => {
      const { forward, backward } = lap.times.get(part) ?? { forward: 0, backward: 0 }
      return { part, work: workOf(cost, forward + backward, peak) }
    }),
  })
  const { optimizer } = compiled
  const targets = trainedOutputs.map(({ loss, size }) =>
    takesLabels(loss) ? size.slice(0, -1) : size,
  )
  const training = trained && {
    ...parts(trained, {
      batching: batchingCost([...inputs, ...targets], floatBytes),
      loss: sum(trainedOutputs.map(({ size }) => lossCost(size, floatBytes))),
      optimizer: optimizerCost(optimizer, model.parameters.trainable, calls, floatBytes),
      rest: noCost,
    }),
    loss: trainedOutputs.map(({ loss }) => loss.name).join(', '),
    optimizer: optimizer.name,
  }
  const explanation: Explanation = {
    model: model.name,
    backend: `${backend.name} ${backend.variant}`,
    batchSize,
    steps,
    peak,
    layers,
    prediction: parts(predicted, { batching: batchingCost(inputs, floatBytes), rest: noCost }),
    training,
    slow: slowPaths(backend, layers, batchSize),
    toString: () => formatExplanation(explanation),
  }
  return explanation
}

/** The length of the first sequence: null if any input's is open, 1 if no input is a sequence. */
function fixedSteps(inputs: readonly SymbolicTensor[]): number | null {
  if (inputs.some(({ shape }) => shape.slice(1).includes(null))) return null
  const sequence = inputs.find(({ shape, dtype }) => shape.length > (dtype === 'int32' ? 1 : 2))
  return sequence?.shape[1] ?? 1
}

function sum(costs: readonly Cost[]): Cost {
  return costs.reduce(
    (all, { flops, bytes }) => ({ flops: all.flops + flops, bytes: all.bytes + bytes }),
    noCost,
  )
}

function workOf(cost: Cost, milliseconds: number, peak: MeasuredPeak): Work {
  const computing = cost.flops / peak.gflops / 1e6
  const moving = cost.bytes / peak.gigabytesPerSecond / 1e6
  return {
    ...cost,
    estimatedMilliseconds: Math.max(computing, moving),
    milliseconds,
    shareOfPeak: milliseconds > 0 ? computing / milliseconds : 0,
  }
}
