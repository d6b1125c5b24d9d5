/**
 * The training loop. It knows parameters, a forward function, a loss and an optimizer; it never
 * names a layer.
 */
import { epochBatches, lengthBatches } from '../data/batches.ts'
import { batchOf, type Column } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { ParameterSet } from '../tensor/parameter.ts'
import { regularize } from '../tensor/regularizers.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'
import type { Callback, Logs, Run } from './callbacks.ts'
import { clipGradients, gradientNorm } from './clipping.ts'
import { computeLoss, type LossConfig } from './losses.ts'
import type { Metric, MetricConfig } from './metric.ts'
import { makeMetric } from './metrics.ts'
import type { Optimizer } from './optimizer.ts'
import { pauser } from './pause.ts'
import { rateAt } from './schedules.ts'
import { type Gradients, Updater } from './updater.ts'
import { type Piece, piecesOf, windowData } from './windows.ts'

/** What can be trained: parameters, and predictions from inputs. */
export interface Trainable {
  readonly backend: Backend
  readonly parameters: ParameterSet
  /** What layers keep from batch to batch; absent: nothing. */
  readonly states?: CarriedStates
  /** One tensor for each output. */
  run(ctx: Context, inputs: readonly Tensor[]): Tensor[]
}

/** The states that sequences leave to the next batch. */
export interface CarriedStates {
  /** Whether batches must come in their order. */
  readonly stateful: boolean
  /** Back to zeros; `onlyWindows`: of layers that keep them from window to window only. */
  reset(onlyWindows?: boolean): void
  /** By layer and number. */
  read(): Readonly<Record<string, CarriedState>>
  write(states: Readonly<Record<string, CarriedState>>): void
}

export interface CarriedState {
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array
}

/** Rows of inputs, and of targets and weights for each output. */
export interface TrainingData {
  readonly inputs: readonly Column[]
  /** Null for an output without a loss. */
  readonly targets: readonly (Column | null)[]
  /** One a row, or one a step; null: all 1. */
  readonly weights: readonly (Column | null)[]
}

/** How one output is trained and measured. */
export interface OutputPlan {
  /** Stands before its numbers' names where there are several outputs: 'tags_loss'. */
  readonly name: string
  /** Null for an output that is not trained. */
  readonly loss: LossConfig | null
  /** Factor of its loss in the sum; the numbers under its own name are without it. */
  readonly weight: number
  readonly metrics: readonly MetricConfig[]
}

/** What a model is compiled with. */
export interface TrainingPlan {
  readonly optimizer: Optimizer
  readonly outputs: readonly OutputPlan[]
}

/** What `fit` needs once names are resolved. */
export interface FitPlan {
  readonly data: TrainingData
  readonly validation: TrainingData | null
  readonly epochs: number
  readonly batchSize: number
  readonly shuffle: boolean
  /** Sequences are trained on in windows of so many steps, one after the other; null: as a whole. */
  readonly bpttSteps?: number | null
  readonly seed: number
  readonly callbacks: readonly Callback[]
  /** Writes a checkpoint with this state to `path`. */
  save(path: string, state: TrainerState): Promise<void>
  /** Where an earlier run stopped. */
  readonly resume: Resumed | null
}

/** A checkpoint: the trainer's state, and a way to put the weights back once the state fits. */
export interface Resumed {
  readonly state: TrainerState
  restoreWeights(): void
}

/** Epochs and, for each number, its value after each epoch. */
export interface History {
  readonly epoch: number[]
  readonly history: Record<string, number[]>
  /** Why training ended before the last epoch; '' if it did not. */
  stopped: string
  /** Optimizer steps, and those in which clipping changed a gradient. */
  steps: number
  clippedSteps: number
}

/**
 * Everything that decides how training goes on. Arrays by name, among them `optimizer/` and the name
 * of each of the optimizer's slots; the rest plain JSON.
 */
export interface TrainerState {
  readonly arrays: Record<string, Float32Array | Float64Array>
  readonly json: {
    readonly iteration: number
    readonly learningRate: number | null
    readonly averagingSince: number | null
    readonly epoch: number
    readonly step: number
    readonly seed: number
    readonly batchSize: number
    readonly shuffle: boolean
    readonly bpttSteps: number | null
    readonly rows: number
    /** Shapes of the arrays `states/…`. */
    readonly states: Readonly<Record<string, readonly number[]>>
    readonly loss: [number, number]
    /** Sums of the outputs' losses, if several have one. */
    readonly losses: [number, number][]
    /** Of all outputs, one after the other. */
    readonly metrics: number[][]
    readonly history: History
    readonly callbacks: { name: string; json: unknown }[]
  }
}

