/**
 * Moves a model's weights after each step's gradients are known. Large tables (embeddings) are moved
 * a row at a time where the optimizer allows it: only the rows that the batch has used. What it would
 * have done to the other rows is put off until they are read, so a step costs what its batch holds,
 * not what the table holds, and the weights are those of the plain method, bit for bit.
 */
import type { Backend, Floats } from '../kernels/kernels.ts'
import { projection } from '../tensor/constraints.ts'
import type { Context } from '../tensor/context.ts'
import type { Parameter, ParameterSet, Place } from '../tensor/parameter.ts'
import { UsedRows } from '../tensor/rows.ts'
import { allocateTensor, type Tensor } from '../tensor/tensor.ts'
import { isSpared, type Optimizer, type Update } from './optimizer.ts'

/** Tables of fewer elements lie in the cache and are moved as a whole. */
const smallestTable = 1 << 16
/** Steps that may be put off. */
const longestDelay = 1024

/** Whether of this parameter only the rows used are moved. */
export const movesByRows = (optimizer: Optimizer, { parameter, size }: Place): boolean =>
  optimizer.idle !== null &&
  parameter.byRows &&
  size >= smallestTable &&
  !parameter.regularizer &&
  !parameter.constraint

/** A table whose rows are moved one by one. */
interface Table {
  readonly parameter: Parameter
  readonly start: number
  readonly used: UsedRows
  /** [V] the first step, of those put off, that each row lacks */
  readonly done: Tensor
  /** Whether weight decay leaves it alone. */
  readonly spared: boolean
}

/** Neighbouring parameters, moved by one call. */
interface Run {
  /** The first of them. */
  readonly parameter: Parameter
  /** Whether weight decay leaves them alone. */
  readonly spared: boolean
  readonly weights: Tensor
  readonly gradients: Tensor
  readonly slots: readonly Tensor[]
}

/** A step's gradients, complete after the backward pass. */
export interface Gradients {
  /** All of them in few arrays. */
  readonly arrays: readonly Tensor[]
  /** Each parameter's; of a table, those of the rows used. */
  each(): { parameter: Parameter; gradient: Tensor }[]
}

export class Updater {
  readonly #backend: Backend
  readonly #parameters: ParameterSet
  readonly #optimizer: Optimizer
  readonly #tables: readonly Table[]
  readonly #runs: readonly Run[]
  /** The parameters in `#runs`. */
  readonly #whole: readonly Parameter[]
  /** Where each gradient lies within those of the runs. */
  readonly #homes: readonly { readonly parameter: Parameter; readonly home: Tensor }[]
  readonly #slots: readonly Tensor[]
  /** The optimizer's factors of the steps put off, and their number. */
  readonly #rates: Tensor
  readonly #keeps: Tensor
  /** Ones: what tables without weight decay keep. */
  readonly #all: Tensor
  #count = 0
  readonly #projections: readonly (readonly [Parameter, (weights: Floats) => void])[]

