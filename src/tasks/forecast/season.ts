/** How many steps a series takes to repeat itself. */

/** Steps that `detectSeason` looks at most, and series. */
const mostLag = 1000
const mostSeries = 50
/**
 * Correlation that a season has at least: in differences, where other peaks are noise, whose size falls
 * with the length; and in levels, where what wanders slowly makes peaks of its own.
 */
const leastOf = {
  differences: (length: number) => Math.max(0.1, 4 / Math.sqrt(length)),
  levels: () => 0.3,
}

/**
 * Autocorrelations of a series after a straight line is taken out, for lags 0 to `lags`; all 0 if it is
 * constant. The estimate divides by the variance of the whole, as usual (Box & Jenkins 1976).
 */
export function autocorrelation(values: ArrayLike<number>, lags: number): Float64Array {
  const n = values.length
  const middle = (n - 1) / 2
  let [mean, slope, spread] = [0, 0, 0]
  for (let t = 0; t < n; t++) mean += values[t] / n
  for (let t = 0; t < n; t++) {
    slope += (t - middle) * (values[t] - mean)
    spread += (t - middle) ** 2
  }
  const rest = Float64Array.from(
    { length: n },
    (_, t) => values[t] - mean - (spread > 0 ? slope / spread : 0) * (t - middle),
  )
  const found = new Float64Array(lags + 1)
  for (let lag = 0; lag <= Math.min(lags, n - 1); lag++) {
    let sum = 0
    for (let t = lag; t < n; t++) sum += rest[t] * rest[t - lag]
    found[lag] = sum
  }
  const variance = found[0]
  const scale = Math.max(...Array.from(values, Math.abs).slice(0, 1000), 1e-300)
  return variance > 1e-18 * n * scale * scale ? found.map((sum) => sum / variance) : found.fill(0)
}

/**
 * The season by autocorrelation: of the lags at which the mean autocorrelation of the series peaks, the
 * smallest whose peak is at least nine tenths of the highest. Looked for in the differences between
 * neighbours, where no trend moves the peaks, and, if no peak is high enough there, in the series. 1 if
 * none is there either: no season. Lags go to a third of the shortest series, and to 1,000.
 */
export function detectSeason(list: readonly ArrayLike<number>[]): number {
  const every = Math.ceil(list.length / mostSeries)
  const series = list.filter((_, i) => i % every === 0)
  const shortest = series.reduce((least, { length }) => Math.min(least, length), Infinity)
  const lags = Math.min(mostLag, Math.floor(shortest / 3))
  // The newest part tells enough, and long series would take long.
  const recent = series.map((values) =>
    Float64Array.from(values as ArrayLike<number>).slice(-20 * Math.max(lags, 50)),
  )
  const steps = recent.map((values) => values.slice(1).map((value, t) => value - values[t]))
  const { differences, levels } = leastOf
  return peakOf(steps, lags, differences(shortest)) ?? peakOf(recent, lags, levels()) ?? 1
}

function peakOf(series: readonly Float64Array[], lags: number, least: number): number | undefined {
  const mean = new Float64Array(lags + 1)
  for (const values of series) {
    autocorrelation(values, lags).forEach((r, lag) => {
      mean[lag] += r / series.length
    })
  }
  const peaks: number[] = []
  for (let lag = 2; lag < lags; lag++) {
    if (mean[lag] > mean[lag - 1] && mean[lag] >= mean[lag + 1]) peaks.push(lag)
  }
  const highest = peaks.reduce((most, lag) => Math.max(most, mean[lag]), 0)
  return highest < least ? undefined : peaks.find((lag) => mean[lag] >= 0.9 * highest)
}