/** Trains and evaluates one model; holds the optimizer's state and the step's memory. */
export class Trainer {
  readonly #model: Trainable
  readonly #outputs: readonly OutputPlan[]
  readonly #optimizer: Optimizer
  /** Losses and metrics of the epoch so far. */
  readonly #numbers: Numbers
  readonly #arena: Arena
  readonly #Context: typeof Context
  #updater: Updater | null = null
  #iteration = 0
  /** Learning rate set by a callback; null: the optimizer's own. */
  #learningRate: number | null = null
  /** Steps done when the optimizer's average was triggered; null: not yet. */
  #averagingSince: number | null = null

  constructor(model: Trainable, { outputs, optimizer }: TrainingPlan, StepContext = Context) {
    this.#Context = StepContext
    this.#model = model
    this.#outputs = outputs
    this.#optimizer = optimizer
    this.#numbers = new Numbers(outputs)
    this.#arena = new Arena(model.backend.heap)
  }

  /** Gradients and the optimizer's memory, from the first training on. */
  get #moving(): Updater {
    const { backend, parameters } = this.#model
    this.#updater ??= new Updater(backend, parameters, this.#optimizer)
    return this.#updater
  }

  /** Bytes of the step's memory. */
  get arenaBytes(): number {
    return this.#arena.bytes
  }

  /** Leaves the model, so that the trainer's memory ends with the trainer. */
  release(): void {
    this.#arena.release()
    this.#updater?.release()
  }

  /** One optimizer step; returns the batch's loss and the predictions' metrics through `metrics`. */
  #step(plan: FitPlan, piece: Piece): { loss: number; clipped: boolean } {
    const { data, seed, bpttSteps } = plan
    const { backend, parameters, states } = this.#model
    const windows = !!bpttSteps
    if (windows && piece.from === 0) states?.reset(true)
    // A callback may have built or trained a model that shares layers with this one.
    parameters.claim()
    this.#arena.reset()
    const random = { seed, step: this.#iteration }
    const options = { training: true, random, penalties: true, carries: windows }
    const ctx = new this.#Context(backend, this.#arena, options)
    const batch = ctx.within('batching', () =>
      windows
        ? makeBatch(
            this.#arena,
            windowData(data, piece),
            piece.rows.map((_, i) => i),
          )
        : makeBatch(this.#arena, data, piece.rows),
    )
    ctx.within('optimizer', () => this.#moving.begin())
    const predictions = this.#model.run(ctx, batch.inputs)
    const loss = ctx.within('loss', () => this.#losses(ctx, predictions, batch, this.#numbers))
    ctx.backward()
    const total = loss + (ctx.penalty ?? 0) + weightPenalty(ctx, parameters)
    const clipped = ctx.within('optimizer', () => this.#update(ctx, total))
    ctx.finishStep()
    this.#iteration++
    return { loss: total, clipped }
  }

  /** As `#step`; null if numbers are not finite and a callback ends training for it. */
  #tryStep(plan: FitPlan, piece: Piece, run: Run) {
    try {
      return this.#step(plan, piece)
    } catch (error) {
      const watching = plan.callbacks.filter(({ onNotFinite }) => onNotFinite)
      if (!(error instanceof RefrainError) || error.code !== 'NOT_FINITE') throw error
      if (watching.length === 0) throw error
      for (const callback of watching) callback.onNotFinite!(run, error)
      return null
    }
  }

  /**
   * The sum of the outputs' losses by their weights; sets gradients where `ctx` records. Notes losses
   * and metrics in `numbers`.
   */
  #losses(ctx: Context, predictions: readonly Tensor[], batch: Batch, numbers: Numbers): number {
    let total = 0
    this.#outputs.forEach(({ loss, weight }, i) => {
      if (!loss) return
      const [prediction, target] = [predictions[i], batch.targets[i]!]
      const weights = rowWeights(batch.weights[i], prediction)
      // As Keras's `metrics`, most do not look at weights.
      for (const metric of numbers.metrics[i]) {
        metric.update(ctx, prediction, target, metric.weighted ? weights : null)
      }
      const value = computeLoss(ctx, loss, prediction, target, weights, weight)
      numbers.addLoss(i, value, batch.rows)
      total += weight * value
    })
    return total
  }

  /** Moves the weights by the gradients; returns whether clipping changed them. */
  #update(ctx: Context, loss: number): boolean {
    const updater = this.#moving
    const { options, average } = this.#optimizer
    const { gradientAccumulationSteps: every = 1, useEma, emaOverwriteFrequency } = options
    const step = Math.floor(this.#iteration / every)
    const last = (this.#iteration + 1) % every === 0
    const gradients = updater.gradients(ctx)
    if (every > 1) {
      this.#checkFinite(loss, gradientNorm(ctx.kernels, gradients), gradients)
      updater.accumulate(every, last)
    }
    let clipped = false
    if (last) {
      const { scale, norm, acted } = clipGradients(ctx.kernels, gradients, options)
      this.#checkFinite(loss, norm, gradients)
      updater.apply(ctx, { step, rate: this.#currentRate(), scale })
      clipped = acted
    }
    if (average && (last || useEma)) {
      updater.follow(average.share(step, this.#averagingSince))
      if (emaOverwriteFrequency && (step + 1) % emaOverwriteFrequency === 0) updater.takeAverage()
    }
    updater.constrain()
    return clipped
  }

  #currentRate(): number {
    return this.#learningRate ?? rateAt(this.#optimizer.options.learningRate, this.#iteration)
  }

  #setLearningRate(rate: number): void {
    if (typeof this.#optimizer.options.learningRate !== 'number') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "fit: a callback set the learning rate, but the optimizer's follows a schedule",
        'give the optimizer a number, or leave learningRateScheduler and reduceLrOnPlateau out',
      )
    }
    this.#learningRate = rate
  }

  /** Names where a number that is not finite was born; the weights are still those before. */
  #checkFinite(loss: number, norm: number, { each }: Gradients): void {
    if (Number.isFinite(loss) && Number.isFinite(norm)) return
    const { kernels } = this.#model.backend
    const bad = each().find(
      ({ gradient }) => kernels.firstNonFinite(gradient.values, gradient.size) >= 0,
    )
    const where = bad
      ? `the gradient of '${bad.parameter.path}' is not finite`
      : 'the norm overflows'
    throw new RefrainError(
      'NOT_FINITE',
      `training step ${this.#iteration + 1}: the loss is ${loss} and ${where}; ` +
        'the weights are those before this step',
      "lower the learning rate, clip gradients (globalClipNorm: 1), or check the inputs' scale",
    )
  }

  /** Loss and metrics of a data set, without training. */
  async evaluate(data: TrainingData, batchSize: number): Promise<Logs> {
    const numbers = new Numbers(this.#outputs)
    const pause = pauser()
    let total = 0
    let count = 0
    const { backend, parameters } = this.#model
    const ofWeights = weightPenalty(new Context(backend, this.#arena), parameters)
    // Rows of like length together need less padding, and a mean over rows does not show it. With
    // a target for each step it would: Keras weighs each batch's mean over steps by its rows.
    const ragged = data.inputs.find((column) => column.offsets)
    const batches =
      ragged && !data.targets.some((target) => target?.offsets) && !this.#model.states?.stateful
        ? lengthBatches(ragged, batchSize)
        : epochBatches(data.inputs[0], batchSize, null, 0)
    for (const rows of batches) {
      this.#arena.reset()
      const ctx = new Context(this.#model.backend, this.#arena, { penalties: true })
      const batch = makeBatch(this.#arena, data, rows)
      const predictions = this.#model.run(ctx, batch.inputs)
      const value = this.#losses(ctx, predictions, batch, numbers)
      total += (value + (ctx.penalty ?? 0) + ofWeights) * rows.length
      count += rows.length
      await pause()
    }
    this.#arena.reset()
    return { loss: count === 0 ? 0 : total / count, ...numbers.logs }
  }

  /**
   * With the average of the weights, if the optimizer keeps one for that; stateful layers start from
   * zeros, and training goes on where it was.
   */
  async #validate(data: TrainingData, batchSize: number): Promise<Logs> {
    const averaged = this.#optimizer.average?.validated
    const { states } = this.#model
    const kept = states?.read() ?? {}
    if (averaged) this.#moving.exchange()
    states?.reset()
    try {
      return await this.evaluate(data, batchSize)
    } finally {
      if (averaged) this.#moving.exchange()
      states?.write(kept)
    }
  }

  /** A copy of all weights, those on which validation looks. */
  #readWeights(): Float32Array | Float64Array {
    const weights = this.#model.parameters.values.values.slice()
    if (this.#optimizer.average?.validated) weights.set(this.#moving.average!.values)
    return weights
  }

  /** Trains for the plan's epochs. */
  async fit(plan: FitPlan): Promise<History> {
    const { data, epochs, batchSize, callbacks } = plan
    const { parameters } = this.#model
    let history: History = { epoch: [], history: {}, stopped: '', steps: 0, clippedSteps: 0 }
    let loss: [number, number] = [0, 0]
    let epoch = 0
    let step = 0
    let rowsSeen = 0
    let stepsPerEpoch = Math.ceil(data.inputs[0].rows / batchSize)
    let stopping = ''
    const saveTo = new Set<string>()
    const trainer = this
    const run: Run = {
      get epoch() {
        return epoch
      },
      epochs,
      get step() {
        return step
      },
      get stepsPerEpoch() {
        return stepsPerEpoch
      },
      get rowsSeen() {
        return rowsSeen
      },
      rows: data.inputs[0].rows,
      get iteration() {
        return trainer.#iteration
      },
      get learningRate() {
        return trainer.#currentRate()
      },
      set learningRate(rate) {
        trainer.#setLearningRate(rate)
      },
      stop(reason) {
        stopping = reason || 'a callback'
      },
      save(path) {
        saveTo.add(path)
      },
      readWeights() {
        parameters.claim()
        return trainer.#readWeights()
      },
      writeWeights(weights) {
        parameters.claim()
        parameters.values.values.set(weights)
        parameters.touch()
      },
    }
    const call = async (
      name: 'onTrainBegin' | 'onEpochBegin' | 'onStepEnd' | 'onEpochEnd' | 'onTrainEnd',
      logs: Logs,
    ) => {
      for (const callback of callbacks) {
        const result = callback[name]?.(run, logs)
        if (result) await result
      }
      const position = name === 'onEpochEnd' ? { epoch: epoch + 1, step: 0 } : { epoch, step }
      for (const path of saveTo) {
        saveTo.delete(path)
        await plan.save(path, this.#readState(plan, position, loss, history))
      }
    }
    if (plan.resume) {
      this.#writeState(plan, plan.resume.state)
      plan.resume.restoreWeights()
      const { json } = plan.resume.state
      epoch = json.epoch
      step = json.step
      loss = [...json.loss]
      history = structuredClone(json.history)
      history.stopped = ''
    } else {
      this.#learningRate = null
    }
    const pause = pauser()
    let logs: Logs = {}
    await call('onTrainBegin', logs)
    for (; epoch < epochs && !stopping; epoch++) {
      if (step === 0) await call('onEpochBegin', {})
      const lengths = data.inputs.find((column) => column.offsets) ?? data.inputs[0]
      const batches = epochBatches(lengths, batchSize, plan.shuffle ? plan.seed : null, epoch)
      const pieces = piecesOf(batches, lengths, plan.bpttSteps ?? null)
      stepsPerEpoch = pieces.length
      if (step === 0) {
        loss = [0, 0]
        this.#numbers.reset()
      }
      const seenBy = ({ rows, last }: Piece) => (last ? rows.length : 0)
      rowsSeen = pieces.slice(0, step).reduce((sum, piece) => sum + seenBy(piece), 0)
      while (step < pieces.length && !stopping) {
        const piece = pieces[step]
        const result = this.#tryStep(plan, piece, run)
        if (!result) break
        step++
        rowsSeen += seenBy(piece)
        history.steps++
        if (result.clipped) history.clippedSteps++
        const weight = piece.rows.length * (piece.to - piece.from)
        loss[0] += result.loss * weight
        loss[1] += weight
        logs = this.#logs(loss)
        await call('onStepEnd', logs)
        await pause()
      }
      // Stopped within the epoch: its numbers are not those of an epoch.
      if (step < pieces.length) break
      logs = this.#logs(loss)
      if (plan.validation) {
        const values = await this.#validate(plan.validation, batchSize)
        for (const [name, value] of Object.entries(values)) {
          logs[this.#numbers.validationName(name)] = value
        }
      }
      history.epoch.push(epoch)
      for (const [name, value] of Object.entries(logs)) {
        history.history[name] ??= []
        history.history[name].push(value)
      }
      if (this.#averagingSince === null && this.#optimizer.average?.trigger?.(history.history)) {
        this.#averagingSince = this.#iteration
      }
      await call('onEpochEnd', logs)
      step = 0
    }
    if (this.#optimizer.average && this.#iteration > 0) this.#moving.takeAverage()
    history.stopped = stopping
    await call('onTrainEnd', logs)
    this.#arena.reset()
    return history
  }

  #logs(loss: readonly [number, number]): Logs {
    return { loss: loss[0] / Math.max(1, loss[1]), ...this.#numbers.logs }
  }

  #readState(
    plan: FitPlan,
    position: { epoch: number; step: number },
    loss: [number, number],
    history: History,
  ): TrainerState {
    const arrays: TrainerState['arrays'] = {}
    this.#moving.slots.forEach((slot, i) => {
      arrays[`optimizer/${this.#optimizer.slots[i]}`] = slot.values.slice()
    })
    const states: Record<string, readonly number[]> = {}
    for (const [name, { shape, values }] of Object.entries(this.#model.states?.read() ?? {})) {
      states[name] = shape
      arrays[`states/${name}`] = values.slice()
    }
    const callbacks = plan.callbacks.map((callback, i) => {
      const state = callback.readState?.()
      if (state?.weights) arrays[`callback/${i}`] = state.weights
      return { name: callback.name, json: state?.json ?? null }
    })
    return {
      arrays,
      json: {
        iteration: this.#iteration,
        learningRate: this.#learningRate,
        averagingSince: this.#averagingSince,
        ...position,
        seed: plan.seed,
        batchSize: plan.batchSize,
        shuffle: plan.shuffle,
        bpttSteps: plan.bpttSteps ?? null,
        rows: plan.data.inputs[0].rows,
        states,
        loss,
        ...this.#numbers.state,
        history,
        callbacks,
      },
    }
  }

  #writeState(plan: FitPlan, { arrays, json }: TrainerState): void {
    const now = {
      seed: plan.seed,
      batchSize: plan.batchSize,
      shuffle: plan.shuffle,
      bpttSteps: plan.bpttSteps ?? null,
      rows: plan.data.inputs[0].rows,
    }
    for (const [name, value] of Object.entries(now)) {
      const before = json[name as keyof typeof now]
      if (before !== value) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `fit 'resume': the checkpoint was made with ${name} ${before}, this run has ${value}`,
          'resume with the same data and options',
        )
      }
    }
    // Callbacks find their state by name, the second of a name the second: some, such as progress,
    // may come or go. They come first, as they may refuse.
    const left = json.callbacks.map((saved, i) => ({ ...saved, weights: arrays[`callback/${i}`] }))
    for (const callback of plan.callbacks) {
      const at = left.findIndex(({ name }) => name === callback.name)
      if (at < 0) continue
      const [{ json, weights }] = left.splice(at, 1)
      const { size } = this.#model.parameters.values
      if (weights && weights.length !== size) {
        throw new RefrainError(
          'BAD_FILE',
          `fit 'resume': expected ${size} weights kept by callback '${callback.name}', ` +
            `the checkpoint has ${weights.length}`,
        )
      }
      callback.writeState?.({ json, weights })
    }
    this.#moving.slots.forEach((slot, i) => {
      slot.values.set(arrays[`optimizer/${this.#optimizer.slots[i]}`])
    })
    const states = Object.entries(json.states).map(([name, shape]) => {
      return [name, { shape, values: arrays[`states/${name}`] }] as const
    })
    this.#model.states?.write(Object.fromEntries(states))
    this.#iteration = json.iteration
    this.#learningRate = json.learningRate
    this.#averagingSince = json.averagingSince
    this.#numbers.state = json
  }
}

