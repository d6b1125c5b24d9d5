/** Before anything is timed, everyone has to compute the same numbers. */
import { progress, stop, work } from './programs.mjs'

/**
 * @typedef {import('./contestants.mjs').Contestant} Contestant
 * @typedef {import('./workloads.mjs').Workload} Workload
 */

/** A forward pass, and one after five steps of Adam, may differ by rounding alone. */
export const tolerance = 1e-4

/**
 * Has everyone compute the same models as Refrain's plain loops in float64. Rivals that fail become
 * missing; of those that differ in threads alone the first one is asked.
 *
 * @param {Contestant} refrain whose worker runs the plain loops
 * @param {Contestant[]} contestants @param {Workload[]} probes
 */
export async function checkAll(refrain, contestants, probes) {
  /** @type {Record<string, string>} */
  const versions = {}
  /** @type {string[]} */
  const wrong = []
  let largest = 0
  const reference = {
    ...refrain,
    engine: { module: 'refrain' },
    env: { REFRAIN_BACKEND: 'reference:float64' },
  }
  for (const probe of probes) {
    const truth = await work(reference, 'check', probe, 0)
    const asked = new Set()
    for (const contestant of contestants) {
      const { name, rival, product, other, predictOnly } = contestant
      if (contestant.missing || !contestant.runs(probe) || (rival && asked.has(name))) continue
      asked.add(name)
      progress(`${probe.name}: ${name}`)
      /** @type {any} */
      let result
      try {
        result = await work(contestant, 'check', probe, 0)
      } catch (error) {
        if (!rival || stop.signal.aborted) throw error
        // The message may hold paths, which have no place in the results.
        console.error(/** @type {Error} */ (error).message.trimEnd())
        for (const same of contestants) if (same.name === name) same.missing = 'it does not run'
        continue
      }
      versions[product] = result.version
      if (!rival && result.threads < contestant.threads) {
        contestant.missing = `it has ${result.threads} threads here`
        continue
      }
      if (other) continue
      for (const when of predictOnly ? ['before'] : ['before', 'after']) {
        const difference = Math.max(
          ...result[when].map((/** @type {number} */ value, /** @type {number} */ i) =>
            Math.abs(value - truth[when][i]),
          ),
        )
        // Also true of NaN.
        if (!(difference <= tolerance)) {
          wrong.push(`${name} differs by ${difference} at ${probe.name} ${when} training`)
        }
        largest = Math.max(largest, difference)
      }
    }
  }
  progress('')
  return { versions, wrong, largest }
}
