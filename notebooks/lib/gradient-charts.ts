/** How much of a gradient is left at each step of the past. */
import { type Callback, gradientFlow } from 'refrain'
import { lines, type Point, series } from './charts.ts'
import type { Chart } from './show.ts'

type Model = Parameters<typeof gradientFlow>[0]
type Data = Parameters<typeof gradientFlow>[1]

/** A model, or what is compared, and norms of gradients for t from 0. */
export type Norms = Readonly<Record<string, ArrayLike<number>>>

/** Norms of the gradient of the loss with respect to h_t, the last step's being 1. */
export async function reach(model: Model, x: Data, y: Data): Promise<number[]> {
  const { layers } = await gradientFlow(model, x, y)
  return relative(layers[0].h)
}

/** Every number divided by the last. */
export const relative = (norms: ArrayLike<number>) =>
  Array.from(norms, (norm) => norm / norms[norms.length - 1])

/** A callback for `fit` that keeps `reach` after some epochs, counted from 1, in `kept`. */
export function watchReach(
  model: Model,
  x: Data,
  y: Data,
  epochs: readonly number[],
): Callback & { readonly kept: Record<string, number[]> } {
  const kept: Record<string, number[]> = {}
  return {
    name: 'watchReach',
    kept,
    async onEpochEnd({ epoch }) {
      if (epochs.includes(epoch + 1)) kept[`epoch ${epoch + 1}`] = await reach(model, x, y)
    },
  }
}

const width = 420

/** What is too small to be drawn, and to matter. */
const least = 1e-16

/** Norms over time, on a log axis. */
export function gradientLines(title: string, norms: Norms, y = '‖∂loss/∂hₜ‖'): Chart {
  const points = Object.entries(norms)
    .flatMap(([of, values]) => series(of, values))
    .filter(({ y }) => y > least)
  return lines(title, points, { x: 't', y, log: true, width, order: Object.keys(norms) })
}

/** Losses of several models over epochs or steps, on a log axis, above a dashed line for what is trivial. */
export function lossesBeside(
  title: string,
  losses: Readonly<Record<string, readonly number[]>>,
  { x, trivial }: { x: string; trivial: { of: string; loss: number } },
): Chart {
  const longest = Math.max(...Object.values(losses).map(({ length }) => length))
  const ends = [1, longest].map((at): Point => ({ x: at, y: trivial.loss, of: trivial.of }))
  const points = Object.entries(losses).flatMap(([of, values]) => series(of, values, 1))
  const dashed = [trivial.of]
  return lines(title, [...points, ...ends], {
    x,
    y: 'mean squared error',
    log: true,
    width,
    dashed,
  })
}
