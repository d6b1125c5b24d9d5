/**
 * The rows of a table that one training step uses. A batch of a few hundred different words reads and
 * moves only these of an embedding's 20,000 rows; its gradient is an array of as many rows.
 */
import type { Context } from './context.ts'
import type { Tensor } from './tensor.ts'

export class UsedRows {
  /** For each row of the table its position among those used, or -1. */
  readonly #slots: Int32Array
  readonly #dim: number
  readonly #beforeReading: (rows: Tensor) => void
  #rows = new Int32Array(64)
  #count = 0
  /** [rows used, D], once something has flowed back. */
  gradient: Tensor | null = null

  /**
   * @param shape the table's, [V,D]
   * @param beforeReading is given rows before they are read for the first time in a step, each once
   */
  constructor([rows, dim]: readonly number[], beforeReading: (rows: Tensor) => void) {
    this.#slots = new Int32Array(rows).fill(-1)
    this.#dim = dim
    this.#beforeReading = beforeReading
  }

  /** Different rows that the step has used so far. */
  get count(): number {
    return this.#count
  }

  /** Notes the rows that are about to be read. */
  read(ctx: Context, ids: Int32Array): void {
    const from = this.#count
    for (let i = 0; i < ids.length; i++) {
      if (this.#slots[ids[i]] >= 0) continue
      if (this.#count === this.#rows.length) {
        const more = new Int32Array(2 * this.#count)
        more.set(this.#rows)
        this.#rows = more
      }
      this.#slots[ids[i]] = this.#count
      this.#rows[this.#count++] = ids[i]
    }
    if (this.#count > from) this.#beforeReading(this.#tensor(ctx, from))
  }

  /** The rows, in the order in which they came. */
  rows(ctx: Context): Tensor {
    return this.#tensor(ctx, 0)
  }

  #tensor(ctx: Context, from: number): Tensor {
    const rows = ctx.empty([this.#count - from], 'int32')
    rows.ints.set(this.#rows.subarray(from, this.#count))
    return rows
  }

  /** gradient[position of ids[i],:] += dy[i,:]. */
  addGradient(ctx: Context, ids: Tensor, dy: Tensor): void {
    this.gradient ??= ctx.zeros([this.#count, this.#dim])
    const slots = ctx.empty([ids.size], 'int32')
    const from = ids.ints
    const to = slots.ints
    for (let i = 0; i < to.length; i++) to[i] = this.#slots[from[i]]
    ctx.kernels.gatherBackward(dy.values, to, this.gradient.values, ids.size, this.#dim)
  }

  /** Forgets the step. */
  reset(): void {
    for (let i = 0; i < this.#count; i++) this.#slots[this.#rows[i]] = -1
    this.#count = 0
    this.gradient = null
  }
}