/** Losses and metrics of each output over the batches so far. */
class Numbers {
  /** Metrics by output. */
  readonly metrics: readonly Metric[][]
  readonly #outputs: readonly OutputPlan[]
  /** For each output the sum of its losses and of their rows. */
  #losses: [number, number][]

  constructor(outputs: readonly OutputPlan[]) {
    this.#outputs = outputs
    this.#losses = outputs.map(() => [0, 0])
    this.metrics = outputs.map(({ loss, metrics }) =>
      metrics.map((config) => makeMetric(config, loss!)),
    )
  }

  addLoss(output: number, value: number, rows: number): void {
    this.#losses[output][0] += value * rows
    this.#losses[output][1] += rows
  }

  reset(): void {
    this.#losses = this.#outputs.map(() => [0, 0])
    for (const metric of this.metrics.flat()) metric.reset()
  }

  /** As Keras: losses by output only where there are several, and then metrics with its name. */
  get logs(): Logs {
    const logs: Logs = {}
    const several = this.#outputs.length > 1
    if (this.#outputs.filter(({ loss }) => loss).length > 1) {
      this.#outputs.forEach(({ name, loss }, i) => {
        const [sum, rows] = this.#losses[i]
        if (loss) logs[`${name}_loss`] = sum / Math.max(1, rows)
      })
    }
    this.#outputs.forEach(({ name }, i) => {
      for (const metric of this.metrics[i]) {
        for (const [own, value] of Object.entries(metric.logs)) {
          logs[several ? `${name}_${own}` : own] = value
        }
      }
    })
    return logs
  }

  /** valLoss, valAccuracy; with an output's name before it val_tags_loss. */
  validationName(name: string): string {
    const ofOutput = this.#outputs.length > 1 && name !== 'loss'
    return ofOutput ? `val_${name}` : `val${name[0].toUpperCase()}${name.slice(1)}`
  }

  /** What a checkpoint keeps. */
  get state(): { losses: [number, number][]; metrics: Metric['state'][] } {
    return {
      losses: this.#losses.map((sums) => [...sums]),
      metrics: this.metrics.flat().map((metric) => metric.state),
    }
  }

  set state({ losses, metrics }) {
    this.#losses = losses.map((sums) => [...sums])
    this.metrics.flat().forEach((metric, i) => {
      metric.state = metrics[i]
    })
  }
}

