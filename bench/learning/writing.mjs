/** What the scripts of `generate` share: arguments, and a line an epoch. */
import { parseArgs } from 'node:util'

/**
 * --seed 0, --epochs n, --settings '{"units":512}', and options of a script's own: what they say, over
 * what was chosen.
 *
 * @param {string[]} args
 * @param {object} chosen settings of the training
 * @param {import('node:util').ParseArgsOptionsConfig} [own]
 */
export function settingsFrom(args, chosen, own = {}) {
  const { values, positionals } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '0' },
      epochs: { type: 'string' },
      settings: { type: 'string', default: '{}' },
      ...own,
    },
    allowPositionals: true,
  })
  const { seed, epochs, settings } = values
  const given = { ...(epochs && { epochs: Number(epochs) }), ...JSON.parse(settings) }
  return { ...values, positionals, settings: { ...chosen, seed: Number(seed), ...given } }
}

/** `--test`, for scripts that score on the test part when they are told to. */
export const testOption = /** @type {const} */ ({ test: { type: 'boolean', default: false } })

/** One line an epoch. */
export const showing = (/** @type {(logs: any) => string} */ text) => ({
  name: 'showing',
  onEpochEnd: (/** @type {{ epoch: number }} */ { epoch }, /** @type {any} */ logs) =>
    console.error(`epoch ${epoch + 1}: ${text(logs)}`),
})
