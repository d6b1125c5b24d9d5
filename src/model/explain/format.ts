/** An explanation as a table of at most 100 columns. */
import type { Explanation, Work } from './explain.ts'
import type { SlowPath } from './slow.ts'

const width = 100
const widestName = 27

/** The tables that `String(explanation)` gives; docs/explain.md says what their columns mean. */
export function formatExplanation(explanation: Explanation): string {
  const { model, backend, batchSize, steps, peak, training, slow } = explanation
  const threads = `${peak.threads} thread${peak.threads === 1 ? '' : 's'}`
  const one = peak.threads > 1 ? ` (${number(peak.gflopsOneThread)} on one thread)` : ''
  return [
    `${model}: batches of ${batchSize}, ${steps} step${steps === 1 ? '' : 's'}, ` +
      `on ${backend}, ${threads}`,
    `This machine, measured: ${number(peak.gflops)} GFLOP/s${one}, ` +
      `memory ${number(peak.gigabytesPerSecond)} GB/s`,
    '',
    predictionTable(explanation),
    '',
    training ? trainingTable(explanation) : 'Training was not measured.',
    '',
    ...(slow.length > 0 ? ['Slow:', ...slow.map(describe)] : ['No slow path.']),
  ].join('\n')
}

function predictionTable({ layers, prediction }: Explanation): string {
  const total = prediction.milliseconds
  const line = (name: string, way: string, parameters: string, work: Work) => [
    shorten(name),
    way,
    parameters,
    ...sizes(work),
    time(work.milliseconds),
    share(work.shareOfPeak, work),
    percent(work.milliseconds / total),
  ]
  return table([
    ['PREDICTION', 'way', 'parameters', 'MFLOP', 'MB', 'est. ms', 'ms', 'peak', 'time'],
    ...layers.map(({ layer, prediction: way, parameters, predict }) =>
      line(layer, way, count(parameters), predict),
    ),
    ...prediction.parts.map(({ part, work }) => line(part, '', '', work)),
    ['total', '', '', '', '', '', time(total), '', ''],
  ])
}

function trainingTable({ layers, training }: Explanation): string {
  const { milliseconds: total, parts, loss, optimizer } = training!
  const named = (part: string) =>
    part === 'loss' ? `loss: ${loss}` : part === 'optimizer' ? `optimizer: ${optimizer}` : part
  return table([
    ['TRAINING STEP', 'way', 'MFLOP', 'MB', 'est. ms', 'forward', 'backward', 'peak', 'time'],
    ...layers.map(({ layer, training: way, forward, backward }) => {
      const both = add(forward!, backward!)
      return [
        shorten(layer),
        way,
        ...sizes(both),
        time(forward!.milliseconds),
        time(backward!.milliseconds),
        share(both.shareOfPeak, both),
        percent(both.milliseconds / total),
      ]
    }),
    ...parts.map(({ part, work }) => [
      shorten(named(part)),
      '',
      ...sizes(work),
      time(work.milliseconds),
      '',
      share(work.shareOfPeak, work),
      percent(work.milliseconds / total),
    ]),
    ['total', '', '', '', '', time(total), '', '', ''],
  ])
}

/** One pass after the other. */
function add(a: Work, b: Work): Work {
  const milliseconds = a.milliseconds + b.milliseconds
  const atPeak = a.shareOfPeak * a.milliseconds + b.shareOfPeak * b.milliseconds
  return {
    flops: a.flops + b.flops,
    bytes: a.bytes + b.bytes,
    estimatedMilliseconds: a.estimatedMilliseconds + b.estimatedMilliseconds,
    milliseconds,
    shareOfPeak: milliseconds > 0 ? atPeak / milliseconds : 0,
  }
}

const sizes = ({ flops, bytes, estimatedMilliseconds }: Work) => [
  flops > 0 ? number(flops / 1e6) : '',
  bytes > 0 ? number(bytes / 1e6) : '',
  bytes > 0 ? time(estimatedMilliseconds) : '',
]

const count = (value: number) => (value > 0 ? value.toLocaleString('en') : '')
const percent = (value: number) => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`
const share = (value: number, { flops }: Work) => (flops > 0 ? percent(value) : '')
const time = (milliseconds: number) => number(milliseconds)

/** Three digits or so: 0.012, 4.56, 78.9, 1,234. */
function number(value: number): string {
  if (value < 0.0005) return '0'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

const shorten = (name: string) =>
  name.length > widestName ? `…${name.slice(1 - widestName)}` : name

/** Names to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A slow path in lines of at most `width` columns. */
function describe({ where, reason, advice }: SlowPath): string {
  const lines = ['']
  for (const word of `${where}: ${reason}. Better: ${advice}`.split(' ')) {
    const line = `${lines[lines.length - 1]} ${word}`
    if (line.length + 3 > width) lines.push(` ${word}`)
    else lines[lines.length - 1] = line
  }
  return lines.map((line, i) => (i === 0 ? ' ' : '   ') + line).join('\n')
}
