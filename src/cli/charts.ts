/** The charts of --plot, from what was computed. `plot.ts` draws them. */
import type { History } from '../train/plan.ts'
import { type Chart, colors, ink } from './plot.ts'

type Layer = Extract<Chart, { layer: unknown }>['layer'][number]

/** Loss and metrics, epoch by epoch, in training and validation; a line marks the epoch kept. */
export function lossCurves({ epoch, history }: History, title: string, keptEpoch?: number): Chart {
  const names = Object.keys(history).filter((name) => !/^val[A-Z]/.test(name))
  const panels = names.map((name) => {
    const own = { training: history[name], validation: history[validationOf(name)] }
    const values = Object.entries(own).flatMap(([of, numbers]) =>
      (numbers ?? []).map((value, i) => ({ of, epoch: epoch[i] + 1, value })),
    )
    const lines: Layer = {
      data: { values },
      mark: { type: 'line', point: { size: 22 }, strokeWidth: 2 },
      encoding: {
        x: {
          field: 'epoch',
          type: 'quantitative',
          title: 'epoch',
          scale: { zero: false, nice: false },
          axis: { tickMinStep: 1, format: 'd' },
        },
        y: { field: 'value', type: 'quantitative', title: null, scale: { zero: false } },
        color: {
          field: 'of',
          type: 'nominal',
          title: null,
          scale: { domain: ['training', 'validation'], range: colors.slice(0, 2) },
        },
      },
    }
    const kept: Layer = {
      data: { values: [{}] },
      mark: { type: 'rule', strokeDash: [4, 4], color: '#888' },
      encoding: { x: { datum: keptEpoch } },
    }
    const layer = keptEpoch === undefined ? [lines] : [kept, lines]
    return { title: wordsOf(name), width: 360, height: 220, layer }
  })
  return { title, columns: 2, spacing: 30, concat: panels }
}

/** loss → valLoss */
const validationOf = (name: string) => `val${name[0].toUpperCase()}${name.slice(1)}`

/** meanSquaredError → mean squared error */
const wordsOf = (name: string) =>
  name.replace(/[_A-Z]/g, (letter) => (letter === '_' ? ' ' : ` ${letter.toLowerCase()}`))

/**
 * How often examples of each label were given each label: counts[true][predicted], coloured by the
 * share of the row. Counts are written for up to 20 labels.
 */
export function confusionMatrix(
  labels: readonly string[],
  counts: readonly (readonly number[])[],
  title: string,
): Chart {
  const values = counts.flatMap((row, i) => {
    const total = row.reduce((sum, n) => sum + n, 0)
    return row.map((n, j) => ({
      is: labels[i],
      predicted: labels[j],
      n,
      share: total === 0 ? 0 : n / total,
    }))
  })
  return heatMap({
    title,
    values,
    x: { field: 'predicted', title: 'predicted', sort: labels },
    y: { field: 'is', title: 'is', sort: labels },
    share: 'share',
    text: labels.length <= 20 ? 'n' : undefined,
    cell: labels.length <= 20 ? 44 : Math.max(8, Math.floor(900 / labels.length)),
  })
}

/**
 * Where a decoder looked: weights[target][source], each row's sum 1. Tokens may repeat.
 */
export function attentionMap(
  source: readonly string[],
  target: readonly string[],
  weights: readonly (readonly number[])[],
  title = '',
): Chart {
  const numbered = (tokens: readonly string[]) => tokens.map((token, i) => `${i} ${token}`)
  const [columns, rows] = [numbered(source), numbered(target)]
  const values = weights.flatMap((row, i) =>
    row.map((weight, j) => ({ source: columns[j], target: rows[i], weight })),
  )
  const labelExpr = "slice(datum.value, indexof(datum.value, ' ') + 1)"
  return heatMap({
    title,
    values,
    x: { field: 'source', sort: columns, labelExpr, orient: 'top' },
    y: { field: 'target', sort: rows, labelExpr },
    share: 'weight',
    cell: 24,
  })
}

interface Side {
  field: string
  sort: readonly string[]
  title?: string
  labelExpr?: string
  orient?: 'top' | 'left'
}

