/** The choice of a backend, by name, by environment and by default. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { availableBackends, createBackend, defaultBackend, setBackend } from './backend.ts'

describe('backends', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.resetModules()
  })

  /** The module anew, with nothing chosen yet. */
  async function chosenWith(value: string) {
    vi.stubEnv('REFRAIN_BACKEND', value)
    vi.resetModules()
    const { defaultBackend } = await import('./backend.ts')
    return defaultBackend()
  }

  it('takes the fastest that is available', async () => {
    const best = availableBackends().find((line) => line.available)
    const { name, variant } = await chosenWith('')
    expect(name).toBe(best?.name)
    if (name === 'native') expect(variant).toBe(best?.variant)
  })

  it('follows REFRAIN_BACKEND', async () => {
    expect((await chosenWith('reference')).name).toBe('reference')
    expect((await chosenWith('reference:float64')).variant).toBe('float64')
    const wasm = await chosenWith('wasm:simd128')
    expect([wasm.name, wasm.variant]).toEqual(['wasm', 'simd128'])
  })

  it('says what is wrong with a name', async () => {
    await expect(chosenWith('wasn')).rejects.toThrow(
      "REFRAIN_BACKEND: unknown backend 'wasn'; did you mean 'wasm'?",
    )
    expect(() => setBackend('wasm:simd182')).toThrow(
      "setBackend: the backend wasm has no variant 'simd182'; did you mean 'simd128'?",
    )
    expect(() => createBackend('native:avx2:x')).toThrow("backend: unknown backend 'native:avx2:x'")
  })

  it('takes a number of threads, which REFRAIN_THREADS overrides', () => {
    const before = defaultBackend()
    try {
      vi.stubEnv('REFRAIN_THREADS', '')
      const { name } = before
      const has = (threads: number) => (name === 'native' ? threads : setBackend(name).threads)
      expect(setBackend(name, { threads: 3 }).threads).toBe(has(3))
      expect(setBackend(before, { threads: 1 }).threads).toBe(1)
      for (const threads of [0, 1.5, 1025, Number.NaN]) {
        expect(() => setBackend(name, { threads })).toThrow(
          `setBackend 'threads': expected a whole number from 1 to 1024, got ${threads}`,
        )
      }
      expect(() => setBackend(name, { thread: 2 } as never)).toThrow("did you mean 'threads'?")
      vi.stubEnv('REFRAIN_THREADS', '2')
      expect(setBackend(name, { threads: 3 }).threads).toBe(has(2))
    } finally {
      setBackend(before)
    }
  })

  it('gives the reason where a backend is missing', () => {
    for (const { name, variant, available, reason } of availableBackends()) {
      if (available) expect(createBackend(`${name}:${variant}`).variant).toBe(variant)
      else {
        expect(reason).toBeTruthy()
        expect(() => createBackend(`${name}:${variant}`)).toThrow(`${name}`)
      }
    }
  })

  it('uses what was set', () => {
    const before = defaultBackend()
    expect(defaultBackend()).toBe(before)
    const reference = setBackend('reference')
    expect(defaultBackend()).toBe(reference)
    expect(setBackend(before)).toBe(before)
  })

  it('takes the number of threads from REFRAIN_THREADS', () => {
    if (!availableBackends().some((line) => line.name === 'native' && line.available)) return
    vi.stubEnv('REFRAIN_THREADS', '3')
    expect(createBackend('native').threads).toBe(3)
    vi.stubEnv('REFRAIN_THREADS', 'many')
    expect(() => createBackend('native')).toThrow(
      'REFRAIN_THREADS: expected a whole number from 1 to 1024, got NaN',
    )
  })
})
