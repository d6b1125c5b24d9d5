import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorCodes, show } from '../../src/errors.ts'
import { type Bundle, bundleForBrowser } from './bundle.ts'
import { findChromium, openPage, type Page } from './chromium.ts'

const chromium = findChromium()
let bundle: Bundle

beforeAll(async () => {
  bundle = await bundleForBrowser({ text: "export * from './dist/errors.js'" })
})

test('the bundle holds nothing but the library', () => {
  expect(bundle.external).toEqual([])
  expect(bundle.inputs.filter((path) => !/^(dist\/|entry\.js$)/.test(path))).toEqual([])
})

if (!chromium) {
  console.warn('browser tests skipped: no Chromium; install one or set CHROME_PATH to its program')
}

describe.skipIf(!chromium)('in Chromium', () => {
  let page: Page

  beforeAll(async () => {
    page = await openPage(chromium!, bundle.files)
  })

  afterAll(() => page?.close())

  test('the library runs', async () => {
    const value = Object.keys(errorCodes)
    expect(await page.call('show', value)).toBe(show(value))
    expect(page.complaints).toEqual([])
  })
})