/** Cells whose opacity is a share from 0 to 1, with numbers in them if `text` names their field. */
function heatMap(of: {
  title: string
  values: readonly Record<string, string | number>[]
  x: Side
  y: Side
  share: string
  text?: string
  cell: number
}): Chart {
  const { x, y, share, text, cell } = of
  const side = ({ field, title, sort }: Side) =>
    ({ field, type: 'nominal', title: title ?? null, sort: [...sort] }) as const
  const axis = ({ labelExpr, orient }: Side) => ({
    ticks: false,
    domain: false,
    labelLimit: 160,
    labelExpr,
    orient,
  })
  const cells: Layer = {
    mark: { type: 'rect', color: colors[0], stroke: '#8883' },
    encoding: {
      fillOpacity: {
        field: share,
        type: 'quantitative',
        scale: { domain: [0, 1], range: [0.03, 1] },
        legend: null,
      },
    },
  }
  const numbers: Layer = {
    mark: { type: 'text', fontSize: 12 },
    encoding: {
      text: { field: text, type: 'quantitative', format: ',' },
      color: { condition: { test: `datum['${share}'] > 0.5`, value: 'white' }, value: ink },
    },
  }
  return {
    title: of.title,
    width: { step: cell },
    height: { step: cell },
    data: { values: [...of.values] },
    encoding: {
      x: { ...side(x), axis: { ...axis(x), labelAngle: -45 } },
      y: { ...side(y), axis: axis(y) },
    },
    layer: text === undefined ? [cells] : [cells, numbers],
  }
}

/** A number at a time, or at a place in the series. */
export interface Point {
  /** A date as ISO 8601, or the number of the step. */
  readonly at: string | number
  readonly value: number
  /** Limits of an interval, if there is one. */
  readonly low?: number
  readonly high?: number
}

/** A series and what was forecast, with an interval if the points have one, and what came if known. */
export function forecastChart(
  series: { past: readonly Point[]; forecast: readonly Point[]; actual?: readonly Point[] },
  title: string,
): Chart {
  const { past, forecast, actual = [] } = series
  const of = { past, actual, forecast }
  const values = Object.entries(of).flatMap(([of, points]) =>
    points.map((point) => ({ ...point, of })),
  )
  const dated = typeof (past[0] ?? forecast[0])?.at === 'string'
  const x = dated
    ? ({ field: 'at', type: 'temporal', title: null } as const)
    : ({
        field: 'at',
        type: 'quantitative',
        title: null,
        scale: { zero: false, nice: false },
      } as const)
  const drawn = Object.entries(of).flatMap(([name, { length }]) => (length > 0 ? [name] : []))
  const palette = { past: '#888', actual: colors[2], forecast: colors[0] }
  return {
    title,
    width: 720,
    height: 260,
    data: { values },
    encoding: {
      x,
      color: {
        field: 'of',
        type: 'nominal',
        title: null,
        legend: { symbolOpacity: 1, symbolType: 'square' },
        scale: { domain: drawn, range: drawn.map((name) => palette[name as keyof typeof palette]) },
      },
    },
    layer: [
      {
        transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
        mark: { type: 'area', opacity: 0.25 },
        encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
      },
      {
        mark: { type: 'line', strokeWidth: 1.8 },
        encoding: {
          y: { field: 'value', type: 'quantitative', title: null, scale: { zero: false } },
        },
      },
    ],
  }
}

/** A note of a piano roll. */
export interface Note {
  /** MIDI's number: 60 is middle C. */
  readonly pitch: number
  /** In seconds or beats from the beginning. */
  readonly start: number
  readonly length: number
  /** What tells notes apart by colour: 'prompt' and 'generated', or voices. */
  readonly of?: string
}

/** Notes as bars: time to the right, pitch upwards. */
export function pianoRoll(notes: readonly Note[], title: string, unit = 'seconds'): Chart {
  const pitches = notes.map(({ pitch }) => pitch)
  const [low, high] = [Math.min(...pitches) - 1, Math.max(...pitches) + 1]
  const end = Math.max(...notes.map(({ start, length }) => start + length))
  const names = 'C C♯ D D♯ E F F♯ G G♯ A A♯ B'
  return {
    title,
    width: Math.min(1200, Math.max(360, Math.round(end * 40))),
    height: (high - low) * 8,
    data: {
      values: notes.map(({ pitch, start, length, of = 'notes' }) => ({
        start,
        end: start + length,
        low: pitch - 0.4,
        high: pitch + 0.4,
        of,
      })),
    },
    mark: { type: 'rect', cornerRadius: 1.5 },
    encoding: {
      x: { field: 'start', type: 'quantitative', title: unit, scale: { nice: false } },
      x2: { field: 'end' },
      y: {
        field: 'low',
        type: 'quantitative',
        title: null,
        scale: { domain: [low, high], zero: false, nice: false },
        axis: {
          values: Array.from({ length: 128 }, (_, pitch) => pitch).filter((p) => p % 12 === 0),
          labelExpr: `split('${names}', ' ')[datum.value % 12] + (floor(datum.value / 12) - 1)`,
        },
      },
      y2: { field: 'high' },
      color: {
        field: 'of',
        type: 'nominal',
        title: null,
        legend: notes.some(({ of }) => of !== undefined) ? {} : null,
      },
    },
  }
}
