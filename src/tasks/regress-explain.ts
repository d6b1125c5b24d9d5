/** What each number of a row adds to a target that is told from it. */
import type { Model } from '../model/model.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { attribute } from './attributions.ts'
import type { Scale } from './forecast/scale.ts'

/** What each column of a row adds to one target. */
export interface RegressionExplanation {
  /** The column that is told. */
  readonly target: string
  readonly prediction: number
  /** What the model tells of a row in which every number is its mean in training. */
  readonly baseline: number
  /** By column, in the target's units; the sum is `prediction - baseline`. */
  readonly contributions: Readonly<Record<string, number>>
}

/** The contributions of a scaled row to output `target`, in the units of its scale. */
export async function explainRow(
  model: Model,
  row: Float32Array,
  target: number,
  { shift, factor }: Scale,
): Promise<{ prediction: number; baseline: number; contributions: Float64Array }> {
  const { inputs, outputs } = model.graph!
  const from = new Float32Array(row.length)
  const path = { at: inputs[0], shape: [row.length], to: row, from, together: 1 }
  const scoreOf = (tensor: Tensor) => {
    const [count, size] = tensor.shape
    const slopes = new Float64Array(size)
    slopes[target] = factor
    const rows = Array.from({ length: count }, (_, i) => ({
      value: tensor.values[i * size + target] * factor + shift,
      slopes,
    }))
    return { tensor, rows }
  }
  const found = await attribute(model, outputs[0], () => [path], scoreOf)
  const [contributions] = found.contributions
  return { prediction: found.score, baseline: found.baseline, contributions }
}
