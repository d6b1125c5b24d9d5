import { expect, it } from 'vitest'
import { eachKindOfBackend, runStep } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { layerFromConfig } from './registry.ts'
import { scheduledSampling } from './scheduled-sampling.ts'

const [rows, steps, size] = [40, 6, 5]
/** Ids from 1 to 3, the last step of odd rows padding. */
const ids = Array.from({ length: rows * steps }, (_, i) =>
  i % steps === steps - 1 && Math.floor(i / steps) % 2 === 1 ? 0 : 1 + (i % 3),
)
/** 4 is always the likeliest. */
const probabilities = Array.from({ length: rows * steps * size }, (_, i) => (i % size) / 10)

function run(rate: number, training: boolean, seed = 1, backend = truth) {
  const layer = scheduledSampling({ rate })
  let found = new Int32Array(0)
  runStep(
    backend,
    {
      inputs: [
        { shape: [rows, steps], data: ids, dtype: 'int32' },
        { shape: [rows, steps, size], data: probabilities },
      ],
      training,
      random: { seed, step: 3 },
      compute: (ctx, inputs) => {
        const [mixed] = layer.call(ctx, inputs)
        found = mixed.ints.slice()
        return []
      },
    },
    false,
  )
  return found
}

it('replaces a share of the ids by the likeliest, but for the first and padding', () => {
  const mixed = run(0.4, true)
  let replaced = 0
  let open = 0
  mixed.forEach((id, i) => {
    if (i % steps === 0 || ids[i] === 0) expect(id).toBe(ids[i])
    else {
      open++
      if (id === 4) replaced++
      else expect(id).toBe(ids[i])
    }
  })
  expect(replaced / open).toBeGreaterThan(0.3)
  expect(replaced / open).toBeLessThan(0.5)
  expect(run(0.4, true)).toEqual(mixed)
  expect(run(0.4, true, 2)).not.toEqual(mixed)
})

it('does nothing in predictions', () => {
  expect([...run(0.4, false)]).toEqual(ids)
  expect([...run(0, true)]).toEqual(ids)
})

eachKindOfBackend((backend) => {
  it('replaces the same ids on every backend', () => {
    expect(run(0.4, true, 1, backend)).toEqual(run(0.4, true))
    expect([...run(0.4, false, 1, backend)]).toEqual(ids)
  })
})

it('stands in files and refuses what does not fit', () => {
  const layer = scheduledSampling({ rate: 0.3, name: 's' })
  expect(layerFromConfig(layer.config).config).toEqual(layer.config)
  expect(() => scheduledSampling({ rate: 1 })).toThrow("scheduledSampling 'rate'")
  expect(() => layer.outputShapes([[null, null]])).toThrow('expected ids and probabilities')
  expect(() =>
    layer.outputShapes([
      [null, null],
      [null, 5],
    ]),
  ).toThrow('for the probabilities')
})
