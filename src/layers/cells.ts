/** Keras's cells: those of the recurrent layers, and several as one. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Cell, type CellStep } from './cell.ts'
import { cellOptionNames } from './cell-layer.ts'
import { Gru, type GruOptions } from './gru.ts'
import { type LayerOptions, layerOptions, plainOptions, type Shape } from './layer.ts'
import { Lstm, type LstmOptions, lstmOptionNames } from './lstm.ts'
import { type RecurrentLayer, sequenceOptionNames } from './recurrent.ts'
import { SimpleRnn, type SimpleRnnOptions } from './simple-rnn.ts'

type SequenceOption = (typeof sequenceOptionNames)[number]
const isSequenceOption = (name: string) => sequenceOptionNames.includes(name as SequenceOption)

/** A recurrent layer's step: the layer runs sequences of one step. */
class LayerCell extends Cell {
  readonly kind: string
  readonly layer: RecurrentLayer

  constructor(kind: string, layer: RecurrentLayer, options: LayerOptions) {
    super(options)
    this.kind = kind
    this.layer = layer
    this.layer.name ||= layer.kind
  }

  get outputSize() {
    return this.layer.outputSize
  }

  get stateSizes() {
    return this.layer.stateSizes
  }

  get stateNames() {
    return this.layer.stateNames
  }

  override get children() {
    return [{ role: this.layer.kind, layer: this.layer }]
  }

  /** The weights are the cell's own. */
  override nameParameters(prefix: string, trainable = true): void {
    this.layer.nameParameters(prefix, trainable && this.trainable)
  }

  options() {
    const entries = Object.entries({ ...this.layer.options(), ...this.layer.rules })
    return Object.fromEntries(entries.filter(([name]) => !isSequenceOption(name)))
  }

  copy(): Cell {
    const { name, trainable } = this
    return new LayerCell(this.kind, this.layer.copy(this.layer.rules), { name, trainable })
  }

  protected override declare([[batch, features]]: readonly Shape[]) {
    this.layer.build([[batch, null, features]])
  }

  begin(ctx: Context, rows: number): CellStep {
    // The masks of dropout are the same for all steps: each step draws them again.
    const again = ctx.sameDraws()
    return (x, states) => {
      const sequence = x.view([rows, 1, x.shape[1]])
      const result = ctx.seeded(this.layer, () =>
        again(() => this.layer.run(ctx, sequence, states, false)),
      )
      return { ...result, output: result.last }
    }
  }
}

/** A recurrent layer's options but for those that only a sequence has. */
type WithoutSequence<Options> = Omit<Options, SequenceOption | 'activityRegularizer'>

/** Options of `lstmCell`: `lstm`'s that one step has. */
export type LstmCellOptions = WithoutSequence<LstmOptions>

/** Options of `gruCell`: `gru`'s that one step has. */
export type GruCellOptions = WithoutSequence<GruOptions>

/** Options of `simpleRnnCell`: `simpleRnn`'s that one step has. */
export type SimpleRnnCellOptions = WithoutSequence<SimpleRnnOptions>

/**
 * The step of `lstm`, for `rnn` and `stackedRnnCells`: states h and c. One dropout mask serves all steps;
 * zoneout draws anew at each. Keras's `LSTMCell`, with the variants of `lstm`.
 */
export function lstmCell(options: LstmCellOptions): Cell {
  const make = (given: LstmCellOptions) => new Lstm(given)
  return layerCell('lstmCell', make, options, lstmOptionNames)
}

/** The step of `gru`, for `rnn` and `stackedRnnCells`: state h. Keras's `GRUCell`. */
export function gruCell(options: GruCellOptions): Cell {
  const names = [...cellOptionNames, 'recurrentActivation', 'resetAfter']
  return layerCell('gruCell', (given: GruCellOptions) => new Gru(given), options, names)
}

/** The step of `simpleRnn`, for `rnn` and `stackedRnnCells`: state h. Keras's `SimpleRNNCell`. */
export function simpleRnnCell(options: SimpleRnnCellOptions): Cell {
  const make = (given: SimpleRnnCellOptions) => new SimpleRnn(given)
  return layerCell('simpleRnnCell', make, options, cellOptionNames)
}

function layerCell<Options extends LayerOptions>(
  kind: string,
  make: (options: Options) => RecurrentLayer,
  options: Options,
  names: readonly string[],
): Cell {
  layerOptions(
    kind,
    options,
    names.filter((name) => !isSequenceOption(name)),
    plainOptions,
  )
  const { name, trainable, ...rest } = options
  return new LayerCell(kind, make(rest as Options), { name, trainable })
}

class StackedCells extends Cell {
  readonly kind = 'stackedRnnCells'
  readonly cells: readonly Cell[]

  constructor(cells: readonly Cell[], options: LayerOptions) {
    super(options)
    this.cells = cells
    cells.forEach((cell, i) => {
      cell.name ||= `${cell.kind}_${i}`
    })
  }

  get outputSize() {
    return this.cells[this.cells.length - 1].outputSize
  }

  get stateSizes() {
    return this.cells.flatMap(({ stateSizes }) => stateSizes)
  }

  get stateNames() {
    return this.cells.flatMap(({ stateNames }, i) => stateNames.map((name) => `${name}.${i}`))
  }

  override get children() {
    return this.cells.map((layer, i) => ({ role: `cell${i}`, layer }))
  }

  options() {
    return { cells: this.cells.map(({ config }) => config) }
  }

  copy(): Cell {
    const { name, trainable } = this
    return new StackedCells(
      this.cells.map((cell) => cell.copy()),
      { name, trainable },
    )
  }

  protected override declare([[batch, features]]: readonly Shape[]) {
    let width = features
    for (const cell of this.cells) {
      cell.build([[batch, width]])
      width = cell.outputSize
    }
  }

  begin(ctx: Context, rows: number): CellStep {
    const steps = this.cells.map((cell) => cell.begin(ctx, rows))
    return (x, states) => {
      let output = x
      let start = 0
      const gates: Record<string, Tensor> = {}
      const after = steps.flatMap((step, i) => {
        const { length } = this.cells[i].stateSizes
        const result = step(output, states.slice(start, start + length))
        start += length
        output = result.output
        for (const name in result.gates) gates[`${name}.${i}`] = result.gates[name]
        return result.states
      })
      return { output, states: after, gates }
    }
  }
}

/**
 * Several cells as one: each takes the output of the one before. The states are those of the first cell,
 * then of the second, and so on; the output is the last cell's. Keras's `StackedRNNCells`.
 */
export function stackedRnnCells(cells: readonly Cell[], options: LayerOptions = {}): Cell {
  const isCell = (cell: unknown) => cell instanceof Cell
  if (!Array.isArray(cells) || cells.length === 0 || !cells.every(isCell)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `stackedRnnCells: expected an array of cells such as [lstmCell({ units: 64 })], got ${show(cells)}`,
    )
  }
  if (new Set(cells).size < cells.length) {
    throw new RefrainError('BAD_ARGUMENT', 'stackedRnnCells: a cell stands there twice')
  }
  return new StackedCells(cells, layerOptions('stackedRnnCells', options, [], plainOptions))
}
