/** Shows charts and other pictures below a cell. */
import { type Chart, drawSvg, ink } from '../../src/cli/plot.ts'
import { inHtml } from './html.ts'

export type { Chart } from '../../src/cli/plot.ts'
export { colors } from '../../src/cli/plot.ts'

declare const Deno: {
  jupyter: {
    display(data: Record<string, string>, options: { raw: true }): Promise<void>
  }
}

/** Legible on white and on black: a notebook's theme is not the system's, which `drawSvg`'s style asks for. */
const grey = '#7a7a7a'
const style = /<style>.*?<\/style>/

/** Charts, one below the other. */
export async function show(...charts: Chart[]): Promise<void> {
  await showSvg((await drawSvg(charts)).replace(style, '').replaceAll(ink, grey))
}

/** A picture. */
export async function showSvg(svg: string): Promise<void> {
  await Deno.jupyter.display({ 'image/svg+xml': svg }, { raw: true })
}

/** A part of a page. */
export async function showHtml(html: string): Promise<void> {
  await Deno.jupyter.display({ 'text/html': html }, { raw: true })
}

/** Rows of a table, with names of columns. */
export async function showTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Promise<void> {
  const line = (cells: readonly (string | number)[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${inHtml(String(cell))}</${tag}>`).join('')}</tr>`
  const body = rows.map((row) => line(row, 'td')).join('')
  const widths = columns.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => String(row[i]).length)),
  )
  const plain = [columns, ...rows].map((row) =>
    row
      .map((cell, i) => String(cell).padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  )
  await Deno.jupyter.display(
    {
      'text/html': `<table><thead>${line(columns, 'th')}</thead><tbody>${body}</tbody></table>`,
      'text/plain': plain.join('\n'),
    },
    { raw: true },
  )
}
