/** Predictions from data that lies where kernels can read it, and from data that has to be copied. */
import { expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { activation, dense, lstm, timeDistributed } from '../layers/index.ts'
import { input } from '../layers/input.ts'
import { tensor } from '../tensor/tensor.ts'
import { model as functional } from './functional.ts'
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
      const before = (await first.data()).slice()
      await model.predict({ shape, data: numbers.map((x) => -x) })
      expect(await first.data()).toEqual(before)
    })
  }

  it('gives the numbers of other ways to the same result, whatever layer makes it', async () => {
    const x = { shape, data: numbers }
    for (const name of ['softmax', 'sigmoid', 'linear'] as const) {
      const seed = 4
      const last = dense({ units: 40, activation: name })
      const plain = sequential([lstm({ units: 5, returnSequences: true }), last], { backend, seed })
      const expected = await plain.predict(x)
      // Here the product is an output of an inner layer, or not the model's last.
      const inner = timeDistributed(dense({ units: 40, activation: name }))
      const ends = dense({ units: 40 })
      for (const layers of [[inner], [ends, activation(name)]]) {
        const first = lstm({ units: 5, returnSequences: true })
        const model = sequential([first, ...layers], { backend, seed })
        await model.predict(x)
        first.setWeights(await plain.layers[0].getWeights())
        layers[0].setWeights(await last.getWeights())
        for (const batchSize of [rows, 3]) {
          const found = await model.predict(x, { batchSize })
          expect(found.shape).toEqual(expected.shape)
          expect(await found.data()).toEqual(await expected.data())
        }
      }
    }
  })

  it('gives an output that another layer reads, and both outputs', async () => {
    const x = input({ shape: [features] })
    const a = dense({ units: 4, activation: 'relu' }).apply(x)
    const b = dense({ units: 3, activation: 'softmax' }).apply(a)
    const data = numbers.slice(0, 6 * features)
    const both = functional({ inputs: x, outputs: [a, b], backend, seed: 2 })
    const whole = await both.predict({ shape: [6, features], data })
    const parts: number[][] = [[], []]
    for (let row = 0; row < 6; row++) {
      const one = { shape: [1, features], data: data.slice(row * features, (row + 1) * features) }
      const results = await both.predict(one)
      for (const i of [0, 1]) parts[i].push(...(await results[i].data()))
    }
    for (const i of [0, 1]) expect(Array.from(await whole[i].data())).toEqual(parts[i])
    const sums = [0, 1, 2].map((k) => parts[1][3 * k] + parts[1][3 * k + 1] + parts[1][3 * k + 2])
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5)
    expect(parts[0].every((value) => value >= 0)).toBe(true)
  })

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
