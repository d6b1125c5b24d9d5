/** The platform in a browser: files are fetched and downloaded, and there is no addon. */
import { RefrainError, show } from '../errors.ts'
import type { Platform } from './platform.ts'

export const platform: Platform = {
  name: 'browser',
  env: () => undefined,
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,

  async readFile(path) {
    let response: Response
    try {
      response = await fetch(path)
    } catch (error) {
      throw new RefrainError('FILE_NOT_FOUND', `cannot fetch ${show(path)}`, 'check the URL', {
        cause: error,
      })
    }
    if (!response.ok) {
      throw new RefrainError(
        'FILE_NOT_FOUND',
        `cannot fetch ${show(path)}: status ${response.status}`,
        'check the URL',
      )
    }
    return new Uint8Array(await response.arrayBuffer())
  },

  async writeFile(path, bytes) {
    if (typeof document === 'undefined') {
      throw new RefrainError(
        'UNSUPPORTED',
        `cannot offer ${show(path)} as a download outside a page`,
        'pass the bytes to the page and write there',
      )
    }
    const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]))
    const link = document.createElement('a')
    link.href = url
    link.download = path.slice(path.lastIndexOf('/') + 1)
    link.click()
    // The download has read the URL by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
  },

  async appendFile(path) {
    throw new RefrainError('UNSUPPORTED', `cannot add to ${show(path)} in a browser`)
  },

  turn: () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        port1.close()
        resolve()
      }
      port2.postMessage(null)
    }),

  sharesMemory: globalThis.crossOriginIsolated === true,

  startWorker(source, data, failed) {
    const code = `onmessage = ({ data }) => (${source})(data)`
    const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
    const worker = new Worker(url)
    URL.revokeObjectURL(url)
    worker.onerror = (event) => {
      event.preventDefault()
      failed()
    }
    worker.postMessage(data)
    return worker
  },

  loadAddon: () => ({ reason: 'a browser has no native addon' }),
}
