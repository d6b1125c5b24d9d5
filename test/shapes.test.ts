/** Shapes that are known are checked where layers are joined, with the layer's name in the error. */
import {
  bidirectional,
  convLstm2d,
  dense,
  gru,
  gruCell,
  input,
  lstm,
  lstmCell,
  rnn,
  sequential,
  stackedRnnCells,
  timeDistributed,
} from 'refrain'
import { describe, it } from 'vitest'
import type { LayerLike } from '../src/layers/index.ts'
import { expectError } from './harness.ts'

const x = input({ shape: [5, 4] })
const frames = input({ shape: [5, 4, 4, 1] })
const [two, three] = [2, 3].map((width) => input({ shape: [width] }))
const units = 2
const name = 'reader'
const noSequence =
  'expected an input of 3 dimensions [batch, time, features], got shape [null, 4]; ' +
  'a recurrent layer before this one would need returnSequences: true'
const wanted = 'expected an initial state of shape [null, 2], got [null, 3]'

describe('initial states', () => {
  const film = convLstm2d({ filters: 2, kernelSize: 2, name })
  const image = input({ shape: [3, 3, 1] })
  const stack = stackedRnnCells([gruCell({ units }), lstmCell({ units: 3 })])
  it.each([
    [() => lstm({ units, name }).apply(x, { initialState: { h: two, c: three } }), wanted],
    [() => gru({ units, name }).apply(x, { initialState: { h: three } }), wanted],
    [() => rnn(stack, { name }).apply(x, { initialState: [three, three, three] }), wanted],
    [
      () => rnn(lstmCell({ units }), { name }).apply(x, { initialState: [two] }),
      'expected 2 initial states or none, got 1',
    ],
    [
      () => bidirectional(gru({ units }), { name }).apply(x, { initialState: [two, three] }),
      wanted,
    ],
    [
      () => bidirectional(lstm({ units }), { name }).apply(x, { initialState: [two, two] }),
      'expected 4 initial states or none, got 2',
    ],
    [
      () => film.apply(frames, { initialState: { h: image, c: image } }),
      'expected an initial state of shape [null, 3, 3, 2], got [null, 3, 3, 1]',
    ],
    [
      () => bidirectional(film, { name }).apply(frames, { initialState: [image, image] }),
      'expected 4 initial states or none, got 2',
    ],
    [() => lstmCell({ units, name }).applyAll(input({ shape: [4] }), [two, three]), wanted],
  ])('%#', (call, text) => expectError(call, 'BAD_SHAPE', `${name}: ${text}`))
})

describe('layers inside others', () => {
  const vectors = input({ shape: [4] })
  const inner = () => sequential([lstm({ units }), lstm({ units })], { name: 'inner' })
  it.each([
    [
      () => bidirectional(lstm({ units }), { name }).apply(vectors),
      `reader: forward: ${noSequence}`,
    ],
    [() => timeDistributed(lstm({ units }), { name }).apply(x), `reader: lstm: ${noSequence}`],
    [
      () => timeDistributed(inner(), { name }).apply(input({ shape: [5, 6, 4] })),
      `reader: inner: lstm_1: ${noSequence.replace('4]', '2]')}`,
    ],
  ])('%#', (call, text) => expectError(call, 'BAD_SHAPE', text))
})

describe('sequential names the layer', () => {
  const build =
    (...layers: LayerLike[]) =>
    () =>
      sequential(layers).build([null, 5, 4])
  const narrow = noSequence.replace('4]', '2]')
  it.each([
    [build(lstm({ units }), lstm({ units })), `lstm_1: ${narrow}`],
    [build(lstm({ units }), dense({ units }), lstm({ units, name })), `reader: ${narrow}`],
  ])('%#', (call, text) => expectError(call, 'BAD_SHAPE', text))
})
