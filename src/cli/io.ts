/** What the command talks to: the process, or a test. */

/** Where text goes. */
export interface Output {
  write(text: string): unknown
  /** True on a terminal. */
  isTTY?: boolean
}

/** Standard streams, and the wish to be interrupted gently. */
export interface Io {
  stdin: AsyncIterable<Uint8Array> & { isTTY?: boolean }
  stdout: Output
  stderr: Output
  /** From the first call on, Ctrl-C aborts this signal instead of ending the process; twice ends it. */
  interruptible(): AbortSignal
}

/** Prints facts as lines for people, or as JSON lines for machines. */
export class Printer {
  readonly #io: Io
  readonly #json: boolean
  readonly #quiet: boolean

  constructor(io: Io, { json = false, quiet = false }: { json?: boolean; quiet?: boolean }) {
    this.#io = io
    this.#json = json
    this.#quiet = quiet
  }

  /** A fact: `text` for people, `json` for machines. */
  print(text: string, json: object): void {
    this.#io.stdout.write(`${this.#json ? JSON.stringify(json) : text}\n`)
  }

  /** A remark on the way, which --quiet leaves out. */
  note(text: string, json: object): void {
    if (!this.#quiet) this.print(text, json)
  }
}

/** 3000 → "3,000" */
export const count = (value: number) => value.toLocaleString('en')

/** 0.8234 → "82.3 %" */
export const percent = (share: number) => `${(share * 100).toFixed(1)} %`

/** 1 → "1 row", 2 → "2 rows" */
export const plural = (value: number, noun: string) =>
  `${count(value)} ${noun}${value === 1 ? '' : 's'}`

/** Names in a row, separated by commas; quoted where a name has one itself. */
export const list = (names: readonly string[]) =>
  names.map((name) => (name.includes(',') ? `'${name}'` : name)).join(', ')

/** Rows of cells under each other; all but the first column to the right. */
export function table(rows: readonly (readonly string[])[], right = true): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const align = (cell: string, i: number) =>
    right && i > 0 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])
  return rows.map((row) => row.map(align).join('  ').trimEnd()).join('\n')
}
