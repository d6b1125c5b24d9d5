import { platform } from '#platform'

/** Milliseconds after which a loop lets timers, signals and the page have their turn. */
const turnAfter = 50

/** A function to await in every round of a loop: lets the event loop turn when it has not lately. */
export function pauser(): () => Promise<void> | undefined {
  let last = performance.now()
  return () => {
    if (performance.now() - last < turnAfter) return undefined
    return platform.turn().then(() => {
      last = performance.now()
    })
  }
}
