/** What the machine is, and how busy others keep it. */
import os from 'node:os'
import { setTimeout } from 'node:timers/promises'

export function describeMachine() {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryGigabytes: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
  }
}

/** Milliseconds that all cores have worked since the machine started. */
function busyTime() {
  return os
    .cpus()
    .reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)
}

const ownTime = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Starts watching; the function returned tells which share of the machine others have used since, if
 * the caller's children used `seconds` of it.
 */
export function watch() {
  const start = performance.now()
  const busy = busyTime()
  const own = ownTime()
  return (/** @type {number} */ seconds) => {
    const others = busyTime() - busy - (ownTime() - own) - 1000 * seconds
    return Math.max(0, others / ((performance.now() - start) * os.cpus().length))
  }
}

/**
 * Opens a meter of what all cores compute together, as a share of the most that it has seen. Virtual
 * machines share cores with others unseen: their processors then count as idle, and are slow.
 *
 * @returns {Promise<() => number>} takes a tenth of a second
 */
export async function openMeter() {
  const { defaultBackend } = await import('../dist/index.js')
  const { kernels, threads } = defaultBackend()
  const rounds = 1 << 18
  let most = 0
  return () => {
    const speeds = []
    for (const start = performance.now(); performance.now() < start + 100; ) {
      const before = performance.now()
      kernels.peakMultiplyAdd(0.5, 1, rounds, threads)
      speeds.push(1 / (performance.now() - before))
    }
    const speed = speeds.sort((a, b) => a - b)[speeds.length >> 1]
    most = Math.max(most, speed)
    return speed / most
  }
}

/**
 * Waits until others leave the machine alone and its cores are as fast as they were, or until patience
 * is at its end.
 *
 * @param {{ others: number, strength: number }} limits shares of the machine: at most, at least
 * @param {{ seconds: number }} patience what is left of it; what is waited is taken from it
 * @param {() => number} meter @param {AbortSignal} signal ends the waiting, too
 * @returns the share that others used in the last half second
 */
export async function waitForCalm(limits, patience, meter, signal) {
  while (true) {
    const share = watch()
    await setTimeout(500)
    const used = share(0)
    const isCalm = used <= limits.others && meter() >= limits.strength
    if (isCalm || patience.seconds <= 0 || signal.aborted) return used
    patience.seconds -= 0.6
  }
}
