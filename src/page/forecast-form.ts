/** A page's form for forecasts: a table of the past goes in, a chart and a table of what comes go out. */
import type { SeriesInput } from '../data/series.ts'
import type * as forecast from '../tasks/forecast/index.ts'
import { digits, element, field, svg, tableOf } from './dom.ts'
import type { Form } from './forms.ts'
import { columnOf, numberIn, readLines } from './numbers.ts'

/** The form of a forecaster. */
export function forecastForm(trained: forecast.Forecaster): Form {
  const { columns, window } = trained.layout
  const names = [...columns.values, ...columns.past, ...columns.known]
  const area = element('textarea', {
    rows: 8,
    spellcheck: false,
    placeholder: ['time', ...names].join(','),
  })
  const label =
    `At least ${window} lines, oldest first, of: ${names.join(', ')}; ` +
    `a line of names before them, and the time in a column of its own, if there is one`
  return {
    fields: [field(label, area)],
    action: 'Forecast',
    async answer(show) {
      const series = readSeriesOf(area.value, columns)
      const [found] = await trained.predict(series)
      show(
        ...columns.values.map((name) => chart(name, series, found)),
        table(found, columns.values),
      )
    },
  }
}

type Columns = forecast.Layout['columns']

function readSeriesOf(text: string, { values, past, known }: Columns): SeriesInput {
  const { names, rows } = readLines(text)
  const all = [...values, ...past, ...known]
  // Without names: the columns in their order, behind the time if there is one more.
  const time = names
    ? names.findIndex((name) => !all.includes(name))
    : rows[0].length > all.length
      ? 0
      : -1
  const at = (name: string) =>
    names ? columnOf(names, name) : all.indexOf(name) + (time < 0 ? 0 : 1)
  const first = names ? 2 : 1
  const pick = (list: readonly string[]) =>
    Object.fromEntries(
      list.map((name) => [
        name,
        rows.flatMap((row, i) =>
          // Known columns go on where the others end.
          row[at(name)] === '' && !known.includes(name) ? [] : [numberIn(row[at(name)], i + first)],
        ),
      ]),
    )
  const length = Object.values(pick(values))[0].length
  const times = rows.slice(0, length).map((row) => row[time])
  return {
    values: pick(values),
    ...(past.length > 0 && { past: pick(past) }),
    ...(known.length > 0 && { known: pick(known) }),
    ...(time >= 0 && {
      times: times.every((one) => /^-?[\d.]+$/.test(one)) ? times.map(Number) : times,
    }),
  }
}

function table({ times, values, quantiles }: forecast.Forecast, names: readonly string[]) {
  const levels = Object.keys(quantiles)
  const head = [
    times ? 'time' : 'step',
    ...names.flatMap((name) => [name, ...levels.map((level) => `${name} ${level}`)]),
  ]
  const steps = values[names[0]].map((_, h) => [
    times ? String(times[h]) : `+${h + 1}`,
    ...names.flatMap((name) => [
      digits(values[name][h]),
      ...levels.map((level) => digits(quantiles[level][name][h])),
    ]),
  ])
  return tableOf(head, steps)
}

/** The end of the past, the forecast, and the band between the outermost quantiles. */
function chart(name: string, series: SeriesInput, { values, quantiles }: forecast.Forecast): Node {
  const [width, height, margin] = [640, 240, 8]
  const ahead = values[name]
  const known = Array.from((series.values as Record<string, ArrayLike<number>>)[name])
  const past = known.slice(-Math.max(3 * ahead.length, 24))
  const bands = Object.entries(quantiles).sort(([a], [b]) => Number(a) - Number(b))
  const low = bands.length > 1 ? bands[0][1][name] : ahead
  const high = bands.length > 1 ? bands.at(-1)![1][name] : ahead
  const all = [...past, ...ahead, ...low, ...high]
  const [least, most] = [Math.min(...all), Math.max(...all)]
  const x = (i: number) => margin + (i / (past.length + ahead.length - 1)) * (width - 2 * margin)
  const y = (value: number) =>
    height - margin - ((value - least) / (most - least || 1)) * (height - 2 * margin)
  const points = (from: number, list: readonly number[]) =>
    list.map((value, i) => `${x(from + i).toFixed(1)},${y(value).toFixed(1)}`)
  const start = past.length
  const band = [...points(start, low), ...points(start, high).reverse()].join(' ')
  return element(
    'figure',
    {},
    element('figcaption', {}, `${name}: ${past.length} past values, ${ahead.length} to come`),
    svg(
      'svg',
      {
        viewBox: `0 0 ${width} ${height}`,
        role: 'img',
        'aria-label': `${name}, past and forecast`,
      },
      svg('polygon', { points: band, class: 'band' }),
      svg('polyline', { points: points(0, past).join(' '), class: 'past' }),
      svg('polyline', {
        points: points(start - 1, [past.at(-1)!, ...ahead]).join(' '),
        class: 'ahead',
      }),
      svg('text', { x: margin, y: margin + 10 }, digits(most)),
      svg('text', { x: margin, y: height - margin }, digits(least)),
    ),
  )
}
