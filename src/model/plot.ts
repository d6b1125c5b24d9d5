/**
 * A model's graph as a picture. Boxes stand in rows by their distance from the inputs; a line that
 * passes rows has a point in each, so that it goes between their boxes; points and boxes are put in
 * order by the mean place of their neighbours (Sugiyama et al. 1981).
 */
import type { Layer, LayerCall, Shape, SymbolicTensor } from '../layers/layer.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'
import type { Graph } from './graph.ts'
import type { Model } from './model.ts'
import { className } from './order.ts'
import { valueNames } from './outputs.ts'

/** What `plotModel` draws. */
export interface PlotOptions {
  /** Show each layer's output shape. Default true. */
  showShapes?: boolean
  /** Show each layer's number of parameters. Default false. */
  showParameters?: boolean
}

/** An input, or a call of a layer: a layer that is called twice has two boxes. */
interface Station {
  readonly name: string
  readonly type: string
  /** Null for an input. */
  readonly layer: Layer | null
  readonly shapes: readonly Shape[]
  readonly sources: readonly Station[]
}

/** A box, or a point where a line passes a row. */
interface Spot {
  readonly station: Station | null
  readonly row: number
  readonly width: number
  readonly above: Spot[]
  readonly below: Spot[]
  x: number
}

const [charWidth, lineHeight, padding, gapX, gapY] = [7.3, 18, 12, 28, 44]
const margin = 16

/**
 * The model's graph as an SVG picture: a box for each input and each call of a layer with its name,
 * class and output shape, an arrow for each connection. Calls of a shared layer are numbered. Colours follow the reader's light or dark scheme. Keras's
 * `plot_model`.
 *
 *     await writeFile('model.svg', plotModel(model))
 */
