/** Files of PyTorch's exporter, beside what PyTorch computes in float64. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import type { AnyModel } from '../../model/file.ts'
import { loadModel } from '../load.ts'
import { expectEqual, type Given, predicted } from './runtime.case.ts'

interface Floats {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** [A,B,…] as [B,A,…]; [1,B,…] as [B,…]. */
function turned({ shape: [a, b, ...rest], data }: Floats): Given {
  const inner = rest.reduce((all, length) => all * length, 1)
  const out = Float32Array.from(data as ArrayLike<number>, (_, i) => {
    const [y, x] = [Math.floor(i / (a * inner)), Math.floor(i / inner) % a]
    return data[(x * b + y) * inner + (i % inner)]
  })
  return { shape: a === 1 ? [b, ...rest] : [b, a, ...rest], data: out }
}

const { cases, made_by } = loadFixture('onnx/pytorch.json')

describe(`${made_by.program} ${made_by.version}`, () => {
  it.each(cases)('$name', async ({ name, arrays }) => {
    const path = fileURLToPath(new URL(`../../../test/fixtures/onnx/${name}.onnx`, import.meta.url))
    const model = (await loadModel(path)) as AnyModel
    const all = (letter: string) =>
      Object.entries(arrays).flatMap(([key, array]) => (key.startsWith(letter) ? [array] : []))
    // Time or layers stand before the batch.
    const isTurned = (i: number) => name === 'states' || (name === 'stacked' && i > 0)
    const given = all('x').map((x, i): Given => {
      if (isTurned(i)) return turned(x)
      const data = name === 'tagger' ? Int32Array.from(x.data) : Float32Array.from(x.data)
      return { shape: [...x.shape], data }
    })
    const inputs = given.slice(0, model.inputNames.length)
    if (name === 'packed') {
      // Lengths are those of the rows; behind their ends predict gives zeros.
      const rows = [6, 4].map((count, row) =>
        Array.from({ length: count }, (_, t) =>
          Array.from(given[0].data.slice((row * 6 + t) * 3, (row * 6 + t + 1) * 3)),
        ),
      )
      const [y, h] = [await model.predict(rows as never)].flat()
      const [{ data: steps }, states] = all('y')
      const ended = Array.from(steps, (value, i) => (i >= 2 * (6 + 4) ? 0 : value))
      expectEqual({ dims: y.shape, data: await y.data() }, { shape: [2, 6, 2], data: ended }, 'y')
      expectEqual({ dims: h.shape, data: await h.data() }, states, 'h')
      return
    }
    const found = await predicted(model, inputs)
    expect(found).toHaveLength(all('y').length)
    for (const [i, y] of all('y').entries()) {
      const { shape, data } = found[i]
      expectEqual({ dims: shape, data }, isTurned(i) ? turned(y) : y, `output ${i}`)
    }
  })
})
