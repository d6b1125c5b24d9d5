#!/usr/bin/env node
/** The `refrain` command. */
import { run } from './run.ts'

// A reader that stops early, as in `refrain predict … | head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

function interruptible(): AbortSignal {
  const controller = new AbortController()
  process.on('SIGINT', () => {
    // The usual status of a program that Ctrl-C ended.
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  })
  return controller.signal
}

const { stdin, stdout, stderr } = process
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, interruptible })
// An open standard input or an idle worker must not keep the process alive.
stdout.write('', () => process.exit())
