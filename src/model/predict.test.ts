/** Predictions from data that lies where kernels can read it, and from data that has to be copied. */
import { expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { dense, lstm } from '../layers/index.ts'
import { tensor } from '../tensor/tensor.ts'
import { sequential } from './sequential.ts'

const [rows, steps, features] = [7, 5, 3]
const numbers = Float32Array.from(new Random(1).uniform(rows * steps * features))
const shape = [rows, steps, features]

eachKindOfBackend((backend) => {
  for (const returnSequences of [false, true]) {
    const model = sequential([lstm({ units: 5, returnSequences }), dense({ units: 2 })], {
      backend,
      seed: 4,
    })
    const name = returnSequences ? 'of every step' : 'of the last step'

    it(`${name} are the same bits wherever the data lies and however it is cut`, async () => {
      const nested = await model.predict((await tensor(numbers, shape).array()) as number[][])
      const expected = await nested.data()
      expect(expected.every((value) => value !== 0)).toBe(true)
      const shared = new Float32Array(new SharedArrayBuffer(numbers.byteLength))
      shared.set(numbers)
      // Not at a multiple of a vector, not even of eight bytes.
      const odd = new Float32Array(numbers.length + 9).subarray(3, 3 + numbers.length)
      odd.set(numbers)
      for (const data of [numbers.slice(), odd, shared, Float64Array.from(numbers)]) {
        for (const batchSize of [undefined, rows, 3, 1]) {
          const result = await model.predict({ shape, data }, { batchSize })
          expect(result.shape).toEqual(nested.shape)
          expect(await result.data()).toEqual(expected)
        }
        expect(Array.from(data)).toEqual(Array.from(numbers))
      }
    })

    it(`${name} are kept when the model predicts again`, async () => {
      const first = await model.predict({ shape, data: numbers })
      const before = await first.data()
      await model.predict({ shape, data: numbers.map((x) => -x) })
      expect(await first.data()).toEqual(before)
    })
  }

  it('finds a number that is not finite, wherever it stands', async () => {
    const model = sequential([lstm({ units: 2 })], { backend })
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const at of [0, 50, numbers.length - 1]) {
        const data = numbers.slice()
        data[at] = bad
        const place = `row ${Math.floor(at / 15)}, position ${at % 15}`
        await expect(model.predict({ shape, data })).rejects.toThrow(
          `predict 'x': expected finite numbers, got ${bad} at ${place}`,
        )
      }
    }
  })

  it('fit reads data in place and leaves it as it was', async () => {
    const data = numbers.slice()
    const trained = async (x: Float32Array | Float64Array) => {
      const model = sequential([lstm({ units: 5, dropout: 0.3 }), dense({ units: 1 })], { backend })
      model.compile({ loss: 'meanSquaredError' })
      await model.fit({ shape, data: x }, new Float32Array(rows).fill(0.5), {
        epochs: 3,
        batchSize: 3,
        shuffle: false,
      })
      return model.parameters.values.values.slice()
    }
    expect(await trained(data)).toEqual(await trained(Float64Array.from(numbers)))
    expect(data).toEqual(numbers)
  })
})