/** What regularizers of the weights add to the loss; while `ctx` records, their gradients too. */
function weightPenalty(ctx: Context, { trainable }: ParameterSet): number {
  let sum = 0
  for (const { parameter } of trainable) {
    const { regularizer } = parameter
    if (!regularizer) continue
    const { value } = parameter
    sum += regularize(ctx.kernels, regularizer, value, ctx.recording ? ctx.gradientOf(value) : null)
  }
  return sum
}

/** A batch's tensors; targets and weights by output. */
interface Batch {
  readonly rows: number
  readonly inputs: Tensor[]
  readonly targets: (Tensor | null)[]
  readonly weights: (Tensor | null)[]
}

function makeBatch(arena: Arena, data: TrainingData, rows: Int32Array): Batch {
  const tensorOf = (column: Column) => batchOf(arena, column, rows)
  // Ragged targets and weights have the lengths of an input, so they are padded to as many steps.
  return {
    rows: rows.length,
    inputs: data.inputs.map(tensorOf),
    targets: data.targets.map((target) => target && tensorOf(target)),
    weights: data.weights.map((weights) => weights && tensorOf(weights)),
  }
}

/** A weight for every row of the loss: a weight for each example counts for all of its steps. */
export function rowWeights(weights: Tensor | null, prediction: Tensor): Float32Array | null {
  if (!weights) return null
  const rowShape = prediction.shape.slice(0, -1)
  const rows = sizeOf(rowShape)
  if (weights.size !== rowShape[0] && weights.size !== rows) {
    const fitting = [rowShape.slice(0, 1), rowShape].slice(0, rowShape.length).map(show)
    throw new RefrainError(
      'BAD_SHAPE',
      `'sampleWeight': expected shape ${fitting.join(' or ')}, got ${show([...weights.shape])}`,
    )
  }
  const { values } = weights
  const steps = rows / weights.size
  const out = new Float32Array(rows)
  for (let i = 0; i < rows; i++) out[i] = values[Math.floor(i / steps)]
  return out
}
