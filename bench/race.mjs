/** Times contestants in turns, on a machine that others leave alone. */
import { waitForCalm, watch } from './machine.mjs'
import { progress, stop, work } from './programs.mjs'

/**
 * @typedef {import('./contestants.mjs').Contestant} Contestant
 * @typedef {import('./workloads.mjs').Workload} Workload
 * @typedef {{ train?: number, predict: number, peakMegabytes: number, others: number,
 *   strength: number }} Sample milliseconds; `others`: share of the machine that other programs used
 *   meanwhile; `strength`: what all cores computed before and after, the less, as a share of their most
 */

/** Shares of the machine that others may use, and that there must be, while something is timed. */
export const calm = { others: 0.1, strength: 0.85 }
/**
 * A rival that takes so many times as long as the slowest of ours in the first round is done, if it takes
 * more than so many milliseconds.
 */
const farBehind = 2
const long = 1000
/** How often to time again if it did not last, as long as patience lasts. */
const retries = 3

/**
 * Everyone in turn, as many rounds as wanted: A B C A B C … If the bench is told to stop, what there is.
 *
 * @param {Workload} workload @param {Contestant[]} field
 * @param {{ rounds: number, seconds: number }} settings
 * @param {{ seconds: number }} patience what is left of it
 * @param {() => number} meter `openMeter`'s
 * @returns those that have samples, and the rivals that failed
 */
export async function race(workload, field, { rounds, seconds }, patience, meter) {
  const results = field.map((contestant) => ({
    contestant,
    samples: /** @type {Sample[]} */ ([]),
    failed: false,
  }))
  const first = (/** @type {Sample[]} */ [sample]) => sample.train ?? sample.predict
  const goesOn = (/** @type {typeof results[number]} */ { contestant, samples }, round = 1) => {
    const ours = results.filter((our) => !our.contestant.rival)
    if (round === 1 || !contestant.rival || ours.length === 0) return true
    if (round > (contestant.rounds ?? rounds)) return false
    const slowest = Math.max(...ours.map((our) => first(our.samples)))
    return first(samples) < Math.max(long, farBehind * slowest)
  }
  for (let round = 1; round <= rounds; round++) {
    for (const entry of results) {
      const { contestant, samples, failed } = entry
      if (stop.signal.aborted || failed || !goesOn(entry, round)) continue
      const who = `${contestant.name}, ${contestant.threads} threads`
      progress(`${workload.name}, round ${round} of ${rounds}: ${who}`)
      try {
        samples.push(await measureCalmly(contestant, workload, seconds, patience, meter))
      } catch (error) {
        if (stop.signal.aborted) continue
        if (!contestant.rival) throw error
        console.error(/** @type {Error} */ (error).message.trimEnd())
        entry.failed = true
      }
    }
  }
  progress('')
  return {
    timed: results.filter(({ samples }) => samples.length > 0),
    failed: results.filter(({ failed }) => failed).map(({ contestant }) => contestant),
  }
}

/**
 * The calmest of a few attempts; one if it is calm or patience is at its end.
 *
 * @param {Contestant} contestant @param {Workload} workload @param {number} seconds
 * @param {{ seconds: number }} patience @param {() => number} meter `openMeter`'s
 */
export async function measureCalmly(contestant, workload, seconds, patience, meter) {
  /** @type {Sample | undefined} */
  let best
  for (let attempt = 0; attempt <= retries; attempt++) {
    // Whoever disturbs, or disturbed the last one, may stay a while.
    await waitForCalm(calm, patience, meter, stop.signal)
    const before = meter()
    const share = watch()
    const result = await work(contestant, 'measure', workload, seconds)
    const others = share(result.cpuSeconds)
    const strength = Math.min(before, meter())
    const { train, predict, peakMegabytes } = result
    const sample = { train, predict, peakMegabytes, others, strength }
    if (!best || disturbance(sample) < disturbance(best)) best = sample
    if (disturbance(best) === 0 || patience.seconds <= 0) break
    patience.seconds -= result.cpuSeconds
  }
  return /** @type {Sample} */ (best)
}

/** By how much a sample misses what counts as calm. @param {Sample} sample */
const disturbance = ({ others, strength }) =>
  Math.max(0, others - calm.others) + Math.max(0, calm.strength - strength)
