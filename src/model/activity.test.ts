/** `activityRegularizer`, which all layers of numbers take: Keras's values and gradients. */
import { describe, expect, it } from 'vitest'
import { optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { expectError, runStep } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import {
  bidirectional,
  crf,
  dense,
  lstm,
  lstmCell,
  rnn,
  timeDistributed,
  tokenDropout,
} from '../layers/index.ts'
import type { Layer } from '../layers/layer.ts'
import { layerFromConfig } from '../layers/registry.ts'
import { ParameterSet } from '../tensor/parameter.ts'
import { l1l2 } from '../tensor/regularizers.ts'

const fixture = loadFixture('keras/activity.json')

function layerOf(test: FixtureCase): Layer {
  const { layer, rule, inner, outer, ...rest } = test.options
  const given = optionsOf(test, Object.keys(rest)) as never
  const ruled = { activityRegularizer: l1l2(rule as object) }
  switch (layer) {
    case 'rnn':
      return rnn(lstmCell({ units: 2 }), { returnState: true, ...ruled })
    case 'timeDistributed':
      return timeDistributed(dense(given), ruled)
    case 'bidirectional':
      return bidirectional(
        lstm({ ...(given as { units: 2 }), ...(inner && ruled) }),
        outer ? ruled : {},
      )
    default:
      return layerFromConfig({
        kind: layer as string,
        name: '',
        options: { ...(given as object), ...ruled },
      })
  }
}

/** The fixture's arrays of a name with numbers. */
const numbered = ({ arrays }: FixtureCase, name: string) =>
  Object.keys(arrays).flatMap((key) => (new RegExp(`^${name}\\d$`).test(key) ? [arrays[key]] : []))

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = (backend: Backend, test: FixtureCase) => {
    const made = layerOf(test)
    made.name = 'made'
    // Files keep the rule.
    const layer = layerFromConfig(JSON.parse(JSON.stringify(made.config)))
    expect(layer.config).toEqual(made.config)
    const inputs = numbered(test, 'x')
    layer.build(inputs.map(({ shape }) => [null, ...shape.slice(1)]))
    layer.nameParameters(layer.kind)
    const weights = new ParameterSet(backend, layer.parameters)
    weights.claim()
    numbered(test, 'w').forEach(({ data }, i) => {
      weights.parameters[i].value.values.set(data)
    })
    const mask = test.arrays.mask?.data
    const seeds = numbered(test, 'gy').map(({ data }) => data)
    const found = runStep(backend, {
      inputs: inputs.map((x, i) => ({
        ...x,
        mask: i === 0 ? mask : null,
        dtype: layer.inputType,
      })),
      weights,
      seeds,
      compute: (ctx, tensors) => layer.process(ctx, tensors),
    })
    const tolerance = toleranceOf(backend)
    const plain = found.outputs.reduce(
      (sum, y, i) => sum + y.reduce((all, value, j) => all + value * seeds[i][j], 0),
      0,
    )
    const added = found.objective - plain
    expectClose([added], test.arrays.added.data, { relative: 1e-5 }, 'added')
    numbered(test, 'dx').forEach(({ data }, i) => {
      expectClose(found.inputGradients[i], data, tolerance, `dx${i}`)
    })
    const trained = found.weightGradients.filter((_, i) => weights.parameters[i].trainable)
    const wanted = numbered(test, 'dw')
    expect(trained.length).toBe(wanted.length)
    wanted.forEach(({ data }, i) => {
      expectClose(trained[i], data, tolerance, `dw${i}`)
    })
  }
  it('has its cases', () => expect(fixture.cases.length).toBeGreaterThanOrEqual(30))
  describe('reference float64', () => {
    for (const test of fixture.cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of fixture.cases) it(test.name, () => check(backend, test))
  })
})

it('cells, and layers of whole numbers, do not take it', () => {
  const rule = { activityRegularizer: 'l1' } as const
  for (const [kind, make] of [
    ['crf', () => crf(rule)],
    ['tokenDropout', () => tokenDropout({ rate: 0.1, unknown: 1, ...rule })],
    ['lstmCell', () => lstmCell({ units: 2, ...rule } as never)],
  ] as const) {
    expect(make).toThrow(`${kind}: unknown option 'activityRegularizer'`)
  }
  expectError(
    () => dense({ units: 1, activityRegulariser: 'l1' } as never),
    'UNKNOWN_OPTION',
    "dense: unknown option 'activityRegulariser'; did you mean 'activityRegularizer'?",
  )
})
