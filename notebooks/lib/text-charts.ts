/** Charts of words and of batches of sentences. */
import { type Chart, colors } from './show.ts'

/** Counts by rank, largest first, both axes logarithmic; some words beside their points. */
export function rankChart(
  title: string,
  counted: readonly (readonly [word: string, count: number])[],
  named: readonly number[],
): Chart {
  // About a hundred ranks, evenly spread on the axis.
  const spread = Array.from({ length: 100 }, (_, i) => Math.round(counted.length ** (i / 99)))
  const at = (rank: number) => ({ rank, count: counted[rank - 1][1], word: counted[rank - 1][0] })
  const [x, y] = (['rank', 'count'] as const).map((field) => ({
    field,
    type: 'quantitative' as const,
    title: field,
    scale: { type: 'log' as const, nice: false },
    axis: { tickCount: 5, format: ',' },
  }))
  return {
    title,
    width: 440,
    height: 220,
    encoding: { x, y },
    layer: [
      {
        data: { values: [...new Set(spread)].map(at) },
        mark: { type: 'line', color: colors[0], strokeWidth: 2 },
      },
      {
        data: { values: named.map(at) },
        mark: { type: 'point', color: colors[1], filled: true, size: 40 },
      },
      {
        data: { values: named.map(at) },
        mark: { type: 'text', align: 'left', dx: 7, dy: -6, fontSize: 12, color: colors[1] },
        encoding: { text: { field: 'word' } },
      },
    ],
  }
}

/** The rows of batches as bars: what is read, and the padding up to the longest row. */
export function paddingChart(
  title: string,
  batches: Readonly<Record<string, readonly number[]>>,
): Chart {
  const values = Object.entries(batches).flatMap(([batch, lengths]) => {
    const longest = Math.max(...lengths)
    return lengths.flatMap((length, row) => [
      { batch, row, part: 'tokens', from: 0, to: length },
      { batch, row, part: 'padding', from: length, to: longest },
    ])
  })
  return {
    title,
    width: 360,
    height: 130,
    data: { values },
    mark: 'bar',
    encoding: {
      row: {
        field: 'batch',
        title: null,
        sort: null,
        header: { labelAngle: 0, labelAlign: 'left' },
      },
      y: { field: 'row', type: 'ordinal', axis: null },
      x: { field: 'from', type: 'quantitative', title: 'step' },
      x2: { field: 'to' },
      color: {
        field: 'part',
        title: null,
        scale: { domain: ['tokens', 'padding'], range: [colors[0], '#8886'] },
      },
    },
  }
}
