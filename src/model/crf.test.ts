/** The CRF in models: training, prediction, constraints, files, errors. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend, expectError } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { activation } from '../layers/activation.ts'
import { bidirectional } from '../layers/bidirectional.ts'
import { type Crf, crf } from '../layers/crf.ts'
import { bioConstraints } from '../layers/crf-constraints.ts'
import { dense } from '../layers/dense.ts'
import { embedding } from '../layers/embedding.ts'
import { input } from '../layers/input.ts'
import { lstm } from '../layers/lstm.ts'
import { tensor } from '../tensor/tensor.ts'
import { entityScores } from '../train/metrics-entities.ts'
import { entityF1 } from '../train/metrics-sequences.ts'
import { adam } from '../train/optimizers.ts'
import { model as functional, sequential } from './index.ts'
import { loadRefrain } from './load.ts'

const labels = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']

/** Sentences of ids 1 to 9: 1 begins a span of three words, 2 one of two, others stand alone. */
function sentences(count: number) {
  const random = new Random(7)
  const x: number[][] = []
  const y: number[][] = []
  for (let i = 0; i < count; i++) {
    const length = 3 + random.integers(1, 8)[0]
    const words = [...random.integers(length, 9)].map((word) => word + 1)
    const tags = new Array(length).fill(0)
    for (let at = 0; at < length; at++) {
      const [tag, span] = words[at] === 1 ? [1, 3] : words[at] === 2 ? [3, 2] : [0, 1]
      tags[at] = tag
      for (let s = 1; s < span && at + 1 < length; s++) tags[++at] = tag + 1
    }
    x.push(words)
    y.push(tags)
  }
  return { x, y }
}

const tagger = (options = {}) =>
  sequential([
    embedding({ inputDim: 10, outputDim: 8, maskZero: true }),
    bidirectional(lstm({ units: 8, returnSequences: true })),
    dense({ units: labels.length }),
    crf({ constraints: bioConstraints(labels), ...options }),
  ])

