/** The CRF of every backend against the float64 reference. */
import { describe, it } from 'vitest'
import { eachBackend, expectSameBits, truth } from './backends.case.ts'
import {
  type Argument,
  blank,
  expectClose,
  floats,
  ints,
  Random,
  run,
  type Tolerance,
} from './kernels.case.ts'
import type { Backend, Kernels } from './kernels.ts'

/** How a batch's steps are masked: as many as there are, fewer, or with gaps. */
const masks = ['none', 'lengths', 'gaps'] as const

/** `steps` and `lengths` for rows of t steps; the first row has none where any is masked. */
function drawMask(random: Random, kind: (typeof masks)[number], b: number, t: number) {
  const steps: number[] = []
  const lengths: number[] = []
  const valid: number[] = []
  for (let row = 0; row < b; row++) {
    const length = random.integers(1, t + 1)[0]
    const flags = Array.from({ length: t }, (_, s) => {
      if (kind === 'none') return 1
      if (row === 0) return 0
      return kind === 'lengths' ? Number(s < length) : random.integers(1, 3)[0] % 2
    })
    const times = flags.flatMap((flag, s) => (flag ? [s] : []))
    steps.push(...times, ...new Array(t - times.length).fill(0))
    lengths.push(times.length)
    valid.push(...flags)
  }
  return {
    steps: kind === 'gaps' ? ints(steps) : null,
    lengths: kind === 'none' ? null : ints(lengths),
    lengthOf: lengths,
    valid,
  }
}

type Arguments = (Argument | number | null)[]

/** Compares the first results; the others are memory to work in. */
function check(
  backend: Backend,
  kernel: keyof Kernels,
  args: Arguments,
  tolerances: Tolerance[],
  what: string,
) {
  const expected = run(truth, kernel, args)
  const found = run(backend, kernel, args)
  tolerances.forEach((tolerance, i) => {
    expectClose(found[i], expected[i], tolerance, `${kernel} ${what} result ${i}`)
  })
}

const sizes: [b: number, t: number, k: number][] = [
  [1, 1, 1],
  [3, 1, 2],
  [2, 4, 3],
  [5, 7, 9],
  [3, 12, 17],
  [4, 5, 33],
]
const loss: Tolerance = { relative: 2e-6, absolute: 2e-5 }
const gradient: Tolerance = { relative: 2e-5, ofLargest: 2e-6, absolute: 2e-6 }

eachBackend((backend) => {
  describe('the CRF', () => {
    const draw = (
      random: Random,
      b: number,
      t: number,
      k: number,
      kind: (typeof masks)[number],
    ) => {
      const { steps, lengths, valid } = drawMask(random, kind, b, t)
      // What is masked is not read.
      const x = random.uniform(b * t * k, -4, 4)
      valid.forEach((flag, at) => {
        if (!flag) x.fill(Number.NaN, at * k, (at + 1) * k)
      })
      const labels = random.integers(b * t, k)
      valid.forEach((flag, at) => {
        if (!flag) labels[at] = -1
      })
      const transitions = random.uniform(k * k, -2, 2)
      // Some transitions are forbidden, but none of those that the labels make.
      for (let i = 0; i < k; i++) if (k > 2) transitions[i * k + ((i + 1) % k)] = Math.fround(-1e30)
      for (let at = 0; at < labels.length; at++) {
        if (k > 2 && labels[at] >= 0) labels[at] -= labels[at] % 2
      }
      const edges = [random.uniform(k, -2, 2), random.uniform(k, -2, 2)]
      return {
        x: floats(x),
        labels: ints(labels),
        transitions: floats(transitions),
        edges,
        steps,
        lengths,
      }
    }

    it.each(masks)('loss and gradients, mask: %s', (kind) => {
      const random = new Random(31)
      for (const [b, t, k] of sizes) {
        const { x, labels, transitions, edges, steps, lengths } = draw(random, b, t, k, kind)
        const scale = floats(random.uniform(b))
        for (const gradients of [true, false]) {
          const args = [
            ...[x, labels, transitions, ...edges.map(floats), steps, lengths, scale, blank(b)],
            ...(gradients ? [blank(b * t * k), blank(b * k * k)] : [null, null]),
            ...[blank(b * (t + 4 * k)), b, t, k],
          ]
          const near = gradients ? [loss, gradient, gradient] : [loss]
          check(backend, 'crfLoss', args, near, `${[b, t, k]} ${kind}`)
        }
      }
    })

    it('keeps its digits over 500 steps, and is the same for any number of threads', () => {
      const random = new Random(33)
      const [b, t, k] = [6, 500, 5]
      const { x, labels, transitions, edges, steps, lengths } = draw(random, b, t, k, 'none')
      const scale = floats(random.uniform(b))
      const args = [
        ...[x, labels, transitions, ...edges.map(floats), steps, lengths, scale],
        ...[blank(b), blank(b * t * k), blank(b * k * k), blank(b * (t + 4 * k)), b, t, k],
      ]
      const long = { relative: 1e-4, ofLargest: 1e-5, absolute: 1e-5 }
      check(backend, 'crfLoss', args, [loss, gradient, long], 'long')
      expectSameBits(backend, () => {
        const [out, dx, dPairs] = run(backend, 'crfLoss', args)
        return { out, dx, dPairs }
      })
    })
  })
})
