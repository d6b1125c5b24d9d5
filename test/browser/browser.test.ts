import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bundle, bundleForBrowser, smallProgram } from '../../scripts/bundle.mjs'
import * as cases from './cases.ts'
import { findChromium, isolation, openPage, type Page } from './chromium.ts'

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`

describe('the browser bundle', () => {
  let library: Bundle

  beforeAll(async () => {
    library = await bundleForBrowser({
      text: "import * as refrain from 'refrain'; globalThis.refrain = refrain",
    })
  })

  test('holds nothing but the library', () => {
    expect(library.external).toEqual([])
    expect(library.inputs.filter((path) => !/^(dist\/|entry\.js$)/.test(path))).toEqual([])
  })

  test("takes the browser's platform, not Node's", () => {
    expect(library.inputs).toContain('dist/platform/browser.js')
    expect(library.inputs).not.toContain('dist/platform/node.js')
    const text = [...library.files.values()].map((bytes) => new TextDecoder().decode(bytes)).join()
    expect(text).not.toMatch(/["'`]node:/)
  })

  test('is at most 80 kB with gzip where a model is built, trained and used', async () => {
    const { size, gzip } = await bundleForBrowser(smallProgram)
    console.log(`browser bundle: ${kilobytes(size)}, ${kilobytes(gzip)} with gzip`)
    console.log(`of everything: ${kilobytes(library.size)}, ${kilobytes(library.gzip)} with gzip`)
    expect(gzip).toBeLessThan(80_000)
    expect(library.gzip).toBeLessThan(155_000)
  })

  test('leaves out what is not used', async () => {
    const { inputs, size } = await bundleForBrowser({
      text: "import { RefrainError } from 'refrain'; globalThis.RefrainError = RefrainError",
    })
    expect(inputs).toContain('dist/errors.js')
    expect(size).toBeLessThan(5_000)
  })
})

const chromium = findChromium()
if (!chromium) {
  console.warn('browser tests skipped: no Chromium; install one or set CHROME_PATH to its program')
}

describe.skipIf(!chromium)('in Chromium', () => {
  let page: Page
  let files: Map<string, Uint8Array>

  beforeAll(async () => {
    files = (await bundleForBrowser({ path: 'test/browser/cases.ts' })).files
    page = await openPage(chromium!, files)
  })

  afterAll(() => page?.close())

  test('WebAssembly with relaxed SIMD is chosen', async () => {
    expect(await page.call('backends')).toEqual({
      chosen: 'wasm:relaxed',
      available: ['wasm:relaxed', 'wasm:simd128'],
    })
  })

  test('without SIMD in WebAssembly the error says how to compute with plain loops', async () => {
    const old = await openPage(chromium!, files)
    try {
      expect(await old.call('withoutWasm')).toEqual({
        error:
          'reference, for browsers without SIMD in WebAssembly: bundles for pages leave the plain loops ' +
          "out; import { referenceBackend, setBackend } from 'refrain', then setBackend(referenceBackend())",
        loss: await cases.trainOnLoops(),
      })
    } finally {
      await old.close()
    }
  })

  test('20 steps of training give the very bits that they give in Node', async () => {
    const here = await cases.trainTwentySteps()
    expect(here.steps).toBe(20)
    expect(here.weights).toHaveLength(11)
    expect(here.loss.at(-1)).toBeLessThan(here.loss[0])
    expect(await page.call('trainTwentySteps')).toEqual(here)
  })

  test('a model predicts, and predicts the same from its file', async () => {
    const { shape, encoders, before, after } =
      await page.call<Awaited<ReturnType<typeof cases.predictFromFile>>>('predictFromFile')
    expect(shape).toEqual([80, 1])
    expect(encoders).toEqual({ words: ['a', 'b'] })
    expect(before.every((p) => p > 0 && p < 1)).toBe(true)
    expect(after).toEqual(before)
    expect((await cases.predictFromFile()).before).toEqual(before)
  })

  describe('threads', () => {
    const trained = (on: Page) =>
      on.call<Awaited<ReturnType<typeof cases.trainOnThreads>>>('trainOnThreads', 2)
    let expected: string[]

    beforeAll(async () => {
      expected = (await cases.trainOnThreads(1)).weights
    })

    test('are workers where the page is isolated; the bits stay the same', async () => {
      expect(await trained(page)).toEqual({ weights: expected, threads: 2, workers: 1 })
    })

    test.each([
      ['the page is not isolated', {}, []],
      [
        'workers are forbidden',
        { ...isolation, 'content-security-policy': "worker-src 'none'" },
        [expect.stringMatching(/violates.*Content Security Policy/)],
      ],
    ])('are one where %s', async (_, headers, complaints) => {
      const other = await openPage(chromium!, files, headers)
      try {
        const { weights, threads } = await trained(other)
        expect(weights).toEqual(expected)
        expect(threads).toBe(1)
        expect(other.complaints).toEqual(complaints)
      } finally {
        await other.close()
      }
    })
  })

  test('errors read as they do in Node', async () => {
    const { code, message } = cases.unknownOption()!
    expect(code).toBe('UNKNOWN_OPTION')
    expect(message).toContain("did you mean 'units'?")
    expect(await page.call('unknownOption')).toEqual({ code, message })
  })

  test('the page has nothing to complain about', () => {
    expect(page.complaints).toEqual([])
  })
})
