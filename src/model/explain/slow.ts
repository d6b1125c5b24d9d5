/** What keeps a model from running as fast as it could, and what to do about it. */
import { platform } from '#platform'
import { availableBackends } from '../../kernels/backend.ts'
import type { Backend } from '../../kernels/kernels.ts'
import type { LayerWay } from '../ways.ts'

/** A slow path, named with the option that causes it. */
export interface SlowPath {
  /** A layer's path, or 'backend', 'threads', 'batchSize'. */
  readonly where: string
  readonly reason: string
  readonly advice: string
}

/** All slow paths of a model's layers on a backend. */
export function slowPaths(
  backend: Backend,
  layers: readonly LayerWay[],
  batchSize: number,
): SlowPath[] {
  return [...slowBackend(backend), ...slowLayers(layers), ...fewRows(backend, layers, batchSize)]
}

function slowLayers(layers: readonly LayerWay[]): SlowPath[] {
  return layers
    .filter(({ reason }) => reason)
    .map(({ layer, prediction, reason }) =>
      prediction === 'fused'
        ? {
            where: layer,
            reason: `trains step by step; ${reason}`,
            advice: 'recurrentDropout: 0, with dropout on the inputs or a dropout layer instead',
          }
        : {
            where: layer,
            reason: `runs step by step; ${reason}`,
            advice: adviceFor(reason),
          },
    )
}

function adviceFor(reason: string): string {
  if (reason.includes('tanh and relu')) return "activation: 'tanh' or 'relu'"
  if (reason.startsWith('activation')) {
    return 'leave activation and recurrentActivation at their defaults'
  }
  if (reason.startsWith('resetAfter')) {
    return 'resetAfter: true, if the weights need not be those of another program'
  }
  if (reason.startsWith('rnn')) return 'lstm, where it computes the same, is many times faster'
  return 'the plain layer, without the option, is many times faster'
}

/** From so many weights on, threads take columns of a step where rows are few (`threadsForColumns`). */
const columnWeights = 65_536

function fewRows({ threads }: Backend, layers: readonly LayerWay[], batchSize: number): SlowPath[] {
  const byRows = layers.some(
    ({ prediction, parameters }) => prediction === 'fused' && parameters < columnWeights,
  )
  if (!byRows || batchSize >= threads) return []
  return [
    {
      where: 'batchSize',
      reason:
        `${batchSize} of ${threads} threads have a row: in layers of few weights threads share the ` +
        'rows of a batch',
      advice: `a batchSize of at least ${threads}`,
    },
  ]
}

function slowBackend({ name, variant, threads }: Backend): SlowPath[] {
  const backends = availableBackends()
  const fastest = backends.find(({ available }) => available)!
  const native = backends.filter((line) => line.name === 'native')
  const paths: SlowPath[] = []
  const slow = (where: string, reason: string, advice: string) =>
    paths.push({ where, reason, advice })
  const nativeAdvice = native.some(({ available }) => available)
    ? use('native')
    : `the native backend is missing: ${native[0].reason}`
  if (name === 'reference') {
    const advice = fastest.name === 'wasm' ? use('wasm') : nativeAdvice
    slow('backend', 'reference computes with plain loops', advice)
  }
  if (name === 'native' && variant !== fastest.variant) {
    const reason = `${variant} is not the best instruction set of this machine`
    slow('backend', reason, use(`native:${fastest.variant}`))
  }
  if (name === 'wasm' && platform.name === 'node') {
    slow('backend', 'WebAssembly has vectors of only four floats', nativeAdvice)
  }
  if (name === 'wasm' && variant === 'simd128') {
    const relaxed = backends.find((line) => line.variant === 'relaxed')!
    slow(
      'backend',
      'simd128 has no fused multiply-add',
      relaxed.available
        ? `${use('wasm:relaxed')}, unless you need the same bits everywhere`
        : 'relaxed SIMD: Node 22 or newer, or Node 20 with --experimental-wasm-relaxed-simd',
    )
  }
  if (threads < platform.cores && name !== 'reference') {
    const reason = `${threads} of ${platform.cores} processors compute`
    if (name === 'wasm' && !platform.sharesMemory) {
      slow(
        'threads',
        `${reason}: WebAssembly threads need memory that workers share`,
        'serve the page with Cross-Origin-Opener-Policy: same-origin and ' +
          'Cross-Origin-Embedder-Policy: require-corp',
      )
    } else slow('threads', reason, 'raise REFRAIN_THREADS or the option threads')
  }
  return paths
}

/** How to choose a backend; pages have no environment. */
function use(backend: string): string {
  const call = `setBackend('${backend}')`
  return platform.name === 'node' ? `${call} or REFRAIN_BACKEND=${backend}` : call
}
