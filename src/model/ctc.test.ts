/** CTC in models: ragged labels through fit, evaluation, files, errors. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { dense } from '../layers/dense.ts'
import { lstm } from '../layers/lstm.ts'
import { ctcBeamDecode, ctcGreedyDecode } from '../tensor/ctc-decode.ts'
import { ctc } from '../train/ctc-loss.ts'
import { wordErrorRate } from '../train/metrics-edits.ts'
import { labelErrorRate } from '../train/metrics-sequences.ts'
import { adam } from '../train/optimizers.ts'
import { sequential } from './index.ts'
import { loadRefrain } from './load.ts'

/** Labels 1 to 3, each heard for two or three steps with a pause of one or two before it. */
function sounds(count: number) {
  const random = new Random(5)
  const draw = (most: number) => random.integers(1, most)[0]
  const x: number[][][] = []
  const y: number[][] = []
  for (let i = 0; i < count; i++) {
    const labels = Array.from({ length: 1 + draw(3) }, () => 1 + draw(3))
    const frames = labels.flatMap((label) => [
      ...new Array(1 + draw(2)).fill(0),
      ...new Array(2 + draw(2)).fill(label),
    ])
    x.push(frames.map((label) => [0, 1, 2, 3].map((c) => (c === label ? 1 : 0))))
    y.push(labels)
  }
  return { x, y }
}

const listener = (activation: 'linear' | 'softmax', options = {}) =>
  sequential(
    [
      lstm({ units: 12, returnSequences: true, inputShape: [null, 4] }),
      dense({ units: 4, activation }),
    ],
    { seed: 2, ...options },
  )

