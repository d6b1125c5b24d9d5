/** Charts that several notebooks share. `show` draws them. */
import { type Chart, colors } from './show.ts'

export { attentionMap } from '../../src/cli/charts.ts'

/** A point of a line: `of` names the line. */
export interface Point {
  readonly x: number
  readonly y: number
  readonly of: string
}

/** What a chart of lines may be told. */
export interface LineOptions {
  readonly x?: string
  readonly y?: string
  readonly log?: boolean
  readonly width?: number
  readonly height?: number
  /** The lines' names in the order of the colours; by default as they come. */
  readonly order?: readonly string[]
  readonly dashed?: readonly string[]
}

/** Lines over x, one for each name; of long ones only every so manieth point is drawn. */
export function lines(title: string, points: readonly Point[], options: LineOptions = {}): Chart {
  const { log = false, width = 460, height = 230, dashed = [] } = options
  const order = options.order ?? [...new Set(points.map(({ of }) => of))]
  const scale = log ? { type: 'log' as const } : { zero: false }
  return {
    title,
    width,
    height,
    data: { values: order.flatMap((name) => thin(points.filter(({ of }) => of === name))) },
    mark: { type: 'line', strokeWidth: 2 },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: options.x ?? null,
        scale: { zero: false, nice: false },
      },
      y: {
        field: 'y',
        type: 'quantitative',
        title: options.y ?? null,
        scale,
        axis: log ? { format: '~e', tickCount: 5 } : {},
      },
      color: {
        field: 'of',
        type: 'nominal',
        title: null,
        scale: { domain: [...order], range: order.map((_, i) => colors[i % colors.length]) },
      },
      ...(dashed.length > 0
        ? {
            strokeDash: {
              field: 'of',
              type: 'nominal' as const,
              title: null,
              scale: {
                domain: [...order],
                range: order.map((name) => (dashed.includes(name) ? [5, 4] : [1, 0])),
              },
            },
          }
        : {}),
    },
  }
}

/** Numbers as a line over 0, 1, 2, … */
export const series = (of: string, values: ArrayLike<number>, from = 0): Point[] =>
  Array.from(values, (y, i) => ({ x: from + i, y, of }))

/** Training and validation loss over the epochs, on a log axis. */
export function lossLines(
  title: string,
  history: Readonly<Record<string, readonly number[] | undefined>>,
  options: LineOptions = {},
): Chart {
  const points = [
    ...series('training', history.loss ?? [], 1),
    ...series('validation', history.valLoss ?? [], 1),
  ]
  return lines(title, points, { x: 'epoch', y: 'loss', log: true, ...options })
}

const most = 300

function thin(points: readonly Point[]): Point[] {
  const every = Math.ceil(points.length / most)
  return points.filter((_, i) => i % every === 0 || i === points.length - 1).map(rounded)
}

/** Five digits: a notebook's file need not hold more. */
const rounded = ({ x, y, of }: Point): Point => ({ x, y: Number(y.toPrecision(5)), of })
