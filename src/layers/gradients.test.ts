/** Every layer against central differences, in float64, with masks of every kind. */
import { describe, it } from 'vitest'
import { callAll, expectGradients, type Values, weightsOf } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import { activation } from './activation.ts'
import { bidirectional, type MergeMode } from './bidirectional.ts'
import { dense } from './dense.ts'
import { dropout } from './dropout.ts'
import { embedding } from './embedding.ts'
import { flatten } from './flatten.ts'
import { type GruOptions, gru } from './gru.ts'
import type { Layer } from './layer.ts'
import { type LstmOptions, lstm } from './lstm.ts'
import { globalAveragePooling1d, globalMaxPooling1d } from './pooling.ts'
import { type SimpleRnnOptions, simpleRnn } from './simple-rnn.ts'
import { timeDistributed } from './time-distributed.ts'

const [rows, steps, features, units] = [4, 4, 2, 3]
const random = new Random(11)

const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

const masks = {
  'no mask': null,
  'right padding': [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0],
  gaps: [1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0],
  'a row without steps': [1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1],
  'no steps at all': new Array(rows * steps).fill(0),
}

/** A layer or a chain of them. `states`: number of initial states. */
function check(layers: readonly Layer[], mask: number[] | null, states = 0, input?: Values) {
  const x = input ?? { ...floats(rows, steps, features), mask }
  expectGradients({
    inputs: [x, ...Array.from({ length: states }, () => floats(rows, units))],
    weights: weightsOf(truth, layers, x.shape),
    compute: (ctx, inputs) => callAll(ctx, layers, inputs),
    training: true,
    random: { seed: 8, step: 2 },
  })
}

const all = { units, returnSequences: true, returnState: true }
const variants: Record<string, LstmOptions> = {
  'the last output': { units },
  'all outputs and states': all,
  goBackwards: { ...all, goBackwards: true },
  'no bias': { ...all, useBias: false },
  dropout: { ...all, dropout: 0.3 },
  'recurrent dropout': { ...all, dropout: 0.3, recurrentDropout: 0.4 },
  'other activations': { ...all, activation: 'softsign', recurrentActivation: 'silu' },
  'other activations, goBackwards': { ...all, activation: 'softsign', goBackwards: true },
}

const gruVariants: Record<string, GruOptions> = {
  'the last output': { units },
  'all outputs and the state': all,
  'goBackwards, no bias': { ...all, goBackwards: true, useBias: false },
  dropout: { ...all, dropout: 0.3, recurrentDropout: 0.4 },
  'other activations': { ...all, activation: 'softsign', recurrentActivation: 'silu' },
  'reset before': { ...all, resetAfter: false },
  'reset before, dropout': { ...all, resetAfter: false, dropout: 0.3, recurrentDropout: 0.4 },
}

const rnnVariants: Record<string, SimpleRnnOptions> = {
  'the last output': { units },
  'relu, goBackwards': { ...all, activation: 'relu', goBackwards: true },
  'softplus, no bias, dropout': {
    ...{ ...all, activation: 'softplus', useBias: false, dropout: 0.3, recurrentDropout: 0.4 },
  },
}

describe.each(Object.entries(masks))('%s', (_name, mask) => {
  describe.each([0, 1])('%i initial states', (states) => {
    it.each(Object.entries(gruVariants))('gru, %s', (_name, options) => {
      check([gru(options)], mask, states)
    })
    it.each(Object.entries(rnnVariants))('simpleRnn, %s', (_name, options) => {
      check([simpleRnn(options)], mask, states)
    })
  })

  describe.each([0, 2])('lstm, %i initial states', (states) => {
    it.each(Object.entries(variants))('%s', (_name, options) => {
      check([lstm(options)], mask, states)
    })
  })

  describe.each(['concat', 'sum', 'mul', 'ave', 'none'] as MergeMode[])(
    'bidirectional, %s',
    (mergeMode) => {
      it.each([true, false])('returnSequences %s', (returnSequences) => {
        const inner = lstm({ units, returnSequences, returnState: true })
        check([bidirectional(inner, { mergeMode })], mask, 4)
      })
    },
  )

  it.each([
    [dense({ units: 3 })],
    [dense({ units: 3, activation: 'softmax' })],
    [dense({ units: 3, activation: 'tanh', useBias: false })],
    [activation('gelu')],
    [dropout({ rate: 0.4 })],
    [dropout({ rate: 0.4, noiseShape: [null, 1, null] })],
    [flatten()],
    [globalAveragePooling1d()],
    [globalMaxPooling1d()],
    [timeDistributed(dense({ units: 2, activation: 'sigmoid' }))],
    [lstm({ units, returnSequences: true }), bidirectional(lstm({ units })), dense({ units: 1 })],
    [bidirectional(lstm({ units, returnSequences: true })), globalMaxPooling1d()],
    [lstm({ units, returnSequences: true, goBackwards: true }), lstm({ units: 2 })],
    [flatten(), dense({ units: 2, activation: 'elu' })],
  ])('$kind …', (...layers) => check(layers, mask))
})

describe('learned initial states', () => {
  const learned = { ...all, learnInitialState: true }
  it.each([
    ['gru', gru(learned)],
    ['gru, reset before, goBackwards', gru({ ...learned, resetAfter: false, goBackwards: true })],
    ['simpleRnn', simpleRnn(learned)],
    ['simpleRnn in both directions', bidirectional(simpleRnn({ units, learnInitialState: true }))],
  ])('%s', (_name, layer) => {
    for (const mask of [null, masks.gaps, masks['a row without steps']]) check([layer], mask)
  })
})

describe('embedding', () => {
  const ids: Values = {
    shape: [3, 4],
    dtype: 'int32',
    data: [3, 1, 4, 0, 0, 0, 0, 0, 1, 0, 1, 0],
  }
  const words = (maskZero: boolean) => embedding({ inputDim: 5, outputDim: 2, maskZero })
  it.each([true, false])('maskZero %s', (maskZero) => {
    check([words(maskZero)], null, 0, ids)
    check([words(maskZero), globalAveragePooling1d()], null, 0, ids)
    check([words(maskZero), lstm({ units })], null, 0, ids)
  })
})

describe('weights that are not trained', () => {
  it('have no gradient; the others keep theirs', () => {
    const frozen = lstm({ units, returnSequences: true, trainable: false })
    check([frozen, dense({ units: 2 })], null)
    check([dense({ units: 2 }), bidirectional(lstm({ units, trainable: false }))], null)
  })
})