export function plotModel(model: Model<Tensor | Tensor[]>, options: PlotOptions = {}): string {
  checkOptions('plotModel', options, ['showShapes', 'showParameters'])
  const { showShapes = true, showParameters = false } = options
  model.build().rename()
  const { graph } = model
  const stations = stationsOf(graph!)
  const textOf = (station: Station) => [
    station.name,
    station.type,
    ...(showShapes ? [station.shapes.map(showShape).join(' ')] : []),
    ...(showParameters ? [`${countOf(station).toLocaleString('en')} parameters`] : []),
  ]
  const texts = new Map(stations.map((station) => [station, textOf(station)]))
  const widthOf = (station: Station) =>
    Math.ceil(Math.max(...texts.get(station)!.map((text) => text.length)) * charWidth + 2 * padding)
  const rows = layOut(stations, widthOf)
  const lines = texts.get(stations[0])!.length
  const height = lines * lineHeight + padding
  const top = (row: number) => margin + row * (height + gapY)
  const width = Math.max(...rows.map((row) => row.at(-1)!.x + row.at(-1)!.width / 2)) + margin
  const total = top(rows.length - 1) + height + margin
  const boxes = rows.flat().flatMap(({ station, row, x, width }) => {
    if (!station) return []
    const left = x - width / 2
    const shown = texts
      .get(station)!
      .map((text, i) => {
        const y = top(row) + padding / 2 + (i + 0.75) * lineHeight
        return `<text x="${round(x)}" y="${round(y)}"${i === 0 ? ' class="name"' : ''}>${quote(text)}</text>`
      })
      .join('')
    const kind = station.layer ? 'layer' : 'input'
    return [
      `<g class="${kind}" data-name="${quote(station.name)}"><rect x="${round(left)}" ` +
        `y="${top(row)}" width="${width}" height="${height}" rx="6"/>${shown}</g>`,
    ]
  })
  const edges = linesOf(rows).map(({ spots, from, to }) => {
    const path = spots.slice(1).map((spot, i) => {
      const before = spots[i]
      const [y1, y2] = [top(before.row) + height, top(spot.row)]
      const passes = spot.station ? '' : ` V${top(spot.row) + height}`
      const middle = (y1 + y2) / 2
      const end = spot.station ? y2 - 2 : y2
      return (
        `C${round(before.x)} ${middle} ${round(spot.x)} ${middle} ` +
        `${round(spot.x)} ${end}${passes}`
      )
    })
    const start = `M${round(spots[0].x)} ${top(spots[0].row) + height}`
    return (
      `<path data-from="${quote(from.name)}" data-to="${quote(to.name)}" d="${start} ` +
      `${path.join(' ')}" marker-end="url(#refrain-arrow)"/>`
    )
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="refrain-plot" viewBox="0 0 ${round(width)} ${total}" ` +
      `width="${round(width)}" height="${total}" role="img">`,
    `<title>${quote(model.name)}</title>`,
    `<style>${style}</style>`,
    '<defs><marker id="refrain-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" ' +
      'markerHeight="8" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
    `<g class="edges">${edges.join('')}</g>`,
    ...boxes,
    '</svg>',
  ].join('\n')
}

/** Named, so that it reaches nothing else in a page that holds the picture. */
const style = [
  '.refrain-plot{--ink:#1c2330;--line:#5b6678;--layer:#eef3fb;--input:#e9f6ec}',
  '@media (prefers-color-scheme:dark){.refrain-plot{--ink:#e8ecf3;--line:#9aa6b8;--layer:#253044;' +
    '--input:#1f3a2b}}',
  '.refrain-plot text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink);' +
    'text-anchor:middle}',
  '.refrain-plot .name{font-weight:bold}',
  '.refrain-plot rect{stroke:var(--line);fill:var(--layer)}',
  '.refrain-plot .input rect{fill:var(--input)}',
  '.refrain-plot .edges path{fill:none;stroke:var(--line);stroke-width:1.5}',
  '.refrain-plot .head{fill:var(--line)}',
].join('')

const round = (value: number) => Math.round(value * 10) / 10
const showShape = (shape: Shape) => `(${shape.map((length) => length ?? 'None').join(', ')})`
const countOf = ({ layer }: Station) =>
  (layer?.parameters ?? []).reduce((sum, { size }) => sum + size, 0)
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const quote = (text: string) => text.replace(/[&<>"]/g, (one) => entities[one])

/** Inputs and calls, each after what it depends on. */
function stationsOf(graph: Graph): Station[] {
  const names = valueNames(graph.inputs)
  const made = new Map<SymbolicTensor | LayerCall, Station>()
  graph.inputs.forEach((input, i) => {
    const station = { name: names[i], type: 'InputLayer', layer: null }
    made.set(input, { ...station, shapes: [input.shape], sources: [] })
  })
  for (const call of graph.calls) {
    const { layer, inputs, outputs } = call
    const siblings = graph.calls.filter((one) => one.layer === layer)
    const number = siblings.length > 1 ? `, call ${siblings.indexOf(call) + 1}` : ''
    made.set(call, {
      name: layer.name + number,
      type: className(layer.kind),
      layer,
      shapes: outputs.map(({ shape }) => shape),
      sources: inputs.map((value) => made.get(value.node ?? value)!),
    })
  }
  return [...made.values()]
}

/** All spots by row, each row from left to right with their places. */
function layOut(stations: readonly Station[], widthOf: (station: Station) => number): Spot[][] {
  const rowOf = new Map<Station, number>()
  for (const station of stations) {
    const from = station.sources.map((source) => rowOf.get(source)!)
    rowOf.set(station, from.length > 0 ? 1 + Math.max(...from) : 0)
  }
  // An input stands right above what it is for.
  for (const station of stations) {
    if (station.layer) continue
    const users = stations.filter(({ sources }) => sources.includes(station))
    if (users.length > 0) {
      rowOf.set(station, Math.min(...users.map((user) => rowOf.get(user)!)) - 1)
    }
  }
  const rows: Spot[][] = []
  const add = (station: Station | null, row: number, width: number): Spot => {
    const spot: Spot = { station, row, width, above: [], below: [], x: 0 }
    rows[row] ??= []
    rows[row].push(spot)
    return spot
  }
  const spots = new Map<Station, Spot>()
  for (const station of stations) {
    spots.set(station, add(station, rowOf.get(station)!, widthOf(station)))
  }
  for (const station of stations) {
    const end = spots.get(station)!
    for (const source of new Set(station.sources)) {
      let spot = spots.get(source)!
      while (spot.row < end.row - 1) {
        const point = add(null, spot.row + 1, 12)
        join(spot, point)
        spot = point
      }
      join(spot, end)
    }
  }
  for (let sweep = 0; sweep < 6; sweep++) {
    place(rows)
    const down = sweep % 2 === 0
    for (const row of down ? rows : rows.toReversed()) {
      const mean = (spot: Spot) => {
        const near = down ? spot.above : spot.below
        return near.length > 0 ? near.reduce((sum, { x }) => sum + x, 0) / near.length : spot.x
      }
      const means = new Map(row.map((spot) => [spot, mean(spot)]))
      row.sort((a, b) => means.get(a)! - means.get(b)!)
    }
  }
  place(rows)
  return rows
}

function join(above: Spot, below: Spot): void {
  above.below.push(below)
  below.above.push(above)
}

/** Each row side by side, in the middle of the widest. */
function place(rows: readonly Spot[][]): void {
  const lengthOf = (row: readonly Spot[]) =>
    row.reduce((sum, { width }) => sum + width, 0) + (row.length - 1) * gapX
  const widest = Math.max(...rows.map(lengthOf))
  for (const row of rows) {
    let x = margin + (widest - lengthOf(row)) / 2
    for (const spot of row) {
      spot.x = x + spot.width / 2
      x += spot.width + gapX
    }
  }
}

/** Each connection as the spots that it goes through. */
function linesOf(rows: readonly Spot[][]): { spots: Spot[]; from: Station; to: Station }[] {
  const boxes = rows.flat().filter(({ station }) => station)
  return boxes.flatMap((start) =>
    start.below.map((first) => {
      const spots = [start, first]
      while (!spots.at(-1)!.station) spots.push(spots.at(-1)!.below[0])
      return { spots, from: start.station!, to: spots.at(-1)!.station! }
    }),
  )
}