describe('in a model', () => {
  eachKindOfBackend((backend) => {
    it('trains, evaluates and predicts ragged sequences', async () => {
      const { x, y } = sentences(160)
      const model = sequential(tagger({ constrainTraining: true }).layers, { backend, seed: 1 })
      model.compile({ optimizer: adam({ learningRate: 0.02 }), loss: 'crf', metrics: ['accuracy'] })
      const { history } = await model.fit(x, y, { epochs: 8, batchSize: 16 })
      expect(history.loss.at(-1)!).toBeLessThan(history.loss[0] / 5)
      const { loss, accuracy } = await model.evaluate(x, y)
      expect(loss).toBeLessThan(1)
      expect(accuracy).toBeGreaterThan(0.97)
      const found = await model.predict(x, { batchSize: 50 })
      expect(found.dtype).toBe('int32')
      const steps = Math.max(...x.map((row) => row.length))
      expect(found.shape).toEqual([160, steps])
      const paths = (await found.array()) as number[][]
      let right = 0
      let count = 0
      y.forEach((tags, r) => {
        expect(paths[r].slice(tags.length).every((label) => label === 0)).toBe(true)
        tags.forEach((tag, t) => {
          if (paths[r][t] === tag) right++
          count++
        })
      })
      expect(right / count).toBeCloseTo(accuracy, 6)
    })
  })

  it('weighs sequences', async () => {
    const { x, y } = sentences(6)
    const model = tagger()
    model.compile({ loss: 'crf' })
    const all = (await model.evaluate(x, y)).loss
    const doubled = (await model.evaluate(x, y, { sampleWeight: new Float32Array(6).fill(2) })).loss
    expect(doubled).toBeCloseTo(2 * all, 5)
    const first = new Float32Array(6)
    first[0] = 6
    const alone = (await model.evaluate(x.slice(0, 1), y.slice(0, 1))).loss
    const weighed = (await model.evaluate(x, y, { sampleWeight: first })).loss
    expect(weighed).toBeCloseTo(alone, 5)
  })

  it('is saved and loaded, constraints and loss included', async () => {
    const { x, y } = sentences(20)
    const model = tagger({ constrainTraining: true })
    model.compile({ optimizer: 'adam', loss: 'crf', metrics: ['accuracy'] })
    await model.fit(x, y)
    const path = join(mkdtempSync(join(tmpdir(), 'crf-')), 'tagger.refrain')
    await model.save(path)
    const loaded = await loadRefrain(path)
    expect(loaded.getLayer('crf').config).toEqual(model.getLayer('crf').config)
    expect(await (await loaded.predict(x)).data()).toEqual(await (await model.predict(x)).data())
    expect(await loaded.evaluate(x, y)).toEqual(await model.evaluate(x, y))
  })

  it('counts entities as entityScores does', async () => {
    const random = new Random(6)
    const [rows, steps, k] = [12, 9, labels.length]
    const mask = Array.from({ length: rows }, () => 1 + random.integers(1, steps)[0])
    const y = mask.map((length) => [...random.integers(length, k)])
    const scores = y.map((row) =>
      row.map((label) =>
        Array.from({ length: k }, (_, c) => (c === label ? 2 : 3 * random.uniform(1, 0, 1)[0])),
      ),
    )
    const expected = entityScores()
    const tags = (row: number[]) => row.map((label) => labels[label])
    const best = scores.map((row) => row.map((step) => step.indexOf(Math.max(...step))))
    expected.update(y.map(tags), best.map(tags))
    expect(expected.result).toBeGreaterThan(0.2)
    const chained = sequential([crf({ transitionsInitializer: 'zeros', inputShape: [null, k] })])
    chained.compile({ loss: 'crf', metrics: [entityF1({ labels })] })
    const plain = sequential([activation('softmax')])
    plain.compile({ loss: 'sparseCategoricalCrossentropy', metrics: [entityF1({ labels })] })
    for (const model of [chained, plain]) {
      const { entityF1: found } = await model.evaluate(scores, y, { batchSize: 5 })
      expect(found).toBeCloseTo(expected.result, 10)
    }
    const path = join(mkdtempSync(join(tmpdir(), 'crf-')), 'chained.refrain')
    await chained.save(path)
    expect(await (await loadRefrain(path)).evaluate(scores, y)).toEqual(
      await chained.evaluate(scores, y),
    )
    expectError(
      () => chained.compile({ loss: 'crf', metrics: ['entityF1'] }),
      'BAD_ARGUMENT',
      "metric 'entityF1' 'labels': expected the tag of each class number, got undefined; " +
        "for example entityF1({ labels: ['O', 'B-PER', 'I-PER'] })",
    )
  })

  it('stays finite over 500 steps, and its gradient over large scores', async () => {
    const backend = referenceBackend()
    const model = sequential([dense({ units: 3, inputShape: [null, 2] }), crf()], { backend })
    model.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'crf' })
    const random = new Random(1)
    const x = { shape: [2, 500, 2], data: random.uniform(2000, -100, 100) }
    const y = { shape: [2, 500], data: random.integers(1000, 3) }
    const { history } = await model.fit(x, y, { epochs: 3 })
    expect(history.loss.every(Number.isFinite)).toBe(true)
    expect(history.loss[2]).toBeLessThan(history.loss[0])
  })
})

