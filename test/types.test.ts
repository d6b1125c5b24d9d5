/** What options and layers decide about types, and what does not compile. */
import {
  type AttentionOutputs,
  additiveAttention,
  attention,
  type BidirectionalOutputs,
  batchNormalization,
  bidirectional,
  type Cell,
  convLstm2d,
  type DirectionOutputs,
  defineCell,
  dense,
  type GruOutputs,
  gru,
  gruCell,
  input,
  type LstmOutputs,
  layerNormalization,
  lstm,
  lstmCell,
  luongAttention,
  type RnnOutputs,
  rnn,
  type SimpleRnnOptions,
  type SimpleRnnOutputs,
  type SymbolicTensor,
  simpleRnn,
  timeDistributed,
} from 'refrain'
import { describe, expect, expectTypeOf, it } from 'vitest'

const x = input({ shape: [5, 3] })
const frames = input({ shape: [5, 4, 4, 1] })
const state = input({ shape: [2] })
const units = 2
const all = { units, returnState: true } as const
const shapes = (symbols: object) =>
  Object.values(symbols)
    .flat()
    .map(({ shape }: SymbolicTensor) => shape)

describe('returnState decides what apply gives', () => {
  it('of layers with named states', () => {
    expectTypeOf(lstm({ units }).apply(x)).toEqualTypeOf<SymbolicTensor>()
    expectTypeOf(lstm(all).apply(x)).toEqualTypeOf<LstmOutputs>()
    expectTypeOf(gru({ units, returnState: false }).apply(x)).toEqualTypeOf<SymbolicTensor>()
    expectTypeOf(gru(all).apply(x)).toEqualTypeOf<GruOutputs>()
    expectTypeOf(simpleRnn({ units }).apply(x)).toEqualTypeOf<SymbolicTensor>()
    expectTypeOf(simpleRnn(all).apply(x)).toEqualTypeOf<SimpleRnnOutputs>()
    const film = { filters: 2, kernelSize: 2 }
    expectTypeOf(convLstm2d(film).apply(frames)).toEqualTypeOf<SymbolicTensor>()
    expectTypeOf(
      convLstm2d({ ...film, returnState: true }).apply(frames),
    ).toEqualTypeOf<LstmOutputs>()
  })

  it('not where it is known at run time only', () => {
    const options: SimpleRnnOptions = { units }
    const found = simpleRnn(options).apply(x)
    expectTypeOf(found).toEqualTypeOf<SymbolicTensor | SimpleRnnOutputs>()
    expect(found).toHaveProperty('shape', [null, 2])
  })

  it('of rnn', () => {
    expectTypeOf(rnn(gruCell({ units })).apply(x)).toEqualTypeOf<SymbolicTensor>()
    const found = rnn(lstmCell({ units }), { returnState: true, returnSequences: true }).apply(x)
    expectTypeOf(found).toEqualTypeOf<RnnOutputs>()
    expect(shapes(found)).toEqual([
      [null, 5, 2],
      [null, 2],
      [null, 2],
    ])
  })

  it('of bidirectional, with mergeMode', () => {
    const two = [null, 2]
    expectTypeOf(bidirectional(lstm({ units })).apply(x)).toEqualTypeOf<SymbolicTensor>()
    const withStates = bidirectional(lstm(all)).apply(x)
    expectTypeOf(withStates).toEqualTypeOf<BidirectionalOutputs>()
    expect(shapes(withStates)).toEqual([[null, 4], two, two, two, two])
    const apart = bidirectional(gru({ units }), { mergeMode: 'none' }).apply(x)
    expectTypeOf(apart).toEqualTypeOf<DirectionOutputs>()
    expect(shapes(apart)).toEqual([two, two])
    const both = bidirectional(gru(all), { mergeMode: null }).apply(x)
    expectTypeOf(both.states).toEqualTypeOf<readonly SymbolicTensor[]>()
    expect(shapes(both)).toEqual([two, two, two, two])
    const sum = bidirectional(rnn(gruCell({ units })), { mergeMode: 'sum' }).apply(x)
    expectTypeOf(sum).toEqualTypeOf<SymbolicTensor>()
  })
})

it('returnAttentionScores decides what apply gives', () => {
  for (const make of [attention, additiveAttention, luongAttention]) {
    expectTypeOf(make().apply([x, x])).toEqualTypeOf<SymbolicTensor>()
    const found = make({ returnAttentionScores: true }).apply([x, x])
    expectTypeOf(found).toEqualTypeOf<AttentionOutputs>()
    expect(found.scores.shape).toEqual([null, 5, 5])
  }
})

it('a cell of defineCell takes the options that its functions name', () => {
  const cell = defineCell({
    name: 'own',
    stateSizes: ({ width }: { width: number }) => [width],
    weights: ({ inputSize, width }) => ({ kernel: [inputSize, width] }),
    step({ x, weights, ops }) {
      expectTypeOf<keyof typeof weights>().toEqualTypeOf<'kernel'>()
      const output = ops.linear(x, weights.kernel)
      return { output, states: [output] }
    },
  })
  expectTypeOf(cell({ width: 3 })).toEqualTypeOf<Cell>()
  // @ts-expect-error
  expect(() => cell({ units: 3 })).toThrow('own: expected widths')
})

describe('does not compile, and fails', () => {
  it('an option that does not exist', () => {
    // @ts-expect-error
    expect(() => lstm({ units, returnStates: true })).toThrow("did you mean 'returnState'?")
    // @ts-expect-error
    expect(() => gru({ units, resetafter: true })).toThrow("did you mean 'resetAfter'?")
    // @ts-expect-error
    expect(() => simpleRnn({ units, recurrentActivation: 'tanh' })).toThrow('unknown option')
    // @ts-expect-error
    expect(() => convLstm2d({ filters: 1, kernelSize: 2, units })).toThrow('unknown option')
    // @ts-expect-error
    expect(() => rnn(lstmCell({ units }), { units })).toThrow('unknown option')
    // @ts-expect-error
    expect(() => bidirectional(lstm({ units }), { merge: 'sum' })).toThrow('unknown option')
    // @ts-expect-error
    expect(() => attention({ scoreMod: 'dot' })).toThrow("did you mean 'scoreMode'?")
    // @ts-expect-error
    expect(() => batchNormalization({ axis: [1, 2] })).toThrow("'axis': expected")
    // @ts-expect-error
    expect(() => layerNormalization({ momentum: 0.9 })).toThrow('unknown option')
  })

  it('a layer where another is wanted', () => {
    // @ts-expect-error
    expect(() => bidirectional(dense({ units }))).toThrow('expected a recurrent layer')
    // @ts-expect-error
    expect(() => rnn(lstm({ units }))).toThrow('expected a cell')
    // @ts-expect-error
    expect(() => timeDistributed(lstmCell)).toThrow('expected a layer')
    // @ts-expect-error
    expect(() => attention().apply(x)).toThrow('for self-attention write attention().apply([x, x])')
  })

  it('initial states of other names', () => {
    // @ts-expect-error
    expect(() => gru({ units }).apply(x, { initialState: { c: state } })).toThrow('gru')
    // @ts-expect-error
    expect(() => lstm({ units }).apply(x, { initialState: { h: state } })).toThrow('lstm')
  })
})
