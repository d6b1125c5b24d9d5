/** Milliseconds after which a loop lets timers, signals and the page have their turn. */
const yieldAfter = 50

/** A function to await in every round of a loop: lets the event loop turn when it has not lately. */
export function pauser(): () => Promise<void> | undefined {
  let last = performance.now()
  return () => {
    if (performance.now() - last < yieldAfter) return undefined
    return new Promise((resolve) => {
      setTimeout(() => {
        last = performance.now()
        resolve()
      }, 0)
    })
  }
}
