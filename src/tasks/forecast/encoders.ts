/** What a forecaster's file holds beside the weights. */
import { RefrainError, show } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { checkInteger } from '../../util/check.ts'
import { type Cycle, cycles } from './calendar.ts'
import type { ForecasterParts } from './forecaster.ts'
import { type Normalization, normalizations, type Scale, type Scaling, scalings } from './scale.ts'
import { type Layout, widths } from './windows.ts'

const pair = ({ shift, factor }: Scale) => [shift, factor]

/** The parts as JSON. */
export function encode({ layout, quantiles, scaling, scales, covariates, step }: ForecasterParts) {
  return {
    layout,
    quantiles,
    scaling,
    scales: [...scales].map(([id, list]) => [id, list.map(pair)]),
    covariates: covariates.map(pair),
    step,
  }
}

const fail = (what: string, got: unknown): never => {
  throw new RefrainError('BAD_FILE', `expected ${what}, got ${show(got)}`)
}

const isScale = (value: unknown) =>
  Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[1] > 0

function scalesFrom(what: string, value: unknown, count: number, log = false): Scale[] {
  if (!Array.isArray(value) || value.length !== count || !value.every(isScale)) {
    return fail(`${count} pairs of numbers as ${what}`, value)
  }
  return value.map(([shift, factor]) => ({ shift, factor, ...(log && { log }) }))
}

function namesFrom(what: string, value: unknown, least = 0): string[] {
  const fits = Array.isArray(value) && value.every((name) => typeof name === 'string')
  if (!fits || value.length < least || new Set(value).size < value.length) {
    return fail(`a list of different names as ${what}`, value)
  }
  return value
}

function oneOf<Name extends string>(what: string, value: unknown, known: readonly Name[]): Name {
  return known.includes(value as Name)
    ? (value as Name)
    : fail(`${known.join(', ')} as ${what}`, value)
}

function layoutFrom(value: unknown): Layout {
  const json = (value ?? {}) as Record<string, unknown>
  const columns = (json.columns ?? {}) as Record<string, unknown>
  if (typeof json.calendarAhead !== 'boolean')
    fail("a boolean as 'calendarAhead'", json.calendarAhead)
  const window = checkInteger("'window'", json.window)
  const season = checkInteger("'season'", json.season)
  if (json.normalize === 'season' && season > window) {
    fail('a season in the window', season)
  }
  return {
    window,
    horizon: checkInteger("'horizon'", json.horizon),
    columns: {
      values: namesFrom("'values'", columns.values, 1),
      past: namesFrom("'past'", columns.past),
      known: namesFrom("'known'", columns.known),
    },
    calendar: namesFrom("'calendar'", json.calendar).map((name) =>
      oneOf<Cycle>("'calendar'", name, cycles),
    ),
    season,
    normalize: oneOf<Normalization>("'normalize'", json.normalize, normalizations),
    calendarAhead: json.calendarAhead as boolean,
  }
}

function stepFrom(value: unknown): ForecasterParts['step'] {
  if (value === null) return null
  const { step, unit } = (value ?? {}) as Record<string, unknown>
  if (!Number.isFinite(step) || !((step as number) > 0))
    return fail("a number above 0 as 'step'", step)
  return {
    step: step as number,
    unit: oneOf("'unit'", unit, ['milliseconds', 'months', 'numbers'] as const),
  }
}

/** The parts from JSON, which may be forged. Throws `BAD_FILE` where they do not fit each other. */
export function partsFrom(json: Record<string, unknown>, model: Model): ForecasterParts {
  const layout = layoutFrom(json.layout)
  const { columns, window, horizon } = layout
  const { quantiles, scales } = json
  const isShare = (value: unknown) => typeof value === 'number' && value > 0 && value < 1
  if (!Array.isArray(quantiles) || !quantiles.every(isShare)) {
    return fail('quantiles between 0 and 1', quantiles)
  }
  if (quantiles.some((value, i) => i > 0 && value <= quantiles[i - 1])) {
    fail('quantiles in ascending order', quantiles)
  }
  if (!Array.isArray(scales) || !scales.every((one) => Array.isArray(one) && one.length === 2)) {
    return fail('pairs of a name and scales', scales)
  }
  const width = widths(layout)
  const inputs = [
    [window, width.values],
    [window, width.features],
    [horizon, width.ahead],
  ].filter(([, size]) => size > 0)
  const outputs = [[horizon * width.values, Math.max(1, quantiles.length)]]
  const shapes = (list: readonly { shape: readonly (number | null)[] }[]) =>
    JSON.stringify(list.map(({ shape }) => shape.slice(1)))
  const { graph } = model.build()
  if (
    shapes(graph!.inputs) !== JSON.stringify(inputs) ||
    shapes(graph!.outputs) !== JSON.stringify(outputs)
  ) {
    throw new RefrainError(
      'BAD_FILE',
      `its window of ${window}, horizon of ${horizon}, columns and quantiles do not fit its network, ` +
        `which goes from ${shapes(graph!.inputs)} to ${shapes(graph!.outputs)}`,
    )
  }
  return {
    model,
    layout,
    quantiles,
    scaling: oneOf<Scaling>("'scaling'", json.scaling, scalings),
    scales: new Map(
      scales.map(([id, list]) => [
        typeof id === 'string' ? id : fail('a name of a series', id),
        scalesFrom(`scales of '${id}'`, list, columns.values.length, json.scaling === 'log'),
      ]),
    ),
    covariates: scalesFrom(
      'scales of the other columns',
      json.covariates,
      columns.past.length + columns.known.length,
    ),
    step: stepFrom(json.step),
  }
}
