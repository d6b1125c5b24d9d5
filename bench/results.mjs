/** Files of results. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'

import { pathToFileURL } from 'node:url'

/**
 * Writes results/NAME-DATE.json, or NAME-DATE-2.json if that exists, and the plot beside it; says so.
 *
 * @param {string} name @param {{ date: string }} result @param {string} [plot] SVG
 * @param {string} [path] another folder, ending in a slash
 */
export function writeResults(name, result, plot, path) {
  const folder = path ? pathToFileURL(path) : new URL('results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  const day = result.date.slice(0, 10)
  let file = `${name}-${day}.json`
  for (let i = 2; existsSync(new URL(file, folder)); i++) file = `${name}-${day}-${i}.json`
  // Samples stand in one line.
  const text = JSON.stringify(result, null, 2).replace(/\[[-\d.e+,\s]+\]/g, (list) =>
    list.replace(/\s+/g, '').replaceAll(',', ', '),
  )
  writeFileSync(new URL(file, folder), `${text}\n`)
  if (plot) writeFileSync(new URL(file.replace('.json', '.svg'), folder), plot)
  console.log(`\nWritten to bench/results/${file}`)
}
