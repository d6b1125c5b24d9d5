/** Runs `refrain` in the test's own process, in a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { run } from '../../src/cli/run.ts'

export interface Result {
  status: number
  stdout: string
  stderr: string
}

export interface Call {
  stdin?: string
  terminal?: boolean
  /** Called with what was printed so far; true interrupts. */
  interruptWhen?: (stdout: string) => boolean
}

/** A folder for the files of a test, and the command, whose messages name them without the folder. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'refrain-cli-'))

  /** The path of a file in the folder. */
  at = (name: string) => join(this.folder, name)

  /** Writes a file; returns its path. */
  file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(this.at(name), content)
    return this.at(name)
  }

  refrain = async (args: readonly string[], call: Call = {}): Promise<Result> => {
    let stdout = ''
    let stderr = ''
    const controller = new AbortController()
    const stdin = (async function* () {
      if (call.stdin) yield Buffer.from(call.stdin)
    })()
    const status = await run(args, {
      stdin: Object.assign(stdin, { isTTY: call.terminal ?? false }),
      stdout: {
        write(text) {
          stdout += text
          if (call.interruptWhen?.(stdout)) controller.abort()
        },
      },
      stderr: {
        write(text) {
          stderr += text
        },
      },
      interruptible: () => controller.signal,
    })
    const cut = (text: string) => text.replaceAll(`${this.folder}/`, '')
    return { status, stdout: cut(stdout), stderr: cut(stderr) }
  }

  /** What the command prints; fails unless it ends with status 0 and says nothing else. */
  prints = async (args: readonly string[], call?: Call): Promise<string> => {
    const { status, stdout, stderr } = await this.refrain(args, call)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return stdout
  }

  /** Expects exit status 1 and one line on standard error; returns the line. */
  failure = async (args: readonly string[], call?: Call): Promise<string> => {
    const { status, stderr, stdout } = await this.refrain(args, call)
    expect(status).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^refrain: [^\n]+\n$/)
    return stderr.slice('refrain: '.length, -1)
  }

  remove = () => rmSync(this.folder, { recursive: true })
}

/** The JSON lines of an output. */
export const jsonLines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
