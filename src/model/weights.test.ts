/** A model's weights, out and in. */
import { expect, it } from 'vitest'
import { eachBackend } from '../kernels/backends.case.ts'
import { bidirectional, dense, lstm } from '../layers/index.ts'
import { sequential } from './sequential.ts'

eachBackend((backend) => {
  const makeModel = (seed: number) =>
    sequential([bidirectional(lstm({ units: 3 })), dense({ units: 2, trainable: false })], {
      backend,
      seed,
    })
  const x = { shape: [2, 4, 2], data: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)) }

  it('of one model make the other predict the same', async () => {
    const [one, other] = [makeModel(1), makeModel(2).build([null, 4, 2])]
    const said = await (await one.predict(x)).data()
    expect(await (await other.predict(x)).data()).not.toEqual(said)
    const weights = one.getWeights()
    expect(weights.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['bidirectional/forward/kernel', 2, 12],
      ['bidirectional/forward/recurrentKernel', 3, 12],
      ['bidirectional/forward/bias', 12],
      ['bidirectional/backward/kernel', 2, 12],
      ['bidirectional/backward/recurrentKernel', 3, 12],
      ['bidirectional/backward/bias', 12],
      ['dense/kernel', 6, 2],
      ['dense/bias', 2],
    ])
    other.setWeights(weights)
    expect(await (await other.predict(x)).data()).toEqual(said)
    weights[0].data.fill(0)
    expect(one.getWeights()[0].data).not.toEqual(weights[0].data)
  })

  it('stay as they are if one does not fit', () => {
    const model = makeModel(1).build([null, 4, 2])
    const before = model.getWeights()
    const arrays = before.map(({ data }) => data.map(() => 7))
    expect(() => model.setWeights([...arrays.slice(0, -1), [1]])).toThrow(
      "sequential.setWeights: expected shape [2] for 'dense/bias', got [1]",
    )
    expect(() => model.setWeights(arrays.slice(1))).toThrow(
      'sequential.setWeights: expected 8 arrays (bidirectional/forward/kernel, ',
    )
    expect(model.getWeights()).toEqual(before)
  })

  it('are not there before the input shape is known', () => {
    expect(() => makeModel(1).getWeights()).toThrow(
      'sequential.build: expected the input shape with the batch',
    )
  })
})
