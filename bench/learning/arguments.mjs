/** The arguments and the data that the scripts of `classify` and `tag` share. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** The path of a data file beside the repository; null, with a message, if it is not there. */
export function sharedData(/** @type {string} */ name) {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url))
  if (existsSync(path)) return path
  console.log(`skipped: ${path} is not there`)
  return null
}

/**
 * --seeds 3, or one of them: --seed 2; --dev: scores on held-out training data, or on
 * those that decide when to stop, instead of the test data, for choosing settings;
 * --options '{"units":32}': settings other than
 * the script's; --save FILE: keeps the model, the last seed's.
 *
 * @param {string[]} args
 * @param {number} [seeds]
 * @param {import('node:util').ParseArgsOptionsConfig} [own] further arguments
 */
export function readFlags(args, seeds = 3, own = {}) {
  const { values } = parseArgs({
    args,
    options: {
      ...own,
      dev: { type: 'boolean', default: false },
      seed: { type: 'string' },
      seeds: { type: 'string', default: String(seeds) },
      options: { type: 'string', default: '{}' },
      save: { type: 'string' },
    },
  })
  return {
    ...values,
    dev: values.dev,
    save: values.save,
    seeds:
      values.seed === undefined
        ? Array.from({ length: Number(values.seeds) }, (_, seed) => seed)
        : [Number(values.seed)],
    options: JSON.parse(values.options),
  }
}
