/** Plots as SVG, legible on light and on dark pages. */

const colors = [
  '#3b82c4',
  '#d9822b',
  '#3f9d5c',
  '#c0504d',
  '#8a6fc0',
  '#8c7355',
  '#c26aa5',
  '#7f8c8d',
  '#2aa5a0',
  '#a8a02e',
  '#5c7cfa',
  '#e06c9f',
]
const style = `text{font:12px sans-serif;fill:#333}.grid{stroke:#8884}.one{stroke:#888;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#ddd}}`

const plain = (/** @type {string} */ text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const label = (
  /** @type {number} */ x,
  /** @type {number} */ y,
  /** @type {string} */ text,
  anchor = 'start',
) => `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${plain(text)}</text>`
const line = (
  /** @type {number} */ x1,
  /** @type {number} */ y1,
  /** @type {number} */ x2,
  /** @type {number} */ y2,
  kind = 'grid',
) => `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" class="${kind}"/>`
const n = (/** @type {number} */ value) => value.toFixed(1)

const svg = (
  /** @type {number} */ width,
  /** @type {number} */ height,
  /** @type {string[]} */ parts,
) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(width)} ${n(height)}" width="${n(width)}" height="${n(height)}"><title>Benchmarks of Refrain</title><style>${style}</style>\n${parts.join('\n')}\n</svg>\n`

/**
 * Bars side by side in groups, on a logarithmic axis that starts at 1: left of it, the rival is faster.
 *
 * @param {{ title: string, groups: { name: string, bars: { name: string, value: number }[] }[] }[]} panels
 */
export function barPlot(panels) {
  const names = [
    ...new Set(
      panels.flatMap(({ groups }) => groups.flatMap(({ bars }) => bars.map(({ name }) => name))),
    ),
  ]
  const values = panels.flatMap(({ groups }) =>
    groups.flatMap(({ bars }) => bars.map(({ value }) => value)),
  )
  const [left, right, bar] = [130, 60, 13]
  const low = Math.min(0.5, ...values)
  const high = Math.max(2, ...values)
  const x = (/** @type {number} */ value) =>
    left + (600 * Math.log(value / low)) / Math.log(high / low)
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter(
    (t) => t >= low && t <= high,
  )
  /** @type {string[]} */
  const parts = []
  let y = 10
  names.forEach((name, i) => {
    const [column, row] = [i % 3, Math.floor(i / 3)]
    parts.push(
      `<rect x="${n(20 + column * 250)}" y="${n(y + row * 18)}" width="12" height="12" fill="${colors[i % colors.length]}"/>`,
    )
    parts.push(label(38 + column * 250, y + 10 + row * 18, name))
  })
  y += 18 * Math.ceil(names.length / 3) + 14
  for (const { title, groups } of panels) {
    parts.push(label(20, y + 14, title))
    y += 24
    const top = y
    const rows = groups.reduce((sum, { bars }) => sum + bars.length * bar + 10, 0)
    for (const tick of ticks) {
      parts.push(line(x(tick), top, x(tick), top + rows, tick === 1 ? 'one' : 'grid'))
      parts.push(label(x(tick), top + rows + 14, `${tick}×`, 'middle'))
    }
    for (const { name, bars } of groups) {
      parts.push(label(left - 10, y + (bars.length * bar) / 2 + 5, name, 'end'))
      for (const { name: who, value } of bars) {
        const [from, to] = [Math.min(x(1), x(value)), Math.max(x(1), x(value))]
        parts.push(
          `<rect x="${n(from)}" y="${n(y)}" width="${n(Math.max(1, to - from))}" height="${bar - 2}" fill="${colors[names.indexOf(who) % colors.length]}"/>`,
        )
        parts.push(label(to + 4, y + bar - 3, `${value.toPrecision(3)}×`))
        y += bar
      }
      y += 10
    }
    y += 30
  }
  return svg(left + 600 + right, y, parts)
}

/**
 * Lines on two logarithmic axes, a panel for each quantity that varies.
 *
 * @param {{ title: string, lines: { name: string, points: [number, number][] }[] }[]} panels
 *   x in powers of two, y in milliseconds
 */
export function linePlot(panels) {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))]
  const [width, height, gap] = [330, 260, 60]
  /** @type {string[]} */
  const parts = []
  names.forEach((name, i) => {
    parts.push(
      line(gap + i * 270, 16, gap + 24 + i * 270, 16).replace(
        'class="grid"',
        `stroke="${colors[i]}" stroke-width="3"`,
      ),
    )
    parts.push(label(gap + 30 + i * 270, 20, name))
  })
  panels.forEach(({ title, lines }, index) => {
    const left = gap + (index % 3) * (width + gap)
    const top = 60 + Math.floor(index / 3) * (height + 70)
    const all = lines.flatMap(({ points }) => points)
    const [x0, x1] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))]
    const floor = Math.floor(Math.log10(Math.min(...all.map(([, y]) => y))))
    const ceiling = Math.ceil(Math.log10(Math.max(...all.map(([, y]) => y))))
    const x = (/** @type {number} */ value) =>
      left + (width * Math.log(value / x0)) / Math.log(x1 / x0)
    const y = (/** @type {number} */ value) =>
      top + height - (height * (Math.log10(value) - floor)) / (ceiling - floor)
    parts.push(label(left, top - 12, title))
    for (let exponent = floor; exponent <= ceiling; exponent++) {
      const value = 10 ** exponent
      parts.push(line(left, y(value), left + width, y(value)))
      parts.push(
        label(left - 6, y(value) + 4, `${value >= 1 ? value : value.toFixed(-exponent)}`, 'end'),
      )
    }
    for (let value = x0; value <= x1; value *= 4) {
      parts.push(line(x(value), top, x(value), top + height))
      parts.push(label(x(value), top + height + 18, String(value), 'middle'))
    }
    for (const { name, points } of lines) {
      const path = points.map(([a, b]) => `${n(x(a))},${n(y(b))}`).join(' ')
      parts.push(
        `<polyline points="${path}" fill="none" stroke="${colors[names.indexOf(name)]}" stroke-width="2"/>`,
      )
    }
  })
  return svg(gap * 4 + width * 3, 60 + Math.ceil(panels.length / 3) * (height + 70), parts)
}
