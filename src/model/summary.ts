/** The table that Keras's `summary()` prints. */
import type { Shape } from '../layers/layer.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import type { Graph } from './graph.ts'
import { Nested } from './nested.ts'
import { isLine, type Station, stationsOf } from './order.ts'

/** How `model.summary` prints. */
export interface SummaryOptions {
  /** Width of the table in characters; default 76, Keras's on a terminal of 80. */
  lineLength?: number
  /** Show the layers of models inside the model, too. Default false. */
  expandNested?: boolean
}

const count = (n: number) => n.toLocaleString('en')

/** (None, 20, 8); of several outputs a list of them. */
function showShapes(shapes: readonly Shape[]): string {
  const shown = shapes.map((shape) => `(${shape.map((n) => n ?? 'None').join(', ')})`)
  return shown.length === 1 ? shown[0] : `[${shown.join(', ')}]`
}

const sizeOf = (parameters: readonly Parameter[]) =>
  parameters.reduce((sum, { size }) => sum + size, 0)

/** 16 (64.00 B): a number of weights, of 4 bytes each. */
function withBytes(weights: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
  let size = weights * 4
  let unit = 0
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024
  return `${count(weights)} (${size.toFixed(2)} ${units[unit]})`
}

/** A table of the layers with their output shapes and numbers of parameters. */
export function summarize(
  name: string,
  kind: 'model' | 'sequential',
  graph: Graph,
  options: SummaryOptions = {},
): string {
  checkOptions('summary', options, ['lineLength', 'expandNested'])
  const { expandNested = false } = options
  const length = checkInteger("summary 'lineLength'", options.lineLength ?? 76, 40)
  const line = isLine(graph)
  const stations = stationsOf(graph)
  const rows = stations
    .filter(({ layer }) => layer || kind === 'model')
    .flatMap((station) => rowsOf(station, line, expandNested, 0))
  const header = ['Layer (type)', 'Output Shape', 'Param #', 'Connected to']
  const widths = line
    ? columnWidths(length, [0.45, 0.8, 1], [3, 4, 3])
    : columnWidths(length, [0.3, 0.56, 0.74, 1], [3, 3, 4, 3])
  const all = [...new Set(stations.flatMap(({ layer }) => layer?.parameters ?? []))]
  const trainable = all.filter((parameter) => parameter.trainable)
  return [
    `Model: "${name}"`,
    ...table(header.slice(0, widths.length), rows, widths),
    ` Total params: ${withBytes(sizeOf(all))}`,
    ` Trainable params: ${withBytes(sizeOf(trainable))}`,
    ` Non-trainable params: ${withBytes(sizeOf(all) - sizeOf(trainable))}`,
  ].join('\n')
}

function rowsOf(station: Station, line: boolean, expand: boolean, level: number): string[][] {
  const { name, type, layer, shapes, sources } = station
  const connections = sources.map(({ from, call, output }) => `${from.name}[${call}][${output}]`)
  const row = [
    `${level > 0 ? `${'   '.repeat(level)}└ ` : ''}${name} (${type})`,
    showShapes(shapes),
    count(sizeOf(layer?.parameters ?? [])),
    ...(line ? [] : [level > 0 ? '-' : connections.join(', ') || '-']),
  ]
  if (!expand || !(layer instanceof Nested)) return [row]
  const inner = stationsOf(layer.graph).filter((one) => one.layer || layer.kind === 'model')
  return [row, ...inner.flatMap((one) => rowsOf(one, line, expand, level + 1))]
}

/** Keras's shares of the line, less what its table takes from each column for borders. */
function columnWidths(length: number, ends: readonly number[], less: readonly number[]): number[] {
  let start = 0
  return ends.map((end, i) => {
    const width = Math.trunc(end * length) - start
    start += width
    return width - less[i]
  })
}

function table(
  header: readonly string[],
  rows: readonly string[][],
  widths: readonly number[],
): string[] {
  const rule = (left: string, fill: string, middle: string, right: string) =>
    left + widths.map((width) => fill.repeat(width + 2)).join(middle) + right
  const lines = (cells: readonly string[], bar: string) => {
    const wrapped = cells.map((cell, i) => wrap(cell, widths[i]))
    const height = Math.max(...wrapped.map((one) => one.length))
    return Array.from({ length: height }, (_, row) => {
      const shown = wrapped.map((one, i) => {
        const text = one[row] ?? ''
        return i === 2 ? text.padStart(widths[i]) : text.padEnd(widths[i])
      })
      return `${bar} ${shown.join(` ${bar} `)} ${bar}`
    })
  }
  return [
    rule('┏', '━', '┳', '┓'),
    ...lines(header, '┃'),
    rule('┡', '━', '╇', '┩'),
    ...rows.flatMap((row, i) => [...(i > 0 ? [rule('├', '─', '┼', '┤')] : []), ...lines(row, '│')]),
    rule('└', '─', '┴', '┘'),
  ]
}

/** Lines of at most `width` characters, broken at spaces; longer words are cut short. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.match(/\s*\S+\s*/g) ?? []) {
    if (line.length + word.trimEnd().length <= width) {
      line += word
      continue
    }
    if (line) lines.push(line)
    line = word
  }
  return [...lines, line]
    .map((one) => one.trimEnd())
    .map((one) => (one.length > width ? `${one.slice(0, width - 1)}…` : one))
}