describe('constraints', () => {
  it('keep illegal paths out of predictions, whatever the scores', async () => {
    const constraints = bioConstraints(labels)
    const model = sequential([crf({ constraints, inputShape: [null, 5] })])
    const random = new Random(2)
    const x = { shape: [50, 9, 5], data: random.uniform(50 * 45, -40, 40) }
    const paths = (await (await model.predict(x)).array()) as number[][]
    for (const path of paths) {
      expect(constraints.start[path[0]]).toBe(true)
      path.forEach((label, s) => {
        if (s > 0) expect(constraints.transitions[path[s - 1]][label]).toBe(true)
      })
    }
    const layer = model.getLayer('crf') as Crf
    const best = layer.kBest(tensor(x.data, x.shape), 3)
    expect(best.map((row) => row[0].path)).toEqual(paths)
    const sums = (await layer.marginals(tensor(x.data, x.shape)).array()) as number[][][]
    // Nothing begins with I-PER.
    expect(sums.every((row) => row[0][2] === 0)).toBe(true)
    expect(sums[7][3].reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
  })

  it('in training leave illegal paths out of the likelihood', async () => {
    const build = (constrainTraining: boolean) => {
      const constraints = bioConstraints(['O', 'B', 'I'])
      const layer = crf({ constraints, constrainTraining, inputShape: [null, 3] })
      const model = sequential([layer])
      model.compile({ loss: 'crf' })
      model.build()
      const zeros = [9, 3, 3].map((size) => new Float32Array(size))
      layer.setWeights(zeros)
      return model
    }
    const x = { shape: [1, 2, 3], data: new Float32Array(6) }
    const y = [[0, 1]]
    expect((await build(false).evaluate(x, y)).loss).toBeCloseTo(Math.log(9), 5)
    // OO, OB, BO, BB, BI
    expect((await build(true).evaluate(x, y)).loss).toBeCloseTo(Math.log(5), 5)
    const illegal = (y: number[][]) => expect(build(true).evaluate(x, y)).rejects
    const rest = 'correct the labels, or leave constrainTraining out'
    await illegal([[0, 2]]).toThrow(
      `'y': class 2 follows class 0, which the constraints of 'crf' do not allow; ${rest}`,
    )
    await illegal([[2, 0]]).toThrow("'y': class 2 comes first")
  })

  const legalPairs = (tags: string[], scheme?: 'IOB1' | 'BIO' | 'BIOES') => {
    const { transitions, start, end } = bioConstraints(tags, scheme)
    const pairs = tags.flatMap((from, i) =>
      tags.filter((_, j) => transitions[i][j]).map((to) => `${from} ${to}`),
    )
    const those = (flags: readonly boolean[]) => tags.filter((_, i) => flags[i]).join(' ')
    return { pairs, start: those(start), end: those(end) }
  }

  it('of BIO', () => {
    const { pairs, start, end } = legalPairs(['O', 'B-x', 'I-x', 'B-y', 'I-y'])
    expect(start).toBe('O B-x B-y')
    expect(end).toBe('O B-x I-x B-y I-y')
    expect(pairs.filter((pair) => / I/.test(pair))).toEqual([
      'B-x I-x',
      'I-x I-x',
      'B-y I-y',
      'I-y I-y',
    ])
    expect(pairs.length).toBe(3 * 5 + 4)
  })

  it('of BIOES, and of BILOU by its own letters', () => {
    const { pairs, start, end } = legalPairs(['O', 'B-x', 'I-x', 'E-x', 'S-x', 'E-y'])
    expect(start).toBe('O B-x S-x')
    expect(end).toBe('O E-x S-x E-y')
    const outside = ['O', 'E-x', 'S-x', 'E-y'].flatMap((from) =>
      ['O', 'B-x', 'S-x'].map((to) => `${from} ${to}`),
    )
    expect([...pairs].sort()).toEqual(
      [...outside, 'B-x I-x', 'B-x E-x', 'I-x I-x', 'I-x E-x'].sort(),
    )
    expect(bioConstraints(['O', 'B-x', 'I-x', 'L-x', 'U-x', 'L-y'])).toEqual(
      bioConstraints(['O', 'B-x', 'I-x', 'E-x', 'S-x', 'E-y']),
    )
  })

  it('of IOB1: B only behind its own type', () => {
    const { pairs, start } = legalPairs(['O', 'B-x', 'I-x', 'I-y'], 'IOB1')
    expect(start).toBe('O I-x I-y')
    expect(pairs.filter((pair) => / B/.test(pair))).toEqual(['B-x B-x', 'I-x B-x'])
  })
})

describe('emissions', () => {
  it('come from a model that shares the layers before', async () => {
    const x = input({ shape: [null, 2] })
    const scores = dense({ units: 3 }).apply(x)
    const chain = crf()
    const tagger = functional({ inputs: x, outputs: chain.apply(scores) })
    const scorer = functional({ inputs: x, outputs: scores })
    const data = { shape: [3, 4, 2], data: new Random(4).uniform(24) }
    const paths = await (await tagger.predict(data)).array()
    const emissions = await scorer.predict(data)
    expect(chain.kBest(emissions, 1).map(([best]) => best.path)).toEqual(paths)
    const nested = (await emissions.array()) as number[][][]
    const cut = chain.kBest([nested[0], nested[1].slice(0, 2)], 2)
    expect(cut).toEqual(chain.kBest(emissions, 2, { lengths: [4, 2, 0] }).slice(0, 2))
    expect(cut[1][0].path.length).toBe(2)
  })

  it('must have the shape', () => {
    const chain = crf({ inputShape: [null, 3] })
    expectError(
      () => chain.kBest([[[1, 2, 3]]], 1),
      'NOT_BUILT',
      'crf.kBest: the layer has no weights yet',
    )
    sequential([chain]).build()
    expectError(
      () => chain.kBest([[[1, 2]]], 1),
      'BAD_SHAPE',
      'crf.kBest: expected scores of shape [null, null, 3], got others',
    )
    expectError(
      () => chain.marginals([[[1, 2, 3]]], { lengths: [2] }),
      'BAD_SHAPE',
      "crf.marginals 'lengths': row 0 has 1 steps, got the length 2",
    )
    expectError(
      () => chain.kBest([[[1, 2, 3]]], 0),
      'BAD_ARGUMENT',
      "crf.kBest 'k': expected a whole number of at least 1, got 0",
    )
  })
})

describe('errors', () => {
  it('of options', () => {
    expectError(
      () => crf({ constraint: 1 } as never),
      'UNKNOWN_OPTION',
      "crf: unknown option 'constraint'; did you mean 'constraints'?",
    )
    expectError(
      () => crf({ constrainTraining: true }),
      'BAD_ARGUMENT',
      "crf 'constrainTraining': there are no constraints; " +
        'for example constraints: bioConstraints(labels)',
    )
    expectError(
      () =>
        sequential([crf({ constraints: bioConstraints(['O']), inputShape: [null, 2] })]).build(),
      'BAD_SHAPE',
      'crf: the constraints are for 1 labels, the input has scores of 2',
    )
    expectError(
      () => bioConstraints(['O', 'person']),
      'BAD_DATA',
      "bioConstraints: expected tags such as 'O', 'B-PER' or 'I-PER', got 'person'",
    )
  })

  it('of losses and labels that do not fit', async () => {
    const x = { shape: [1, 2, 3], data: new Float32Array(6) }
    const chained = sequential([crf({ inputShape: [null, 3] })])
    chained.compile({ loss: 'sparseCategoricalCrossentropy' })
    await expect(chained.fit(x, [[0, 0]])).rejects.toThrow(
      "the model ends with a CRF; use loss: 'crf'",
    )
    chained.compile({ loss: 'crf' })
    await expect(chained.fit(x, [[0, 3]])).rejects.toThrow(
      "'y': expected class numbers from 0 to 2, got 3",
    )
    await expect(chained.fit(x, [[0, 0, 0]])).rejects.toThrow(
      "'y' (class numbers): expected shape [1, 2], got [1, 3]",
    )
    await expect(chained.fit(x, [[0, 0]], { sampleWeight: [[1, 2]] })).rejects.toThrow(
      "'sampleWeight': expected shape [1], got [1, 2]",
    )
    const plain = sequential([dense({ units: 3, inputShape: [null, 3] })])
    plain.compile({ loss: 'crf' })
    await expect(plain.fit(x, [[0, 0]])).rejects.toThrow(
      "loss 'crf': the model does not end with a CRF; make crf() its last layer",
    )
    expectError(
      () => plain.compile({ loss: { name: 'crf', fromLogits: true } as never }),
      'UNKNOWN_OPTION',
      "loss 'crf': unknown option 'fromLogits'; known: name",
    )
  })
})
