/**
 * Charts as SVG files, for --plot. A chart is a specification of Vega-Lite (https://vega.github.io/vega-lite/);
 * the library that draws it is a dependency of those who draw, and loaded when they do.
 */
import { writeFile } from 'node:fs/promises'
import type { TopLevelSpec } from 'vega-lite'
import { RefrainError } from '../errors.ts'
import { checkWritable } from '../platform/node.ts'

/** What to draw: a specification of Vega-Lite with its data, without colours of text and axes. */
export type Chart = Extract<
  TopLevelSpec,
  { mark: unknown } | { layer: unknown } | { concat: unknown }
>

/** The colour of text. On a dark page `style` makes it light; what has another colour keeps it. */
export const ink = '#333'

/** Colours that stand out from light and from dark pages. */
export const colors = ['#3b82c4', '#d9822b', '#3f9d5c', '#c0504d', '#8a6fc0', '#8c7355']

const line = '#8888'

const config = {
  background: 'transparent',
  font: 'sans-serif',
  view: { stroke: null },
  title: { color: ink, fontSize: 13, anchor: 'start', fontWeight: 600 },
  axis: {
    labelColor: ink,
    titleColor: ink,
    titleFontWeight: 400,
    labelFontSize: 11,
    titleFontSize: 12,
    domainColor: line,
    tickColor: line,
    gridColor: '#8883',
  },
  legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontWeight: 400 },
  header: { labelColor: ink, titleColor: ink },
  range: { category: colors },
} as const

const style = `<style>@media(prefers-color-scheme:dark){text[fill="${ink}"]{fill:#ddd}}</style>`

/** Draws charts, one below the other, as the text of an SVG file, legible on light and dark pages. */
export async function drawSvg(charts: readonly Chart[]): Promise<string> {
  const { vega, vegaLite } = await loadVega()
  const [chart] = charts
  const own = { scale: { color: 'independent', fillOpacity: 'independent' } } as const
  const spec = charts.length === 1 ? chart : { vconcat: [...charts], spacing: 30, resolve: own }
  const compiled = vegaLite.compile({ ...spec, padding: 12 } as TopLevelSpec, { config })
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' })
  try {
    const svg = await view.toSVG()
    return `${svg.replace(/<svg[^>]*>/, (tag) => tag + style)}\n`
  } finally {
    view.finalize()
  }
}

/** Draws charts into a file. */
export async function plotTo(path: string, charts: readonly Chart[]): Promise<void> {
  await writeFile(path, await drawSvg(charts))
}

/** Fails, before anything is computed, if --plot could not be obeyed in the end. */
export async function checkPlot(path: string | undefined): Promise<void> {
  if (path === undefined) return
  if (!path.endsWith('.svg')) {
    throw new RefrainError('BAD_ARGUMENT', `--plot: expected a name ending in .svg, got '${path}'`)
  }
  await checkWritable(path)
  await loadVega()
}

async function loadVega() {
  try {
    const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
    return { vega, vegaLite }
  } catch (cause) {
    throw new RefrainError(
      'UNSUPPORTED',
      '--plot: the packages vega and vega-lite, which draw, are not installed',
      'npm install vega vega-lite gets them',
      { cause },
    )
  }
}
