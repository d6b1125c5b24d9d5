/** What the suite of all backends does not cover: the addon's glue, its threads, several environments. */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { Floats, Kernels } from '../kernels.ts'
import { nativeBackend, nativeVariants } from './native.ts'

const addonPath = fileURLToPath(new URL('../../../build/Release/refrain.node', import.meta.url))
const native = nativeVariants()

describe.skipIf('reason' in native)('native', () => {
  const filled = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 0.7))

  it('names the argument that has the wrong type', () => {
    const { kernels } = nativeBackend()
    const fill = kernels.fill as unknown as (...args: unknown[]) => void
    const out = new Float32Array(4)
    expect(() => fill(out, 1)).toThrow(new TypeError('fill: expected 3 arguments, got 2'))
    expect(() => fill(out, 1, 4, 4)).toThrow(new TypeError('fill: expected 3 arguments, got 4'))
    for (const wrong of [new Float64Array(4), new Int32Array(4), [1, 2], null, undefined, 3]) {
      expect(() => fill(wrong, 1, 4)).toThrow(
        new TypeError('fill: argument 1 must be a Float32Array'),
      )
    }
    expect(() => fill(out, '1', 4)).toThrow(new TypeError('fill: argument 2 must be a number'))
    const pool = kernels.poolMean as unknown as (...args: unknown[]) => void
    expect(() => pool(out, out, out, 1, 2, 2)).toThrow(
      new TypeError('poolMean: argument 2 must be an Int32Array or null'),
    )
    pool(out, null, out, 1, 1, 4)
  })

  it('refuses sizes that are no 32-bit integers', () => {
    const fill = nativeBackend().kernels.fill as unknown as (...args: unknown[]) => void
    const out = new Float32Array(4)
    for (const wrong of [2 ** 32 + 3, 2 ** 31, -(2 ** 31) - 1, 1.5, Number.NaN, Infinity]) {
      const expected = /^fill: argument 3 must be a 32-bit integer, got (-?[\d.]+|nan|inf)$/
      expect(() => fill(out, 1, wrong)).toThrow(RangeError)
      expect(() => fill(out, 1, wrong)).toThrow(expected)
    }
    expect(() => fill(out, 1, 2 ** 32 + 3)).toThrow('got 4294967299')
    expect(() => fill(out, 1, '4')).toThrow(
      new TypeError('fill: argument 3 must be a 32-bit integer'),
    )
    expect([...out]).toEqual([0, 0, 0, 0])
  })

  it('fails on a variant that is not there and on bad numbers of threads', () => {
    expect(() => nativeBackend({ variant: 'mmx' })).toThrow(/^native:mmx: this machine runs .*base/)
    for (const threads of [0, -1, 1.5, Number.NaN, 5000]) {
      expect(() => nativeBackend({ threads })).toThrow(
        /^threads: expected a whole number from 1 to 1024, got /,
      )
    }
  })

  it('lets each backend have its own number of threads', () => {
    const [a, b] = [nativeBackend({ threads: 1 }), nativeBackend({ threads: 3 })]
    a.threads = 2
    expect([a.threads, b.threads]).toEqual([2, 3])
  })

  it('aligns the memory itself, not just the offset in a buffer', () => {
    const { prepare } = createRequire(import.meta.url)(addonPath)
    const { heap } = nativeBackend()
    for (const bytes of [4, 100, 4096, 1 << 20]) {
      const { buffer, byteOffset } = heap.floats(heap.allocate(bytes), 0, 1)
      expect((prepare(buffer) + byteOffset) % 64).toBe(0)
    }
  })

  // More threads than tasks, fewer, and none; each kernel that splits its work.
  it('gives the same bits with 1 to 7 threads', () => {
    const n = 150_001
    const [rows, cols] = [1001, 149]
    const [a, b] = [filled(n), filled(n).reverse()]
    const calls: Record<string, (k: Kernels, out: Floats) => unknown> = {
      matmul: (k, out) => k.matmul(a, b, null, out, cols, rows, cols, 1, 0, 1),
      'matmul, b transposed': (k, out) => k.matmul(a, b, null, out, rows, 60, cols, 0, 1, 0),
      sumRows: (k, out) => k.sumRows(a, out, rows, cols, 0),
      sumSquares: (k) => k.sumSquares(a, n),
      softmax: (k, out) => k.softmax(a, out, rows, cols, 1),
      gatherBackward: (k, out) =>
        k.gatherBackward(
          a,
          Int32Array.from({ length: rows }, (_, i) => i % 7),
          out,
          rows,
          cols,
        ),
      multiplyRepeated: (k, out) => k.multiplyRepeated(a, b, out, 10, 100, cols, 1),
      reverseTime: (k, out) => k.reverseTime(a, out, 10, 100, cols, 0),
      dropout: (k, out) => k.dropout(a, out, n, 0.3, 1, 2, 3, 4, 1),
    }
    for (const variant of 'variants' in native ? native.variants : []) {
      const backend = nativeBackend({ variant })
      for (const [name, call] of Object.entries(calls)) {
        const results = [1, 2, 3, 7].map((threads) => {
          backend.threads = threads
          const out = filled(n)
          const returned = call(backend.kernels, out)
          return [returned, Buffer.from(out.buffer).toString('base64')]
        })
        for (const result of results) expect(result, `${variant} ${name}`).toEqual(results[0])
      }
    }
  })

  /** What a fresh Node prints, with a `kernels` to use; `large(threads)` splits its work. */
  const inFreshNode = (code: string) => {
    const before = `
      const { execFileSync } = require('node:child_process')
      const { readFileSync, readdirSync, writeSync } = require('node:fs')
      const kernels = require(${JSON.stringify(addonPath)}).create('baseline')
      const x = new Float32Array(1 << 20).fill(0.5)
      const out = new Float32Array(1 << 20)
      const large = (threads) => {
        kernels.setThreads(threads)
        kernels.matmul(x, x, null, out, 1024, 4, 1024, 0, 0, 0)
      }`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', before + code], {
      encoding: 'utf8',
    })
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    return stdout
  }
  const linux = process.platform === 'linux'
  const canLimit = linux && spawnSync('prlimit', ['--version']).status === 0

  it.skipIf(!canLimit)('makes do with fewer threads where the system allows no more', () => {
    const code = `
      const size = 1024 * Number(readFileSync('/proc/self/status', 'utf8').match(/VmSize:\\s*(\\d+)/)[1])
      const before = readdirSync('/proc/self/task').length
      // Room for the stacks of some of the threads.
      execFileSync('prlimit', ['--pid', process.pid, '--as=' + (size + 2 ** 28) + ':'])
      large(1024)
      large(1024)
      const started = readdirSync('/proc/self/task').length - before
      writeSync(1, JSON.stringify([started, out[0], out.at(-1)]))`
    const [started, first, last] = JSON.parse(inFreshNode(code))
    expect(started).toBeLessThan(200)
    expect([first, last]).toEqual([1, 1])
  })

  it.skipIf(!linux)('wakes no more threads than a run needs', () => {
    const code = `
      const switches = () => readdirSync('/proc/self/task').map((task) => Number(
        readFileSync('/proc/self/task/' + task + '/status', 'utf8').match(/\\nvoluntary\\w*:\\s*(\\d+)/)[1],
      ))
      const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
      large(17)
      sleep(50)
      const before = switches()
      for (let i = 0; i < 40; i++) {
        large(2)
        sleep(2)
      }
      const after = switches()
      writeSync(1, JSON.stringify(after.map((count, i) => count - before[i])))`
    const woken: number[] = JSON.parse(inFreshNode(code))
    expect(woken.length).toBeGreaterThanOrEqual(17)
    // The helper and this thread.
    expect(woken.filter((count) => count >= 20).length).toBeLessThanOrEqual(3)
  })

  it('gives freed memory back at once', () => {
    const { heap, kernels } = nativeBackend({ threads: 1 })
    const block = heap.allocate(1 << 20)
    const floats = heap.floats(block, 0, 100)
    const before = process.memoryUsage().arrayBuffers
    heap.free(block)
    expect(floats.length).toBe(0)
    expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(1 << 20)
    expect(() => kernels.fill(floats, 1, 100)).toThrow('fill: argument 1 must be a Float32Array')
    kernels.fill(new Float32Array(0), 1, 0)
  })

  it('serves several JavaScript threads at once, and outlives them', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads')
      const kernels = require(${JSON.stringify(addonPath)}).create('baseline')
      kernels.setThreads(2)
      const x = new Float32Array(90000).fill(0.5)
      let total = 0
      for (let i = 0; i < 200; i++) {
        const out = new Float32Array(90000)
        kernels.matmul(x, x, null, out, 300, 30, 300, 0, 0, 0)
        total += kernels.sumSquares(out, 90000)
      }
      parentPort.postMessage(total)`
    const workers = [1, 2, 3].map(() => new Worker(code, { eval: true }))
    const totals = workers.map((worker) => new Promise((resolve) => worker.on('message', resolve)))
    const { kernels } = nativeBackend({ threads: 2 })
    const x = new Float32Array(90_000).fill(0.5)
    for (let i = 0; i < 200; i++)
      kernels.matmul(x, x, null, new Float32Array(90_000), 300, 30, 300, 0, 0, 0)
    expect(await Promise.all(totals)).toEqual([1, 1, 1].map(() => 200 * 90_000 * 7.5 ** 2))
    await Promise.all(workers.map((worker) => worker.terminate()))
    const out = new Float32Array(90_000)
    kernels.matmul(x, x, null, out, 300, 30, 300, 0, 0, 0)
    expect(out[89_999]).toBe(7.5)
  })
})
