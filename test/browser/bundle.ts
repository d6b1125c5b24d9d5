/** Bundles for the browser as an application's bundler would: from dist/, by package.json alone. */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Bundle {
  /** The served files by name; the entry is `entry.js`. */
  files: Map<string, Uint8Array>
  /** The source files that went into it, relative to the root. */
  inputs: string[]
  /** What the bundler left as imports of something outside the bundle. */
  external: string[]
  /** Bytes of all files, and of all files compressed each by itself. */
  size: number
  gzip: number
}

/** What the budget of bytes is for: a model that is trained and used, with its kernels. */
export const smallProgram = {
  text: `import { adam, dense, embedding, lstm, sequential } from 'refrain'
const model = sequential([
  embedding({ inputDim: 1000, outputDim: 16 }),
  lstm({ units: 32 }),
  dense({ units: 1, activation: 'sigmoid' }),
])
model.compile({ optimizer: adam(), loss: 'binaryCrossentropy' })
globalThis.trained = model.fit(x, y).then(() => model.predict(x))`,
}

/** Bundles a file (by `path` from the root) or a source text. */
export async function bundleForBrowser(
  source: { path: string } | { text: string },
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...('path' in source
      ? { entryPoints: { entry: source.path } }
      : { stdin: { contents: source.text, resolveDir: root, sourcefile: 'entry.js' } }),
    entryNames: 'entry',
    absWorkingDir: root,
    outdir: '.build/browser',
    write: false,
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    tsconfigRaw: {}, // else esbuild follows the paths of tsconfig.json to src/ and Node's platform
    logLevel: 'silent',
  })
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports)
  return {
    files,
    inputs: Object.keys(metafile.inputs),
    external: imports.filter(({ external }) => external).map(({ path }) => path),
    size: outputFiles.reduce((sum, { contents }) => sum + contents.length, 0),
    gzip: outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0),
  }
}
