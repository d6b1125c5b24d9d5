/**
 * Minimizes a smooth function by L-BFGS (Nocedal and Wright, "Numerical Optimization", 2nd edition,
 * algorithms 7.4 and 7.5, with backtracking). For the small convex problems of the baselines.
 */

/** A function to minimize: returns its value and writes its gradient. */
export type Objective = (parameters: Float64Array, gradient: Float64Array) => number

const memory = 10
const maxSteps = 1000
/** Sufficient decrease, the usual constant of Armijo's condition. */
const decrease = 1e-4

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

/** to += factor from */
function add(to: Float64Array, factor: number, from: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] += factor * from[i]
}

const largestOf = (values: Float64Array) =>
  values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)

/** The parameters at which the largest gradient is at most `tolerance`, from `start` on. */
export function minimize(
  objective: Objective,
  start: Float64Array,
  tolerance = 1e-4,
): Float64Array {
  let x = start.slice()
  let gradient = new Float64Array(x.length)
  let value = objective(x, gradient)
  const history: { s: Float64Array; y: Float64Array; rho: number }[] = []

  for (let step = 0; step < maxSteps && largestOf(gradient) > tolerance; step++) {
    const direction = gradient.slice()
    const alphas: number[] = []
    for (const { s, y, rho } of history.toReversed()) {
      const alpha = rho * dot(s, direction)
      alphas.push(alpha)
      add(direction, -alpha, y)
    }
    const last = history.at(-1)
    const scale = last
      ? 1 / (last.rho * dot(last.y, last.y))
      : 1 / Math.max(1, Math.sqrt(dot(gradient, gradient)))
    for (let i = 0; i < direction.length; i++) direction[i] *= scale
    for (const { s, y, rho } of history) {
      add(direction, alphas.pop()! - rho * dot(y, direction), s)
    }
    const slope = -dot(direction, gradient)

    const next = new Float64Array(x.length)
    const nextGradient = new Float64Array(x.length)
    let length = 1
    let nextValue: number
    do {
      next.set(x)
      add(next, -length, direction)
      nextValue = objective(next, nextGradient)
      if (nextValue <= value + decrease * length * slope) break
      length /= 2
    } while (length > 1e-12)
    if (!(nextValue <= value)) return x

    const s = next.slice()
    add(s, -1, x)
    const y = nextGradient.slice()
    add(y, -1, gradient)
    const curvature = dot(s, y)
    if (curvature > 1e-10 * dot(y, y)) {
      history.push({ s, y, rho: 1 / curvature })
      if (history.length > memory) history.shift()
    }
    x = next
    gradient = nextGradient
    value = nextValue
  }
  return x
}
