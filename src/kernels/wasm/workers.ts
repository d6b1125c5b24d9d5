/**
 * The workers of a wasm backend: further instances of its module over the same memory, each with a
 * stack of its own, waiting inside `serve` (csrc/wasm_pool.h). They sleep unless a kernel calls them.
 */
import { platform } from '#platform'

/** What a worker is started with. */
interface WorkerData {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  /** Number of the worker, and the end of its stack. */
  index: number
  stack: number
}

/** The worker's program, as text: it is evaluated in a realm of its own. Never returns. */
const program = `({ module, memory, index, stack }) => {
  const env = { memory, startWorkers() {} }
  const { exports } = new WebAssembly.Instance(module, { env })
  exports.__stack_pointer.value = stack
  exports.serve(index)
}`

/** As many as the pool of csrc/wasm_pool.h has places for. */
const mostWorkers = 63
const stackBytes = 256 * 1024
/** What the stacks take of the memory's addresses; pages that nobody touches cost nothing. */
export const stacksBytes = mostWorkers * stackBytes

type Running = { terminate(): void }[]

const collected = new FinalizationRegistry<Running>((workers) => {
  for (const worker of workers) worker.terminate()
})

export class Workers {
  readonly #running: Running = []
  readonly #data: Omit<WorkerData, 'index' | 'stack'>
  readonly #stacks: number
  #refused = false

  /** `stacks`: offset of `stacksBytes` bytes for them. They end when `owner` is collected. */
  constructor(
    owner: object,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    stacks: number,
  ) {
    this.#data = { module, memory }
    this.#stacks = stacks
    collected.register(owner, this.#running)
  }

  /** How many there may be: after one has failed, those that did not. */
  get most(): number {
    return this.#refused ? this.#running.length : mostWorkers
  }

  /** Starts workers until there are `count`, or as many as the platform allows. */
  start(count: number): void {
    while (this.#running.length < Math.min(count, this.most)) this.#add(this.#running.length)
  }

  #add(index: number): void {
    const stack = this.#stacks + (index + 1) * stackBytes
    const failed = () => {
      this.#refused = true
      const at = worker ? this.#running.indexOf(worker) : -1
      if (at >= 0) this.#running.splice(at, 1)
    }
    let worker: { terminate(): void } | undefined
    try {
      const data: WorkerData = { ...this.#data, index, stack }
      worker = platform.startWorker(program, data, failed)
      this.#running.push(worker)
    } catch {
      failed()
    }
  }
}
