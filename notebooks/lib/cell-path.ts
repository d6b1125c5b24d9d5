/** The additive path through an LSTM's cell, read from a trace of it. */
import type { LayerTrace, Tensor } from 'refrain'
import { type Point, series } from './charts.ts'

/** The largest difference between the cells c_t and f_t · c_{t-1} + i_t · g_t, over all rows, steps and units. */
export async function cellError({ gates, states }: LayerTrace): Promise<number> {
  const [i, f, g, c] = await Promise.all([gates.i, gates.f, gates.g, states.c].map(numbers))
  let largest = 0
  c.forEach((row, b) => {
    row.forEach((cells, t) => {
      cells.forEach((cell, u) => {
        const before = t === 0 ? 0 : c[b][t - 1][u]
        const said = f[b][t][u] * before + i[b][t][u] * g[b][t][u]
        largest = Math.max(largest, Math.abs(cell - said))
      })
    })
  })
  return largest
}

/**
 * What of the cell at step t is left in the last one, for the units of which most is: the product of the
 * forget gates f_{t+1} … f_T, the mean over the rows.
 *
 * @returns [most][T], the units that keep most first
 */
export async function carried({ gates }: LayerTrace, most: number) {
  const f = await numbers(gates.f)
  const [rows, steps, units] = gates.f.shape
  const kept = Array.from({ length: units }, (_, unit) => {
    const means = new Array<number>(steps).fill(0)
    for (const row of f) {
      let product = 1
      for (let t = steps - 1; t >= 0; t--) {
        means[t] += product / rows
        product *= row[t][unit]
      }
    }
    return { unit, means }
  })
  return kept.sort((a, b) => b.means[0] - a.means[0]).slice(0, most)
}

/** Some units' cells in one row, over time. */
export async function cellLines(
  { states }: LayerTrace,
  row: number,
  units: readonly number[],
): Promise<Point[]> {
  const c = await numbers(states.c)
  return units.flatMap((unit) =>
    series(
      `unit ${unit}`,
      c[row].map((cells) => cells[unit]),
    ),
  )
}

/** [B,T,U] */
const numbers = async (tensor: Tensor) => (await tensor.array()) as number[][][]
