/** A chart of outputs beside what was wanted. */
import { type Chart, colors } from './show.ts'

/** One input's outputs, in order, and what they should be. */
export interface SaidRow {
  readonly input: string
  readonly said: readonly number[]
  readonly wanted: readonly number[]
}

/** For each input a line of what was wanted, over the outputs 1, 2, …, and points of what was said. */
export function saidChart(title: string, rows: readonly SaidRow[]): Chart {
  const values = rows.flatMap(({ input, said, wanted }) =>
    wanted.map((number, i) => ({ input, output: i + 1, wanted: number, said: said[i] })),
  )
  return {
    title,
    width: 420,
    height: 230,
    data: { values },
    encoding: {
      x: { field: 'output', type: 'ordinal', title: 'output', axis: { labelAngle: 0 } },
      color: {
        field: 'input',
        type: 'nominal',
        sort: null,
        scale: { range: colors },
      },
    },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 1.5, strokeDash: [5, 4] },
        encoding: {
          y: { field: 'wanted', type: 'quantitative', title: 'points: said; lines: wanted' },
        },
      },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: { y: { field: 'said', type: 'quantitative' } },
      },
    ],
  }
}
