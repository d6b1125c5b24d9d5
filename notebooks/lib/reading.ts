/** A chart of what a network thinks while it reads. */
import { type Chart, colors } from './show.ts'

/** The words of a phrase in boxes, coloured by p, which is 0 to 1, after each of them; a row a phrase. */
export function readingChart(
  title: string,
  phrases: readonly { readonly words: readonly string[]; readonly p: readonly number[] }[],
): Chart {
  const most = Math.max(...phrases.map(({ words }) => words.length))
  const values = phrases.flatMap(({ words, p }, row) =>
    words.map((word, at) => ({ row, at, word, p: Number(p[at].toFixed(3)) })),
  )
  const plain = { axis: null, scale: { padding: 0.06 } }
  return {
    title,
    width: 56 * most,
    height: 44 * phrases.length,
    data: { values },
    encoding: {
      x: { field: 'at', type: 'ordinal', ...plain },
      y: { field: 'row', type: 'ordinal', ...plain },
    },
    layer: [
      {
        mark: { type: 'rect', cornerRadius: 4 },
        encoding: {
          color: {
            field: 'p',
            type: 'quantitative',
            scale: { domain: [0, 0.5, 1], range: [colors[3], '#777777', colors[2]] },
            legend: { title: 'p', gradientLength: 80 },
          },
        },
      },
      {
        mark: { type: 'text', color: '#ffffff', fontSize: 12, baseline: 'bottom' },
        encoding: { text: { field: 'word' } },
      },
      {
        mark: { type: 'text', color: '#ffffff', fontSize: 11, baseline: 'top', dy: 2 },
        encoding: { text: { field: 'p', type: 'quantitative', format: '.2f' } },
      },
    ],
  }
}