describe('ctc', () => {
  eachKindOfBackend((backend) => {
    it('learns labels without times', async () => {
      const { x, y } = sounds(64)
      const model = listener('softmax', { backend })
      model.compile({ optimizer: adam({ learningRate: 0.03 }), loss: 'ctc' })
      const { history } = await model.fit(x, y, { epochs: 12, batchSize: 16 })
      expect(history.loss.at(-1)!).toBeLessThan(history.loss[0] / 10)
      const scores = await model.predict(x)
      const lengths = x.map((row) => row.length)
      const options = { lengths, fromLogits: false }
      const right = ctcGreedyDecode(scores, options).filter(
        ({ labels }, r) => labels.join() === y[r].join(),
      )
      expect(right.length).toBeGreaterThan(60)
      const beams = ctcBeamDecode(scores, { ...options, beamWidth: 4 })
      expect(
        beams.filter(([{ labels }], r) => labels.join() === y[r].join()).length,
      ).toBeGreaterThan(60)
    })
  })

  it('is the same from a softmax as from logits, for ragged labels as for padded ones', async () => {
    const { x, y } = sounds(8)
    const width = Math.max(...y.map((row) => row.length))
    const withBlanks = y.map((row) => [...row, ...new Array(width - row.length).fill(0)])
    const withMinus = y.map((row) => [...row, ...new Array(width - row.length).fill(-1)])
    const losses: number[] = []
    for (const activation of ['linear', 'softmax'] as const) {
      for (const labels of [y, withBlanks, withMinus]) {
        const model = listener(activation)
        model.compile({ loss: ctc() })
        losses.push((await model.evaluate(x, labels)).loss)
      }
    }
    for (const loss of losses) expect(loss).toBeCloseTo(losses[0], 5)
  })

  it('counts edits of the greedy labels', async () => {
    const { x, y } = sounds(6)
    const model = listener('softmax')
    model.compile({ loss: 'ctc', metrics: [labelErrorRate()] })
    const { labelErrorRate: found } = await model.evaluate(x, y, { batchSize: 4 })
    const lengths = x.map((row) => row.length)
    const given = ctcGreedyDecode(await model.predict(x), { lengths, fromLogits: false })
    const rate = wordErrorRate()
    rate.update(
      y.map((row) => row.join(' ')),
      given.map(({ labels }) => labels.join(' ')),
    )
    expect(found).toBeCloseTo(rate.result, 10)
    expect(() => model.compile({ loss: 'ctc', metrics: ['accuracy'] })).toThrow(
      "metrics: 'accuracy' needs a target for each step, labels of 'ctc' have none; " +
        'use labelErrorRate()',
    )
  })

  it('weighs sequences', async () => {
    const { x, y } = sounds(4)
    const model = listener('linear')
    model.compile({ loss: 'ctc' })
    const alone = (await model.evaluate(x.slice(0, 1), y.slice(0, 1))).loss
    const { loss } = await model.evaluate(x, y, { sampleWeight: [4, 0, 0, 0] })
    expect(loss).toBeCloseTo(alone, 5)
  })

  it('stands in files with its options', async () => {
    const { x, y } = sounds(6)
    const blankLast = y.map((row) => row.map((label) => label - 1))
    const model = listener('linear')
    const loss = ctc({ blank: 3, zeroInfinity: true, reduction: 'mean' })
    model.compile({ optimizer: 'adam', loss })
    await model.fit(x, blankLast)
    const path = join(mkdtempSync(join(tmpdir(), 'ctc-')), 'listener.refrain')
    await model.save(path)
    const loaded = await loadRefrain(path)
    expect(loaded.compiled!.outputs[0].loss).toEqual(loss)
    expect(await loaded.evaluate(x, blankLast)).toEqual(await model.evaluate(x, blankLast))
  })

  it('labels that need more steps fail, or are left out', async () => {
    const { x, y } = sounds(2)
    const model = listener('linear')
    const long = [y[0], new Array(40).fill(1)]
    model.compile({ loss: 'ctc' })
    await expect(model.fit(x, long)).rejects.toThrow(
      `loss 'ctc': 40 labels with 39 repeats need at least 79 steps, a row has ${x[1].length}; ` +
        'use more steps or fewer labels, or ctc({ zeroInfinity: true }) to leave such rows out',
    )
    const alone = (await model.evaluate(x.slice(0, 1), y.slice(0, 1))).loss
    model.compile({ loss: ctc({ zeroInfinity: true }) })
    expect((await model.evaluate(x, long)).loss).toBeCloseTo(alone / 2, 5)
  })

  it('refuses labels that cannot be, and outputs that are no sequences', async () => {
    const { x } = sounds(2)
    const model = listener('linear')
    model.compile({ loss: 'ctc' })
    const hint = 'rows of unequal length are arrays of unequal length, or end with blanks or -1'
    const refused = (y: number[][]) => expect(model.fit(x, y)).rejects
    await refused([[1, 4], [1]]).toThrow(
      `'y': expected labels from 0 to 3 other than the blank, 0, got 4 at position 1 of a row; ${hint}`,
    )
    await refused([[1, 0, 2], [1]]).toThrow('got 0 at position 1 of a row')
    await refused([
      [1, 0, 2],
      [1, 1, 1],
    ]).toThrow('got 2 at position 2 of a row behind padding')
    await expect(
      model.fit(x, [[1], [1]], {
        sampleWeight: [
          [1, 2],
          [1, 1],
        ],
      }),
    ).rejects.toThrow()
    model.compile({ loss: ctc({ blank: 4 }) })
    await refused([[1], [1]]).toThrow("loss 'ctc': blank 4 is none of the 4 classes of the output")
    const flat = sequential([lstm({ units: 4, inputShape: [null, 4] })])
    flat.compile({ loss: 'ctc' })
    await expect(flat.fit(x, [[1], [1]])).rejects.toThrow(
      "loss 'ctc': expected an output [batch, time, classes], got shape [2, 4]; " +
        'the last recurrent layer has returnSequences: true',
    )
    expect(() => model.compile({ loss: ctc({ reduction: 'none' as never }) })).toThrow(
      "loss 'ctc': unknown reduction 'none'",
    )
    expect(() => model.compile({ loss: ctc({ blank: -1 }) })).toThrow(
      "loss 'ctc' 'blank': expected a whole number of at least 0, got -1",
    )
  })
})
