/** What clipping does to one step of the optimizer, and to training. */
import { dense, orthogonal, RefrainError, sequential, sgd, simpleRnn } from 'refrain'
import type { Sums } from './adding-problem.ts'

type Clip = Pick<
  NonNullable<Parameters<typeof sgd>[0]>,
  'clipValue' | 'clipNorm' | 'globalClipNorm'
>

/** A simple RNN with relu, whose recurrent matrix makes every vector `gain` times as long. */
export function explosive(gain: number, clip: Clip = {}, learningRate = 0.02) {
  const recurrentInitializer = orthogonal({ gain })
  const layer = simpleRnn({ units: 32, activation: 'relu', recurrentInitializer })
  const model = sequential([layer, dense({ units: 1 })], { seed: 1 })
  model.compile({ optimizer: sgd({ learningRate, ...clip }), loss: 'meanSquaredError' })
  return model
}

/** What one step with a learning rate of 1 moves the weights by: the gradient as it was used. */
export async function usedGradient({ x, y }: Sums, gain: number, clip: Clip): Promise<number[]> {
  const model = explosive(gain, clip, 1)
  model.build([null, null, 2])
  const weights = () =>
    model.layers.flatMap((layer) => layer.getWeights().flatMap(({ data }) => [...data]))
  const before = weights()
  await model.fit(x, y, { batchSize: x.length, shuffle: false })
  const after = weights()
  return before.map((value, i) => value - after[i])
}

/** The length of a vector. */
export const lengthOf = (vector: readonly number[]) => Math.hypot(...vector)

/** The angle between two vectors, degrees. */
export function angleBetween(a: readonly number[], b: readonly number[]): number {
  const product = a.reduce((sum, value, i) => sum + value * b[i], 0)
  const cosine = product / (lengthOf(a) * lengthOf(b))
  return (Math.acos(Math.min(1, cosine)) * 180) / Math.PI
}

/** The mean of each number and those before it, `width` in all. */
export const smooth = (numbers: readonly number[], width: number) =>
  numbers.map((_, i) => {
    const last = numbers.slice(Math.max(0, i + 1 - width), i + 1)
    return last.reduce((sum, value) => sum + value, 0) / last.length
  })

/** The loss of every step of training, and the error that ended it, if one did. */
export async function lossesOf(
  model: ReturnType<typeof explosive>,
  { x, y }: Sums,
  epochs: number,
): Promise<{ losses: number[]; error: string | null }> {
  const losses: number[] = []
  let sum = 0
  // What `fit` gives is the mean of the epoch so far.
  const onStepEnd = ({ step }: { step: number }, { loss }: Record<string, number>) => {
    losses.push(loss * step - (step === 1 ? 0 : sum))
    sum = loss * step
  }
  try {
    await model.fit(x, y, { epochs, callbacks: [{ name: 'losses', onStepEnd }] })
  } catch (error) {
    if (!(error instanceof RefrainError)) throw error
    return { losses, error: error.message }
  }
  return { losses, error: null }
}
