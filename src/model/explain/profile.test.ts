import { expect, it, vi } from 'vitest'
import { Profile, typicalLap } from './profile.ts'

/** A clock that only moves when told. */
function stopped() {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  return (milliseconds: number) => {
    now += milliseconds
  }
}

it('charges each moment to one owner', () => {
  const pass = stopped()
  const profile = new Profile()
  pass(1)
  profile.run('outer', 'forward', () => {
    pass(2)
    profile.run('inner', 'backward', () => pass(4))
    pass(8)
    expect(() =>
      profile.run('inner', 'forward', () => {
        pass(16)
        throw new Error('no')
      }),
    ).toThrow('no')
    pass(32)
  })
  pass(64)
  const { total, times } = profile.lap()
  expect(Object.fromEntries(times)).toEqual({
    rest: { forward: 65, backward: 0 },
    outer: { forward: 42, backward: 0 },
    inner: { forward: 16, backward: 4 },
  })
  expect(total).toBe(127)
  pass(3)
  expect(profile.lap().total).toBe(3)
  vi.restoreAllMocks()
})

it('the typical lap is the mean of the middle half', () => {
  const lap = (total: number) => ({
    total,
    times: new Map([['x', { forward: total, backward: 0 }]]),
  })
  const { total, times } = typicalLap([7, 1000, 5, 1].map(lap))
  expect(total).toBe(6)
  expect(times.get('x')).toEqual({ forward: 6, backward: 0 })
  expect(typicalLap([lap(3)]).total).toBe(3)
})
