/**
 * Keras's `OrthogonalRegularizer`. A bundle for the browser holds it only if it uses this function or reads
 * models from files; then its name serves as well, as it does in Node.
 */
import { checkNumber, checkOneOf, checkOptions } from '../util/check.ts'
import { addOrthogonal, type Orthogonal } from './regularizers.ts'
import { shapeError } from './tensor.ts'

/** Keras's epsilon: shorter vectors are not made longer than by this. */
const tiny = 1e-7

/**
 * `factor` (0.01) times the mean of |cosine| over all pairs of rows of a matrix, or of columns with `mode:
 * 'columns'`: 0 where all are orthogonal. For kernels, and for outputs [B,F]. Keras's `OrthogonalRegularizer`.
 */
export function orthogonalRegularizer(
  options: { factor?: number; mode?: 'rows' | 'columns' } = {},
): Orthogonal {
  const where = 'orthogonalRegularizer'
  checkOptions(where, options, ['factor', 'mode'])
  const { factor = 0.01, mode = 'rows' } = options
  checkNumber(`${where} 'factor'`, factor, 0)
  return { name: where, factor, mode: checkOneOf(`${where} 'mode'`, mode, ['rows', 'columns']) }
}

/** What reading files and the function above make known. */
export const orthogonalTerm: Parameters<typeof addOrthogonal>[0] = {
  make: orthogonalRegularizer,
  term(ctx, { factor, mode }, x, gradient, share) {
    const { kernels } = ctx
    const { shape, values } = x
    if (shape.length !== 2) throw shapeError('orthogonalRegularizer', [null, null], shape)
    const [rows, cols] = shape
    const [n, size] = mode === 'rows' ? shape : [cols, rows]
    if (n < 2) return 0
    const at = (i: number, k: number) => (mode === 'rows' ? i * cols + k : k * cols + i)
    const unit = ctx.empty([n, size])
    const lengths = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      let square = 0
      for (let k = 0; k < size; k++) square += values[at(i, k)] ** 2
      lengths[i] = Math.max(Math.sqrt(square), tiny)
      for (let k = 0; k < size; k++) unit.values[i * size + k] = values[at(i, k)] / lengths[i]
    }
    const cosines = ctx.empty([n, n])
    kernels.matmul(unit.values, unit.values, null, cosines.values, n, size, n, 0, 1, 0)
    const each = (share * factor) / (n * (n - 1))
    let sum = 0
    const pairs = cosines.values
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        if (i !== j) sum += Math.abs(pairs[i * n + j])
        pairs[i * n + j] = i === j ? 0 : Math.sign(pairs[i * n + j])
      }
    }
    if (!gradient) return each * sum
    // Of the unit vectors; of these, only what turns them moves the term.
    const turn = ctx.empty([n, size])
    kernels.matmul(pairs, unit.values, null, turn.values, n, n, size, 0, 0, 0)
    for (let i = 0; i < n; i++) {
      let along = 0
      const row = i * size
      for (let k = 0; k < size; k++) along += turn.values[row + k] * unit.values[row + k]
      for (let k = 0; k < size; k++) {
        const across = turn.values[row + k] - along * unit.values[row + k]
        gradient.values[at(i, k)] += (2 * each * across) / lengths[i]
      }
    }
    return each * sum
  },
}
addOrthogonal(orthogonalTerm)
