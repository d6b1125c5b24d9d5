/** Progress of `fit`, as a live bar on a terminal and as plain lines elsewhere. */
import { checkOptions } from '../util/check.ts'
import type { Callback, Logs, Run } from './callbacks.ts'

/** Options of `progress`. */
export interface ProgressOptions {
  /** Redraw one line (a terminal) or print one line an epoch. Default: whether stdout is a terminal. */
  live?: boolean
  /** Where text goes; default standard output, or `console.log` where there is none. */
  write?: (text: string) => void
  /** What a row is called in "rows/s"; default 'rows'. */
  unit?: string
}

/** The part of Node's `process.stdout` that is used, where there is one. */
interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

/** Shows epoch, bar, loss, metrics, rows a second and the time left. */
export function progress(options: ProgressOptions = {}): Callback {
  checkOptions('progress', options, ['live', 'write', 'unit'])
  const stdout = (globalThis as { process?: { stdout?: Terminal } }).process?.stdout
  const live = options.live ?? stdout?.isTTY ?? false
  const { unit = 'rows' } = options
  const write =
    options.write ??
    ((text: string) => {
      if (stdout) stdout.write(text)
      else console.log(text.trimEnd())
    })
  let epochStart = 0
  let trainStart = 0
  let firstEpoch = 0
  let drawnAt = 0

  const label = (run: Run) => {
    const width = String(run.epochs).length
    return `epoch ${String(run.epoch + 1).padStart(width)}/${run.epochs}`
  }
  const speed = (run: Run, seconds: number) =>
    `${Math.round(run.rowsSeen / Math.max(seconds, 1e-3)).toLocaleString('en')} ${unit}/s`

  return {
    name: 'progress',
    onTrainBegin(run) {
      trainStart = performance.now()
      epochStart = trainStart
      firstEpoch = run.epoch
    },
    onEpochBegin() {
      epochStart = performance.now()
    },
    onStepEnd(run, logs) {
      const now = performance.now()
      if (!live || (now - drawnAt < 80 && run.step !== run.stepsPerEpoch)) return
      drawnAt = now
      const { step, stepsPerEpoch } = run
      const share = stepsPerEpoch ? Math.min(1, step / stepsPerEpoch) : 0
      const done = run.epoch - firstEpoch + share
      const left = ((now - trainStart) / done) * (run.epochs - firstEpoch - done)
      const parts = [
        `${label(run)} ${stepsPerEpoch ? bar(share) : `step ${step}`}`,
        ...numbers(logs),
        speed(run, (now - epochStart) / 1000),
        `${duration(left / 1000)} left`,
      ]
      const line = parts.join('  ')
      write(`\r${line.slice(0, (stdout?.columns ?? 120) - 1)}\u001b[K`)
    },
    onEpochEnd(run, logs) {
      const seconds = (performance.now() - epochStart) / 1000
      const parts = [label(run), ...numbers(logs), speed(run, seconds), duration(seconds)]
      write(`${live ? '\r' : ''}${parts.join('  ')}${live ? '\u001b[K' : ''}\n`)
    },
  }
}

function bar(share: number): string {
  const width = 20
  const full = Math.min(width, Math.floor(share * width))
  return `${'━'.repeat(full)}${'╌'.repeat(width - full)}`
}

function numbers(logs: Logs): string[] {
  return Object.entries(logs).map(([name, value]) => `${name} ${formatNumber(value)}`)
}

/** Four significant figures, without an exponent where that is readable. */
export function formatNumber(value: number): string {
  const size = Math.abs(value)
  return (size >= 1e-3 && size < 1e5) || size === 0
    ? value.toFixed(size >= 100 ? 1 : 4)
    : value.toExponential(2)
}

/** Seconds as "8.4 s", "2 min 05 s", "1 h 12 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`
}
