/** Where the models' data lie. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file of an npm package. */
export const packaged = (/** @type {string} */ path) =>
  fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url))

/** A file of the data beside the repository; ends the program where it is not there. */
export function shared(/** @type {string} */ path) {
  const file = fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url))
  if (existsSync(file)) return file
  console.error(`${file} is not there: this model needs it`)
  process.exit(1)
}
