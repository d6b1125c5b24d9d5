/**
 * The training loop. It knows parameters, a forward function, a loss and an optimizer; it never
 * names a layer.
 */
import { epochBatches, lengthBatches } from '../data/batches.ts'
import { RefrainError } from '../errors.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Batch, makeBatch, rowWeights } from './batch.ts'
import type { Logs, Run } from './callbacks.ts'
import { clipGradients, gradientNorm } from './clipping.ts'
import { axisLast, axisOf, computeLoss, isMeanOfRows, windowWeight } from './losses.ts'
import { Numbers } from './numbers.ts'
import type { Optimizer } from './optimizer.ts'
import { pauser } from './pause.ts'
import { weightPenalty } from './penalty.ts'
import {
  type FitPlan,
  type History,
  type OutputPlan,
  type StepNumbers,
  settingsOf,
  type Trainable,
  type TrainerState,
  type TrainingData,
  type TrainingPlan,
} from './plan.ts'
import { rateAt } from './schedules.ts'
import { seenBy } from './source.ts'
import { type Gradients, Updater } from './updater.ts'
import { type Piece, piecesOf, windowData } from './windows.ts'

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

  /** One optimizer step. */
  #step(plan: FitPlan, piece: Piece): StepNumbers {
    const { ctx, loss, weight } = this.#pass(plan, piece, {
      StepContext: plan.numerics?.StepContext ?? this.#Context,
      carries: !!plan.bpttSteps,
      numbers: this.#numbers,
    })
    const moved = ctx.within('optimizer', () => this.#update(ctx, loss))
    ctx.finishStep()
    this.#iteration++
    return { loss, weight, ...moved }
  }

  /** A step's loss and gradients, in a new context. Notes losses and metrics in `numbers`. */
  #pass<C extends Context>(
    { seed, bpttSteps }: FitPlan,
    piece: Piece,
    given: {
      StepContext: new (...options: ConstructorParameters<typeof Context>) => C
      carries: boolean
      numbers: Numbers
    },
  ): { ctx: C; loss: number; weight: number } {
    const { backend, parameters, states } = this.#model
    const { StepContext, carries, numbers } = given
    if (bpttSteps && piece.from === 0) states?.reset(true)
    // A callback may have built or trained a model that shares layers with this one.
    parameters.claim()
    this.#arena.reset()
    const random = { seed, step: this.#iteration }
    const options = { training: true, random, penalties: true, carries }
    const ctx = new StepContext(backend, this.#arena, options)
    const batch = ctx.within('batching', () => this.#batch(piece, !!bpttSteps))
    ctx.within('optimizer', () => this.#moving.begin())
    const predictions = this.#model.run(ctx, batch.inputs)
    const { value, weight } = ctx.within('loss', () =>
      this.#losses(ctx, predictions, batch, numbers, piece, !!bpttSteps),
    )
    ctx.backward()
    return { ctx, loss: value + (ctx.penalty ?? 0) + weightPenalty(ctx, parameters), weight }
  }

  /** A step under the eyes of `plan.numerics`, if it is there. */
  #watchedStep(plan: FitPlan, piece: Piece): StepNumbers {
    const step = () => this.#step(plan, piece)
    const { numerics } = plan
    if (!numerics) return step()
    const again = () => {
      const carries = !!plan.bpttSteps || !!this.#model.states?.stateful
      const numbers = new Numbers(this.#outputs)
      const given = { StepContext: numerics.AgainContext, carries, numbers }
      const { ctx, loss } = this.#pass(plan, piece, given)
      return { ctx, loss, gradients: this.#moving.gradients(ctx) }
    }
    return numerics.run({ model: this.#model, piece, iteration: this.#iteration, step, again })
  }

  /** The rows of a piece, or its window of them. */
  #batch(piece: Piece, windows: boolean): Batch {
    if (!windows) return makeBatch(this.#arena, piece.data, piece.rows)
    const rows = piece.rows.map((_, i) => i)
    return makeBatch(this.#arena, windowData(piece), rows)
  }

  /** As `#step`; null if numbers are not finite and a callback ends training for it. */
  #tryStep(plan: FitPlan, piece: Piece, run: Run) {
    try {
      return this.#watchedStep(plan, piece)
    } catch (error) {
      const watching = plan.callbacks.filter(({ onNotFinite }) => onNotFinite)
      if (!(error instanceof RefrainError) || error.code !== 'NOT_FINITE') throw error
      if (watching.length === 0) throw error
      for (const callback of watching) callback.onNotFinite!(run, error)
      return null
    }
  }

  /**
   * The sum of the outputs' losses by their weights, and how much it counts in the mean over pieces; sets
   * gradients where `ctx` records. Notes metrics and losses in `numbers`.
   */
  #losses(
    ctx: Context,
    predictions: readonly Tensor[],
    batch: Batch,
    numbers: Numbers,
    piece: Piece,
    windows: boolean,
  ): { value: number; weight: number } {
    let sum = 0
    let first: number | null = null
    this.#outputs.forEach(({ loss, weight }, i) => {
      if (!loss) return
      const [prediction, target] = [predictions[i], batch.targets[i]!]
      const weights = (axis?: number) => rowWeights(batch.weights[i], prediction, axis)
      // As Keras's `metrics`, most do not look at weights.
      for (const metric of numbers.metrics[i]) {
        const { axis, weighted } = metric
        metric.update(
          ctx,
          ...axisLast(ctx, axis, prediction, target),
          weighted ? weights(axis) : null,
        )
      }
      const only = this.#outputs.length === 1
      const each = weights(axisOf(loss))
      const value = computeLoss(ctx, loss, prediction, target, each, weight, only)
      const counted = windows ? windowWeight(ctx, loss, prediction, target, each) : piece.weight
      numbers.addLoss(i, value, counted)
      first ??= counted
      sum += weight * value
    })
    return { value: sum, weight: first ?? piece.weight }
  }

  /** Moves the weights by the gradients. */
  #update(ctx: Context, loss: number): Omit<StepNumbers, 'loss' | 'weight'> {
    const updater = this.#moving
    const { options, average } = this.#optimizer
    const { gradientAccumulationSteps: every = 1, useEma, emaOverwriteFrequency } = options
    const step = Math.floor(this.#iteration / every)
    const last = (this.#iteration + 1) % every === 0
    const gradients = updater.gradients(ctx)
    let [clipped, norm] = [false, 0]
    if (every > 1) {
      norm = gradientNorm(ctx.kernels, gradients)
      this.#checkFinite(loss, norm, gradients)
      updater.accumulate(every, last)
    }
    if (last) {
      const clip = clipGradients(ctx.kernels, gradients, options)
      this.#checkFinite(loss, clip.norm, gradients)
      updater.apply(ctx, { step, rate: this.#currentRate(), scale: clip.scale })
      clipped = clip.acted
      norm = clip.norm
    }
    if (average && (last || useEma)) {
      updater.follow(average.share(step, this.#averagingSince))
      if (emaOverwriteFrequency && (step + 1) % emaOverwriteFrequency === 0) updater.takeAverage()
    }
    updater.constrain()
    return { clipped, norm }
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

  /**
   * Loss and metrics of a data set, without training. In windows of `bpttSteps` that carry the states
   * they are those of whole sequences, in the memory of a window.
   */
  async evaluate(
    data: TrainingData,
    batchSize: number,
    bpttSteps: number | null = null,
  ): Promise<Logs> {
    const numbers = new Numbers(this.#outputs)
    const pause = pauser()
    let total = 0
    let count = 0
    const { backend, parameters, states } = this.#model
    const windows = bpttSteps !== null
    const ofWeights = weightPenalty(new Context(backend, this.#arena), parameters)
    // Rows of like length together need less padding, and a mean over rows does not show it. With
    // a target for each step it would: Keras weighs each batch's mean over steps by its rows.
    const ragged = data.inputs.find((column) => column.offsets)
    const meansOnly = this.#outputs.every(({ loss, metrics }) =>
      [loss ?? [], metrics].flat().every(isMeanOfRows),
    )
    const batches =
      ragged &&
      meansOnly &&
      !data.targets.some((target) => target?.offsets) &&
      !this.#model.states?.stateful
        ? lengthBatches(ragged, batchSize)
        : epochBatches(data.inputs[0], batchSize, null, 0)
    for (const piece of piecesOf(data, batches, bpttSteps)) {
      if (windows && piece.from === 0) states?.reset(true)
      this.#arena.reset()
      const ctx = new Context(backend, this.#arena, { penalties: true, carries: windows })
      const batch = this.#batch(piece, windows)
      const predictions = this.#model.run(ctx, batch.inputs)
      const { value, weight } = this.#losses(ctx, predictions, batch, numbers, piece, windows)
      total += (value + (ctx.penalty ?? 0) + ofWeights) * weight
      count += weight
      await pause()
    }
    if (windows) states?.reset(true)
    this.#arena.reset()
    return { loss: count === 0 ? 0 : total / count, ...numbers.logs }
  }

  /**
   * With the average of the weights, if the optimizer keeps one for that; stateful layers start from
   * zeros, and training goes on where it was.
   */
  async #validate(data: TrainingData, { batchSize, bpttSteps }: FitPlan): Promise<Logs> {
    const averaged = this.#optimizer.average?.validated
    const { states } = this.#model
    const kept = states?.read() ?? {}
    if (averaged) this.#moving.exchange()
    states?.reset()
    try {
      return await this.evaluate(data, batchSize, bpttSteps)
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
    const { source, epochs, callbacks } = plan
    const { parameters } = this.#model
    let history: History = { epoch: [], history: {}, stopped: '', steps: 0, clippedSteps: 0 }
    let loss: [number, number] = [0, 0]
    let epoch = 0
    let step = 0
    let rowsSeen = 0
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
        return source.steps
      },
      get rowsSeen() {
        return rowsSeen
      },
      rows: source.rows,
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
      const { slots } = this.#moving
      const { states } = this.#model
      const json = plan.resume({ plan, weights: parameters.values.size, slots, states })
      this.#numbers.state = json
      this.#iteration = json.iteration
      this.#learningRate = json.learningRate
      this.#averagingSince = json.averagingSince
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
      if (step === 0) {
        loss = [0, 0]
        this.#numbers.reset()
      }
      rowsSeen = await source.begin(epoch, step)
      let piece: Piece | null
      while (true) {
        piece = await source.next()
        if (!piece || stopping) break
        const result = this.#tryStep(plan, piece, run)
        if (!result) break
        step++
        rowsSeen += seenBy(piece)
        history.steps++
        if (result.clipped) history.clippedSteps++
        loss[0] += result.loss * result.weight
        loss[1] += result.weight
        logs = this.#logs(loss)
        await call('onStepEnd', logs)
        await pause()
      }
      // Stopped within the epoch: its numbers are not those of an epoch.
      if (piece) break
      logs = this.#logs(loss)
      if (plan.validation) {
        const values = await this.#validate(plan.validation, plan)
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
    return { loss: loss[0] / (loss[1] || 1), ...this.#numbers.logs }
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
        ...settingsOf(plan),
        states,
        loss,
        ...this.#numbers.state,
        history,
        callbacks,
      },
    }
  }
}
