/** Puts a trainer's state back: in a bundle only where checkpoints are read. */
import { RefrainError } from '../errors.ts'
import { type Resumable, settingsOf, type TrainerState } from './plan.ts'

/** All but the weights and the plain numbers, which it returns. */
export function restoreState(
  { plan, weights: size, slots, states }: Resumable,
  { arrays, json }: TrainerState,
  slotNames: readonly string[],
): TrainerState['json'] {
  for (const [name, value] of Object.entries(settingsOf(plan))) {
    const before = json[name as keyof ReturnType<typeof settingsOf>] ?? null
    if (before !== value) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `fit 'resume': the checkpoint was made with ${name} ${before}, this run has ${value}`,
        'resume with the same data and options',
      )
    }
  }
  // Callbacks find their state by name, the second of a name the second: some, such as progress,
  // may come or go. They come first, as they may refuse.
  const left = json.callbacks.map((saved, i) => ({ ...saved, weights: arrays[`callback/${i}`] }))
  for (const callback of plan.callbacks) {
    const at = left.findIndex(({ name }) => name === callback.name)
    if (at < 0) continue
    const [{ json, weights }] = left.splice(at, 1)
    if (weights && weights.length !== size) {
      throw new RefrainError(
        'BAD_FILE',
        `fit 'resume': expected ${size} weights kept by callback '${callback.name}', ` +
          `the checkpoint has ${weights.length}`,
      )
    }
    callback.writeState?.({ json, weights })
  }
  slots.forEach((slot, i) => {
    slot.values.set(arrays[`optimizer/${slotNames[i]}`])
  })
  const carried = Object.entries(json.states).map(([name, shape]) => {
    return [name, { shape, values: arrays[`states/${name}`] }] as const
  })
  states?.write(Object.fromEntries(carried))
  return json
}
