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
 * Waits until others leave the machine alone, or until patience is at its end.
 *
 * @param {number} limit share of the machine
 * @param {{ seconds: number }} patience what is left of it; what is waited is taken from it
 * @param {AbortSignal} signal ends the waiting, too
 * @returns the share that others used in the last half second
 */
export async function waitForCalm(limit, patience, signal) {
  while (true) {
    const share = watch()
    await setTimeout(500)
    const used = share(0)
    if (used <= limit || patience.seconds <= 0 || signal.aborted) return used
    patience.seconds -= 0.5
  }
}
