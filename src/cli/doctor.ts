/** `refrain doctor`: what this machine computes with, what is missing and how to get it. */
import type { Command } from 'commander'
import { platform } from '#platform'
import { availableBackends, type BackendInfo, defaultBackend } from '../kernels/backend.ts'
import { type Io, Printer, plural, table } from './io.ts'
import { addCommon } from './options.ts'

/** Adds `doctor`. */
export function addDoctor(program: Command, io: Io): void {
  const command = program
    .command('doctor')
    .description('show the backend, instruction set and threads, and what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
REFRAIN_BACKEND chooses another backend: native, wasm, reference, or one of them with its
instruction set, such as wasm:simd128. REFRAIN_THREADS is the number of threads, by default one for
each processor.

Examples:
  $ refrain doctor
  $ REFRAIN_BACKEND=wasm refrain doctor`,
    )
    .action((options: { json?: boolean }) => doctor(options, io))
  addCommon(command)
}

async function doctor(options: { json?: boolean }, io: Io): Promise<void> {
  const { version } = await import('./run.ts')
  const backend = defaultBackend()
  const backends = availableBackends()
  const forced = platform.env('REFRAIN_BACKEND')
  const inUse = `${backend.name}:${backend.variant}`
  const advice = adviceOn(backends)
  const system = `Node ${process.versions.node}, ${process.platform} ${process.arch}`
  const lines = [
    `Refrain ${version}, ${system}, ${plural(platform.cores, 'processor')}`,
    `Computes with ${inUse}, ${plural(backend.threads, 'thread')}` +
      `${forced ? `, because REFRAIN_BACKEND is '${forced}'` : ''}`,
    '',
    table(
      backends.map(({ name, variant, available, reason }) => {
        const own = `${name}:${variant}`
        return [`  ${own}`, own === inUse ? 'in use' : available ? 'works' : (reason ?? '')]
      }),
      false,
    ),
    '',
    ...(advice.length > 0 ? advice : ['Nothing is missing.']),
  ]
  new Printer(io, options).print(lines.join('\n'), {
    version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    processors: platform.cores,
    backend: backend.name,
    variant: backend.variant,
    threads: backend.threads,
    backends,
    advice,
  })
}

function adviceOn(backends: readonly BackendInfo[]): string[] {
  const has = (name: string) => backends.some((line) => line.name === name && line.available)
  const advice: string[] = []
  if (!has('native')) {
    advice.push(
      'The native backend, the fastest one, is missing. With a C++ compiler (Debian: apt install ' +
        "g++ make python3; macOS: xcode-select --install; Windows: Visual Studio's C++ tools), " +
        'npm rebuild refrain builds it (in a clone of the repository: npm run build).',
    )
  }
  if (!has('native') && !has('wasm')) {
    advice.push('WebAssembly with SIMD is missing, too: update Node to 20.19 or newer.')
  }
  return advice
}