  constructor(backend: Backend, parameters: ParameterSet, optimizer: Optimizer) {
    this.#backend = backend
    this.#parameters = parameters
    this.#optimizer = optimizer
    const { heap } = backend
    const spares = ({ path }: Parameter) => isSpared(optimizer.options, path)
    const inTable = (place: Place) => movesByRows(optimizer, place)
    this.#projections = parameters.trainable.flatMap(({ parameter }) => {
      const { path, constraint, shape } = parameter
      return constraint ? [[parameter, projection(path, constraint, shape)] as const] : []
    })
    this.#slots = optimizer.slots.map((name) => {
      const slot = allocateTensor(heap, [parameters.trainableSize])
      slot.values.fill(optimizer.initial?.[name] ?? 0)
      return slot
    })
    this.#tables = parameters.trainable.filter(inTable).map(({ parameter, start }) => {
      const done = allocateTensor(heap, [parameter.shape[0]], 'int32')
      const used = new UsedRows(parameter.shape, (rows) => this.#catchUp(table, rows))
      const table: Table = { parameter, start, used, done, spared: spares(parameter) }
      return table
    })
    const delay = this.#tables.length > 0 ? longestDelay : 0
    this.#rates = allocateTensor(heap, [delay])
    this.#keeps = allocateTensor(heap, [delay])
    this.#all = allocateTensor(heap, [delay])
    this.#all.values.fill(1)
    const whole = parameters.trainable.filter((place) => !inTable(place))
    this.#whole = whole.map(({ parameter }) => parameter)
    const gradients = parameters.allocateGradients(whole)
    const runs: (Place & { size: number; readonly spared: boolean })[] = []
    for (const { parameter, start, size } of whole) {
      const last = runs.at(-1)
      const spared = spares(parameter)
      const joins = last && last.start + last.size === start && last.spared === spared
      if (joins && !optimizer.perParameter) last.size += size
      else runs.push({ parameter, start, size, spared })
    }
    let at = 0
    this.#homes = whole.map(({ parameter, size }) => {
      at += size
      return { parameter, home: gradients.part(at - size, parameter.shape) }
    })
    at = 0
    this.#runs = runs.map(({ parameter, start, size, spared }) => {
      const run = {
        parameter,
        spared,
        weights: parameters.memory.part(start, [size]),
        gradients: gradients.part(at, [size]),
        slots: this.#slots.map((slot) => slot.part(start, [size])),
      }
      at += size
      return run
    })
  }

  /** The optimizer's arrays as a checkpoint holds them, in the order of its slots. */
  get slots(): readonly Tensor[] {
    this.settle()
    return this.#slots
  }

  /** Before a step: forgets the gradients of the last one. */
  begin(): void {
    if (this.#count === longestDelay) this.settle()
    this.#parameters.clearGradients()
    // Another trainer of the same parameters may have put its own there.
    for (const { parameter, home } of this.#homes) {
      // One that moved a table's rows one by one may have left that, or a step of its own, unfinished.
      parameter.settle?.()
      parameter.settle = null
      parameter.usedRows = null
      parameter.memory.gradientHome = home
    }
    for (const { parameter, used } of this.#tables) {
      // Another model's trainer, or one before this, may have put something off.
      if (parameter.settle !== this.settle) parameter.settle?.()
      parameter.settle = this.settle
      used.reset()
      parameter.usedRows = used
    }
  }

  /** After the backward pass: the step's gradients. */
  gradients(ctx: Context): Gradients {
    const arrays = this.#runs.map(({ gradients }) => gradients)
    for (const { parameter, used } of this.#tables) {
      parameter.usedRows = null
      if (used.gradient) arrays.push(used.gradient)
    }
    // Nothing may have flowed to some of those that stand side by side.
    for (const parameter of this.#whole) ctx.gradientOf(parameter.memory)
    return { arrays, each: () => this.#each() }
  }

  #each() {
    const found: { parameter: Parameter; gradient: Tensor }[] = []
    for (const { parameter } of this.#parameters.trainable) {
      const table = this.#tables.find((table) => table.parameter === parameter)
      const gradient = table ? table.used.gradient : parameter.memory.gradient
      if (gradient) found.push({ parameter, gradient })
    }
    return found
  }

  /** Adds the step's gradients to those of the batches before, or, `last`, makes them their mean. */
  accumulate(steps: number, last: boolean): void {
    const { kernels } = this.#backend
    const at = this.#optimizer.slots.indexOf('accumulated')
    for (const { gradients, slots } of this.#runs) {
      const { size } = gradients
      const [sum, step] = [slots[at].values, gradients.values]
      kernels.addScaled(step, sum, 1, size)
      if (!last) continue
      kernels.fill(step, 0, size)
      kernels.addScaled(sum, step, 1 / steps, size)
      kernels.fill(sum, 0, size)
    }
  }

  /** The average of the trainable weights, if the optimizer keeps one. */
  get average(): Tensor | null {
    return this.#slots[this.#optimizer.slots.indexOf('average')] ?? null
  }

  /** Takes the weights into their average with this share. */
  follow(share: number): void {
    const { kernels } = this.#backend
    const average = this.average!
    const { size } = average
    const weights = this.#parameters.memory.part(0, [size])
    if (share === 1) {
      average.values.set(weights.values)
      return
    }
    kernels.addScaled(average.values, average.values, -share, size)
    kernels.addScaled(weights.values, average.values, share, size)
  }

  /** Makes weights what their constraints say. */
  constrain(): void {
    for (const [parameter, project] of this.#projections) {
      project(parameter.value.values)
      parameter.version++
    }
  }

  /** Exchanges the weights and their average. */
  exchange(): void {
    const kept = this.average!.values.slice()
    this.follow(1)
    this.#parameters.memory.part(0, [kept.length]).values.set(kept)
    this.#parameters.touch()
  }

  /** Puts the average in the place of the weights. */
  takeAverage(): void {
    const { values, size } = this.average!
    this.#parameters.memory.part(0, [size]).values.set(values)
    this.#parameters.touch()
  }

  /** Moves the weights; `step` counts from 0. */
  apply(ctx: Context, moved: Pick<Update, 'step' | 'rate' | 'scale'>): void {
    const { kernels } = this.#backend
    const { step, rate, scale } = moved
    // Each by name: V8 keeps what a rest makes until memory is short, 30 MB of small steps.
    for (const { spared, parameter, weights, gradients, slots } of this.#runs) {
      const decayRate = spared ? 0 : rate
      const move = { parameter, weights, gradients, slots, ctx, step, rate, decayRate, scale }
      this.#optimizer.apply(kernels, move)
    }
    if (this.#tables.length > 0) {
      const { idle } = this.#optimizer
      if (idle !== null && idle !== 'nothing') {
        const [rate, keep] = idle.factors(moved.step, moved.rate)
        this.#rates.values[this.#count] = rate
        this.#keeps.values[this.#count] = keep
        this.#count++
      }
      for (const table of this.#tables) this.#moveRows(ctx, table, moved)
    }
    this.#parameters.touch()
  }

  /** Takes the rows used out of the table, moves them and puts them back. */
  #moveRows(ctx: Context, table: Table, moved: Pick<Update, 'step' | 'rate' | 'scale'>): void {
    const { kernels } = this.#backend
    const { used } = table
    const [, dim] = table.parameter.shape
    if (!used.gradient) return
    const rows = used.rows(ctx)
    const wholes = [this.#parameters.memory, ...this.#slots].map((whole) =>
      whole.part(table.start, table.parameter.shape),
    )
    const parts = wholes.map((whole) => {
      const part = ctx.empty([used.count, dim])
      kernels.gather(whole.values, rows.ints, part.values, used.count, dim)
      return part
    })
    const [weights, ...slots] = parts
    const decayRate = table.spared ? 0 : moved.rate
    this.#optimizer.apply(kernels, {
      ...moved,
      ctx,
      parameter: table.parameter,
      decayRate,
      weights,
      gradients: used.gradient,
      slots,
    })
    parts.forEach((part, i) => {
      kernels.scatter(part.values, rows.ints, wholes[i].values, used.count, dim)
    })
    const done = table.done.ints
    for (const row of rows.ints) done[row] = this.#count
  }

  /** Makes up for all that has been put off. */
  readonly settle = (): void => {
    if (this.#count === 0) return
    for (const table of this.#tables) {
      this.#catchUp(table, null)
      table.done.ints.fill(0)
    }
    this.#count = 0
  }

  /** Makes up for what has been put off and leaves the parameters, which would keep its memory. */
  release(): void {
    this.settle()
    this.#parameters.clearGradients()
    for (const { parameter, home } of this.#homes) {
      const { memory } = parameter
      if (memory.gradientHome === home) memory.gradientHome = null
    }
    for (const { parameter, used } of this.#tables) {
      if (parameter.settle === this.settle) parameter.settle = null
      if (parameter.usedRows === used) parameter.usedRows = null
    }
  }

  /** Makes up for what has been put off in some rows of a table, or in all. */
  #catchUp({ parameter, start, done, spared }: Table, rows: Tensor | null): void {
    const { idle } = this.#optimizer
    if (idle === null || idle === 'nothing' || this.#count === 0) return
    idle.replay(this.#backend.kernels, {
      weights: this.#parameters.memory.part(start, parameter.shape),
      slots: this.#slots.map((slot) => slot.part(start, parameter.shape)),
      done,
      rows,
      rates: this.#rates,
      keeps: spared ? this.#all : this.#keeps,
      count: this.#count,
    })
  }
}
