/** Runs a bundle in Chromium: finds the browser, serves the bundle on localhost, calls it. */
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const elsewhere = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The browser's path: CHROME_PATH, else the first one found on PATH or in the usual places. */
export function findChromium(): string | undefined {
  const { CHROME_PATH, PATH = '' } = process.env
  if (CHROME_PATH) return CHROME_PATH
  const onPath = names.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)))
  return [...onPath, ...elsewhere].find(isExecutable)
}

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The page: loads `entry.js` as an application would and leaves its exports where tests find them. */
const html = `<!doctype html><title>Refrain</title><link rel="icon" href="data:,">
<script type="module">import * as entry from './entry.js'; globalThis.entry = entry</script>`

/** With these a page is cross-origin isolated, so that shared memory is allowed. */
export const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}

/** Serves the page and the files by name, with further headers. */
async function serve(files: Map<string, Uint8Array>, headers: Record<string, string>) {
  const types: Record<string, string> = { js: 'text/javascript', wasm: 'application/wasm' }
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1)
    const body = name === '' ? html : files.get(name)
    response.writeHead(body === undefined ? 404 : 200, {
      'content-type': types[name.split('.').at(-1) ?? ''] ?? 'text/html',
      ...headers,
    })
    response.end(body)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() }
}

/** A page in which the exports of the bundle's entry can be called. */
export interface Page {
  /** Calls the export `name` and returns what it resolves to; arguments and result are JSON values. */
  call<T>(name: string, ...args: unknown[]): Promise<T>
  /** Warnings and errors on the page's console, and uncaught errors. */
  complaints: string[]
  close(): Promise<void>
}

/** Opens a page that imports `entry.js` from the given files, all served with these headers. */
export async function openPage(
  executablePath: string,
  files: Map<string, Uint8Array>,
  headers: Record<string, string> = isolation,
): Promise<Page> {
  const { chromium } = await import('playwright-core')
  const server = await serve(files, headers)
  const browser = await chromium.launch({ executablePath, args: flags })
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['warning', 'error'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(server.origin)
  return {
    complaints,
    call: (name, ...args) =>
      page.evaluate(
        ({ name, args }) => {
          const { entry } = globalThis as unknown as {
            entry: Record<string, (...args: unknown[]) => unknown>
          }
          return entry[name](...args) as never
        },
        { name, args },
      ),
    close: async () => {
      await browser.close()
      server.close()
    },
  }
}
