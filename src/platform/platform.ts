/** What differs between Node and the browser. `#platform` resolves to `node.ts` or `browser.ts`. */
export interface Platform {
  readonly name: 'node' | 'browser'
  /** An environment variable; always undefined in the browser. */
  env(name: string): string | undefined
  /** Logical processors. */
  readonly cores: number
  /** A whole file (Node: a path; browser: a URL to fetch). Throws `FILE_NOT_FOUND`. */
  readFile(path: string): Promise<Uint8Array>
  /**
   * Writes a whole file. Node: beside the target, flushed, then renamed into place, so that a kill at
   * any moment leaves the old file or the new one. Browser: offers it as a download.
   */
  writeFile(path: string, bytes: Uint8Array): Promise<void>
  /** Adds to the end of a file, which is made, its folder too, if there is none. Node only. */
  appendFile(path: string, bytes: Uint8Array): Promise<void>
  /**
   * Resolves after the event loop has turned: in a loop that awaits it, timers, input and the page have
   * their turn. A timer of no delay would take a millisecond in Node and four in a page.
   */
  turn(): Promise<void>
  /** Whether workers may share memory: always in Node, in pages that are cross-origin isolated. */
  readonly sharesMemory: boolean
  /**
   * Starts a worker that evaluates the text of a function and calls it with `data`, which is cloned.
   * It does not keep the process alive. Where workers of generated code are forbidden it throws, or
   * calls `failed` later, as it does after an error in the worker.
   */
  startWorker(source: string, data: unknown, failed: () => void): { terminate(): void }
  /** The native addon's exports, or why it cannot be used here, in one line. */
  loadAddon(): { addon: unknown } | { reason: string }
}
