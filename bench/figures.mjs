/**
 * The figures that Refrain is to reach, computed from one run: what is missing in the run is left out.
 *
 * Beside a ratio that falls short stands what it would be if Refrain did its multiply-adds at the peak
 * that the run measured in registers, and nothing else: no program that does as many can do better.
 */
import { executedFlops } from './workloads.mjs'

/**
 * @typedef {import('./tables.mjs').Measured} Measured
 * @typedef {{ workload: string, ratio: number, limit?: number }} Ratio `limit`: at the peak
 * @typedef {{ what: string, against: string, target: string, measured: string, limit?: string,
 *   met?: boolean, beyond?: boolean }} Figure
 *   `met` is missing where there is nothing to reach; `beyond`: `limit` is below the target
 */

const lstms = ['small', 'medium', 'char-rnn', 'ptb', 'wide', 'large']
const fromMedium = lstms.slice(1)
const models = ['classifier', 'language-model']

/**
 * @param {Measured[]} measured @param {{ gzip: number }} [bundle] bytes of the small program's
 * @returns {Figure[]}
 */
export function figures(measured, bundle) {
  const times = (/** @type {string} */ name, /** @type {'train' | 'predict'} */ task) =>
    measured.flatMap((row) => {
      const median = row[task]?.median
      const same =
        row.contestant === name ||
        (name.endsWith('*') && row.contestant.startsWith(name.slice(0, -1)))
      const { workload, threads, peak } = row
      const least = peak && executedFlops(workload, task) / peak / 1e6
      return same && median ? [{ workload: workload.name, threads, median, least }] : []
    })
  /** The rival's fastest with at most as many threads, or with exactly as many, over ours. */
  const ratios = (
    /** @type {string} */ ours,
    /** @type {string} */ rival,
    /** @type {'train' | 'predict'} */ task,
    /** @type {string[]} */ workloads,
    /** @type {{ threads?: number, same?: boolean }} */ { threads, same = false } = {},
  ) => {
    const theirs = times(rival, task)
    return workloads.flatMap((workload) => {
      const our = times(ours, task).filter(
        (row) => row.workload === workload && (!threads || row.threads === threads),
      )
      const best = our.sort((a, b) => (same ? b.threads - a.threads : a.median - b.median))[0]
      if (!best) return []
      const values = theirs
        .filter((row) => row.workload === workload && (same ? row.threads === best.threads : true))
        .map((row) => row.median)
      const fastest = Math.min(...values)
      const least = Math.min(...our.map((row) => row.least ?? Number.NaN))
      const limit = least > 0 ? fastest / least : undefined
      return values.length > 0 ? [{ workload, ratio: fastest / best.median, limit }] : []
    })
  }
  /** @type {Figure[]} */
  const list = []
  const judge = (
    /** @type {string} */ what,
    /** @type {string} */ against,
    /** @type {Ratio[]} */ found,
    /** @type {{ mean?: number, least?: number }} */ { mean, least } = {},
  ) => {
    if (found.length === 0) return
    const ours = summary(found)
    const limits = found.flatMap(({ workload, limit }) =>
      limit ? [{ workload, ratio: limit }] : [],
    )
    const limit = limits.length === found.length ? summary(limits) : undefined
    const reaches = (/** @type {Summary} */ { average, worst }) =>
      (!mean || average >= mean) && (!least || worst.ratio >= least)
    const show = (/** @type {Summary} */ { average, worst }) =>
      `mean ${average.toFixed(2)}×, least ${worst.ratio.toFixed(2)}× (${worst.workload})`
    const met = (mean ?? least) === undefined ? undefined : reaches(ours)
    list.push({
      what,
      against,
      target:
        [mean && `mean ≥ ${mean}×`, least && `each ≥ ${least}×`].filter(Boolean).join(', ') || '–',
      measured: `${found.length === 1 ? '' : `${found.length} workloads, `}${show(ours)}`,
      met,
      ...(met === false && limit ? { limit: show(limit), beyond: !reaches(limit) } : {}),
    })
  }
  const native = 'Refrain native'
  for (const threads of [2, 1]) {
    const how = { threads, same: true }
    const several = threads === 1 ? '1 thread' : `${threads} threads`
    judge(
      `training, ${several}`,
      'oneDNN, as many',
      ratios(native, 'oneDNN', 'train', lstms, how),
      { mean: 1.15, least: 1 },
    )
    for (const kernels of ['Refrain kernels', 'Refrain kernels, no dx']) {
      judge(
        `training, ${kernels.replace('Refrain ', '')}, ${several}`,
        'oneDNN, as many',
        ratios(kernels, 'oneDNN', 'train', lstms, how),
      )
    }
  }
  judge('training', 'PyTorch, its best', ratios(native, 'PyTorch*', 'train', lstms), {
    mean: 1.5,
    least: 1.15,
  })
  judge('training', 'Keras 3, its best', ratios(native, 'Keras*', 'train', lstms), { least: 1.8 })
  judge('seed-step', 'PyTorch', ratios(native, 'PyTorch*', 'train', ['seed-step']), { least: 15 })
  judge('seed-step', 'Keras on JAX', ratios(native, 'Keras JAX', 'train', ['seed-step']), {
    least: 8,
  })
  for (const rival of ['ONNX Runtime node', 'PyTorch']) {
    for (const threads of [2, 1]) {
      const how = { threads, same: true }
      judge(
        `prediction, ${threads} threads`.replace('1 threads', '1 thread'),
        `${rival}, as many`,
        ratios(native, rival, 'predict', lstms, how),
        { mean: 1.2, least: 1 },
      )
    }
  }
  judge(
    'step-128',
    'ONNX Runtime node',
    ratios(native, 'ONNX Runtime node', 'predict', ['step-128']),
    { least: 4 },
  )
  judge(
    'step-512',
    'ONNX Runtime node',
    ratios(native, 'ONNX Runtime node', 'predict', ['step-512']),
    { least: 1.3 },
  )
  for (const wasm of ['Refrain wasm relaxed', 'Refrain wasm simd128']) {
    const variant = wasm.slice('Refrain '.length)
    const one = { threads: 1, same: true }
    judge(
      `prediction, ${variant}, 1 thread`,
      'ONNX Runtime wasm',
      ratios(wasm, 'ONNX Runtime wasm', 'predict', lstms, one),
      { mean: 1.5, least: 1.1 },
    )
    const finished = ['seed-step', ...lstms]
    judge(
      `training, ${variant}`,
      'TensorFlow.js wasm, which has 1 thread in Node',
      ratios(wasm, 'TensorFlow.js wasm', 'train', finished),
      { least: 20 },
    )
    judge(
      `training, ${variant}, 1 thread`,
      'TensorFlow.js wasm',
      ratios(wasm, 'TensorFlow.js wasm', 'train', finished, one),
    )
    const gain = fromMedium.flatMap((workload) => {
      const of = (/** @type {number} */ threads) =>
        times(wasm, 'train').find((row) => row.workload === workload && row.threads === threads)
          ?.median
      const [alone, both] = [of(1), of(2)]
      return alone && both ? [{ workload, ratio: alone / both }] : []
    })
    judge(`training, ${variant}, 2 threads`, 'with 1', gain, { least: 1.7 })
  }
  for (const threads of [2, 1]) {
    const shares = measured.flatMap(({ workload, contestant, threads: count, share }) =>
      contestant === native && count === threads && share && fromMedium.includes(workload.name)
        ? [{ workload: workload.name, ...share }]
        : [],
    )
    if (shares.length === 0) continue
    const worst = shares.reduce((a, b) => (b.nominal < a.nominal ? b : a))
    list.push({
      what: `share of the peak, training, ${threads} threads`.replace('1 threads', '1 thread'),
      against: 'the machine',
      target: 'each ≥ 75 %',
      measured: `least ${percent(worst.nominal)}, executed ${percent(worst.executed)} (${worst.workload})`,
      met: worst.nominal >= 0.75,
    })
  }
  judge('whole models, an epoch', 'PyTorch', ratios(native, 'PyTorch*', 'train', models), {
    least: 1.5,
  })
  const memory = (/** @type {string} */ name) =>
    measured.flatMap((row) =>
      row.contestant === name && row.workload.name === 'ptb' ? [row.peakMegabytes] : [],
    )
  if (memory(native).length > 0 && memory('PyTorch').length > 0) {
    const [ours, theirs] = [Math.max(...memory(native)), Math.min(...memory('PyTorch'))]
    list.push({
      what: 'peak memory, ptb',
      against: 'PyTorch',
      target: '≤ 0.6×',
      measured: `${(ours / theirs).toFixed(2)}× (${ours} of ${theirs} MB)`,
      met: ours <= 0.6 * theirs,
    })
  }
  if (bundle) {
    list.push({
      what: 'browser bundle, gzip',
      against: '–',
      target: '≤ 80 kB',
      measured: `${(bundle.gzip / 1000).toFixed(1)} kB`,
      met: bundle.gzip <= 80_000,
    })
  }
  return list
}

/** @typedef {ReturnType<typeof summary>} Summary */

/** Their geometric mean and the least. @param {Ratio[]} ratios */
function summary(ratios) {
  const logs = ratios.reduce((sum, { ratio }) => sum + Math.log(ratio), 0)
  return {
    average: Math.exp(logs / ratios.length),
    worst: ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a)),
  }
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`
