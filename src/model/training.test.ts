import { describe, expect, it } from 'vitest'
import { type FixtureArray, type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, type Tolerance } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import {
  bidirectional,
  dense,
  embedding,
  type Layer,
  lstm,
  timeDistributed,
} from '../layers/index.ts'
import type { LossName } from '../train/losses.ts'
import { adam, rmsprop } from '../train/optimizers.ts'
import { sequential } from './sequential.ts'

const fixture = loadFixture('keras/training.json')

/** What each array of weights is called in the fixture, layer by layer. */
const lstmNames = (prefix: string) =>
  ['Kernel', 'RecurrentKernel', 'Bias'].map((name) => prefix + name)
const denseNames = ['DenseKernel', 'DenseBias']
const weightNames: Record<string, string[][]> = {
  classifier: [['Embeddings'], [...lstmNames('Forward'), ...lstmNames('Backward')], denseNames],
  regression: [lstmNames('Lstm'), denseNames],
  'regression, sample weights, validation data': [lstmNames('Lstm'), denseNames],
  tagger: [['Embeddings'], lstmNames('Lstm'), denseNames],
}

type LayerOptions = Record<string, never>

function layerOf({ layer, inner, ...options }: LayerOptions): Layer {
  if (layer === 'bidirectional') {
    const { mergeMode, ...rest } = options
    return bidirectional(lstm(rest as never), { mergeMode })
  }
  if (layer === 'timeDistributed') {
    expect(inner).toBe('dense')
    return timeDistributed(dense(options as never))
  }
  const makers: Record<string, (options: never) => Layer> = { embedding, lstm, dense }
  return makers[layer](options as never)
}

/** The fixture's model with its initial weights. */
function modelOf({ name, options, arrays }: FixtureCase, backend: Backend, inputShape: number[]) {
  const model = sequential((options.layers as unknown as LayerOptions[]).map(layerOf), { backend })
  model.build([null, ...inputShape.map((n, i) => (i === 0 ? null : n))])
  weightNames[name].forEach((names, i) => {
    model.layers[i].setWeights(names.map((weight) => arrays[`initial${weight}`]))
  })
  const { name: kind, globalClipnorm, ...rest } = options.optimizer as LayerOptions
  const clip = globalClipnorm ? { globalClipNorm: globalClipnorm } : {}
  const camel = (text: string) => text.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
  model.compile({
    optimizer: { Adam: adam, RMSprop: rmsprop }[kind as 'Adam']({ ...rest, ...clip }),
    loss: camel(options.loss as string) as LossName,
    metrics: 'epochAccuracy' in arrays ? ['accuracy'] : ['mae'],
  })
  return model
}

/** Sums cancel, and five epochs of steps add up what is rounded. */
const near: Tolerance = { relative: 1e-5, ofLargest: 1e-5 }

async function train(backend: Backend, test: FixtureCase, x: unknown, y: unknown) {
  const { arrays, options } = test
  const model = modelOf(test, backend, arrays.x.shape.slice(1))
  const before = await (await model.predict(x as never)).data()
  const { xVal, yVal, sampleWeight } = arrays
  const history = await model.fit(x as never, y as never, {
    epochs: options.epochs as number,
    batchSize: options.batchSize as number,
    shuffle: false,
    ...(xVal ? { validationData: [xVal, yVal] } : {}),
    ...(sampleWeight ? { sampleWeight } : {}),
  })
  return { model, before, history }
}

describe(`whole trainings by ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = async (backend: Backend, test: FixtureCase) => {
    const { arrays } = test
    const { model, before, history } = await train(backend, test, arrays.x, arrays.y)
    expectClose(before, arrays.predictionsBefore.data, near, 'predictions before')
    const logs: Record<string, FixtureArray | undefined> = {
      loss: arrays.epochLoss,
      accuracy: arrays.epochAccuracy,
      // Keras's `metrics` leave the sample weights out, and so do ours.
      meanAbsoluteError: arrays.epochMae,
      valLoss: arrays.epochValLoss,
      valMeanAbsoluteError: arrays.epochValMae,
    }
    const expected = Object.keys(logs).filter((name) => logs[name])
    expect(Object.keys(history.history).sort()).toEqual(expected.sort())
    for (const name of expected) {
      expectClose(history.history[name], logs[name]!.data, near, name)
    }
    weightNames[test.name].forEach((names, i) => {
      model.layers[i].getWeights().forEach(({ data, shape }, k) => {
        const weight = arrays[`final${names[k]}`]
        expect(shape).toEqual(weight.shape)
        expectClose(data, weight.data, near, names[k])
      })
    })
    const after = await model.predict(arrays.x)
    expect(after.shape).toEqual(arrays.predictions.shape)
    expectClose(await after.data(), arrays.predictions.data, near, 'predictions')
  }
  describe('reference float64', () => {
    for (const test of fixture.cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of fixture.cases) it(test.name, () => check(backend, test))
  })
})

describe('the same rows without their padding give the same training', () => {
  /** Rows of ids without the zeros at their ends; `like` says where those are. */
  const trimmed = ({ shape, data }: FixtureArray, like: FixtureArray) =>
    Array.from({ length: shape[0] }, (_, row) => {
      const length = like.data.slice(row * shape[1], (row + 1) * shape[1]).filter(Boolean).length
      return data.slice(row * shape[1], row * shape[1] + length)
    })
  eachBackend((backend) => {
    for (const test of fixture.cases.filter(({ name }) => !name.startsWith('regression'))) {
      it(test.name, async () => {
        const { x, y } = test.arrays
        const padded = await train(backend, test, x, y)
        const ragged = await train(
          backend,
          test,
          trimmed(x, x),
          test.name === 'tagger' ? trimmed(y, x) : y,
        )
        expect(ragged.history.history.accuracy).toEqual(padded.history.history.accuracy)
        const { values } = padded.model.parameters
        expectClose(ragged.model.parameters.values.values, values.values, near)
        expectClose(ragged.history.history.loss, padded.history.history.loss, near)
      })
    }
  })
})

it('a bundle without loadModel cannot resume, and says so', async () => {
  const model = sequential([dense({ units: 1 })], { backend: truth })
  model.compile({ loss: 'mse' })
  const fitting = model.fit([[1], [2]], [[1], [2]], { resume: 'x.refrain' })
  await expect(fitting).rejects.toThrow(
    "fit 'resume': its code is not in this bundle; use loadModel of 'refrain' somewhere in the page",
  )
})
