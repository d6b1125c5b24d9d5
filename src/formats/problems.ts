/** What a foreign file asks for that cannot be had: collected, so that all of it is said at once. */
import { RefrainError } from '../errors.ts'

/** Collects what is not supported; `check` raises one error for all. */
export class Problems {
  readonly #found = new Set<string>()
  /** What is left out without a difference to predictions, such as a regularizer that does not exist here. */
  readonly notes: string[] = []

  /** Notes that something cannot be had. */
  add(text: string): void {
    this.#found.add(text)
  }

  /** What cannot be had, so far. */
  get found(): readonly string[] {
    return [...this.#found]
  }

  /** Throws `UNSUPPORTED` with all that was found, if anything was. */
  check(
    fileName: string,
    what = 'cannot be read',
    hint = 'Layers of your own come by the option customLayers',
  ): void {
    const { found } = this
    if (found.length === 0) return
    const shown = found.slice(0, 20).join('; ')
    const more = found.length > 20 ? `; and ${found.length - 20} more` : ''
    throw new RefrainError('UNSUPPORTED', `${fileName}: ${what}: ${shown}${more}`, hint)
  }

  /** As `check`, of what a target of writing does not have. */
  checkWriting(fileName: string, target: string): void {
    this.check(
      fileName,
      `${target} cannot hold`,
      'Nothing was written. Change the model, or another format: .refrain holds any',
    )
  }
}
