/** Windows over images, on every backend, against the reference; the reference by hand. */
import { describe, expect, it } from 'vitest'
import { checkerOf, eachBackend, expectSameBits } from './backends.case.ts'
import { blank, elementwise, exact, floats, floatsOut, Random, run } from './kernels.case.ts'
import { referenceBackend } from './reference.ts'

/** Images, windows, strides, dilation and padding before; the counts of windows follow. */
interface Case {
  image: [b: number, height: number, width: number, channels: number]
  kernel: [number, number]
  strides?: [number, number]
  dilation?: [number, number]
  before?: [number, number]
  out: [number, number]
}

const cases: Case[] = [
  { image: [2, 1, 7, 3], kernel: [1, 3], out: [1, 5] },
  { image: [2, 1, 7, 3], kernel: [1, 3], strides: [1, 2], before: [0, 1], out: [1, 4] },
  { image: [3, 1, 9, 17], kernel: [1, 3], dilation: [1, 2], before: [0, 4], out: [1, 9] },
  { image: [2, 5, 6, 1], kernel: [3, 2], out: [3, 5] },
  { image: [2, 5, 6, 4], kernel: [3, 3], before: [1, 1], out: [5, 6] },
  { image: [1, 6, 5, 2], kernel: [2, 3], strides: [3, 2], before: [1, 1], out: [3, 3] },
  { image: [1, 9, 8, 5], kernel: [3, 2], dilation: [2, 3], before: [2, 1], out: [9, 8] },
  { image: [1, 5, 5, 3], kernel: [2, 2], strides: [2, 2], dilation: [2, 2], out: [2, 2] },
  // A window larger than the image, and windows that lie outside of it.
  { image: [1, 2, 2, 3], kernel: [5, 7], before: [2, 3], out: [2, 2] },
  { image: [1, 2, 3, 2], kernel: [1, 2], before: [1, 3], out: [4, 7] },
  { image: [1, 3, 3, 33], kernel: [1, 1], strides: [2, 1], out: [2, 3] },
  { image: [0, 3, 3, 2], kernel: [2, 2], out: [2, 2] },
]

function argumentsOf({ image, kernel, strides, dilation, before, out }: Case) {
  const [b, height, width, channels] = image
  const patches = b * out[0] * out[1] * kernel[0] * kernel[1] * channels
  const rest = [...out, ...kernel, ...(strides ?? [1, 1]), ...(dilation ?? [1, 1])]
  return {
    pixels: b * height * width * channels,
    patches,
    sizes: [...image, ...rest, ...(before ?? [0, 0])],
  }
}

it('the reference, by hand', () => {
  const reference = referenceBackend({ float: 'float64' })
  // Windows of 2 × 2 over an image of 2 × 3, one pixel of padding before.
  const { sizes } = argumentsOf({
    image: [1, 2, 3, 1],
    kernel: [2, 2],
    before: [1, 1],
    out: [2, 3],
  })
  const patches = [...[0, 0, 0, 1, 0, 0, 1, 2, 0, 0, 2, 3], ...[0, 1, 0, 4, 1, 2, 4, 5, 2, 3, 5, 6]]
  const x = floats([1, 2, 3, 4, 5, 6])
  expect([...run(reference, 'gatherPatches', [x, blank(24), ...sizes])[0]]).toEqual(patches)
  const ones = floats(new Float64Array(24).fill(1))
  const sums = run(reference, 'gatherPatchesBackward', [
    ones,
    floatsOut([9, 0, 0, 0, 0, 0]),
    ...sizes,
  ])
  expect([...sums[0]]).toEqual([13, 4, 2, 2, 2, 1])
})

eachBackend((backend) => {
  const check = checkerOf(backend)

  describe('windows over images', () => {
    it.each(cases)('$image, windows $kernel', (given) => {
      const random = new Random(4)
      const { pixels, patches, sizes } = argumentsOf(given)
      check('gatherPatches', [floats(random.uniform(pixels)), blank(patches), ...sizes], exact)
      const dPatches = floats(random.uniform(patches))
      const dx = floatsOut(random.uniform(pixels))
      check('gatherPatchesBackward', [dPatches, dx, ...sizes], { ...elementwise, ofLargest: 1e-6 })
    })

    it.skipIf(backend.threads === 1)('the same bits whatever the number of threads', () => {
      const random = new Random(5)
      const { pixels, patches, sizes } = argumentsOf({
        image: [3, 40, 50, 8],
        kernel: [3, 3],
        before: [1, 1],
        out: [40, 50],
      })
      const [x, dPatches] = [floats(random.uniform(pixels)), floats(random.uniform(patches))]
      const dx = floatsOut(random.uniform(pixels))
      expectSameBits(backend, () => ({
        patches: run(backend, 'gatherPatches', [x, blank(patches), ...sizes])[0],
        dx: run(backend, 'gatherPatchesBackward', [dPatches, dx, ...sizes])[0],
      }))
    })
  })
})
