/** Runs contestants in processes of their own, until the bench is told to stop. */
import { spawn } from 'node:child_process'

/**
 * Aborted by Ctrl-C: the program that runs ends, and what has been measured is written. A second Ctrl-C
 * ends the bench.
 */
export const stop = new AbortController()

/** Listens to Ctrl-C. */
export function stopOnInterrupt() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
}

/**
 * Runs one job in a fresh process; what it prints as its last line.
 *
 * @param {import('./contestants.mjs').Contestant} contestant @param {'check' | 'measure'} task
 * @param {import('./workloads.mjs').Workload} workload @param {number} seconds
 * @returns {Promise<any>}
 */
export function work({ name, command, env, engine }, task, workload, seconds) {
  const job = JSON.stringify({ engine, task, workload, seconds })
  return run(`${name} at ${workload.name}`, [...command, job], env)
}

/**
 * Runs a program to what it prints as its last line.
 *
 * @param {string} what @param {string[]} command @param {Record<string, string>} env
 * @returns {Promise<any>}
 */
export function run(what, [program, ...args], env) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: stop.signal,
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('error', fail)
    child.on('close', (status) => {
      if (status === 0) done(JSON.parse(output.trimEnd().split('\n').at(-1) ?? ''))
      else fail(new Error(`${what} failed with ${status}\n${errors}`))
    })
  })
}

/** Rewrites one line on a terminal; silent elsewhere. @param {string} text */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
