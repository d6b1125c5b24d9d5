/**
 * Bundles for the browser as an application's bundler would: from dist/, by package.json alone. For files that stand
 * alone, for the tests in a browser and for the size that `npm run size` and `npm run bench speed` report.
 *
 * @typedef {object} Bundle
 * @property {Map<string, Uint8Array>} files the served files by name; the entry is `entry.js`
 * @property {string[]} inputs the source files that went into it, relative to the root
 * @property {string[]} external what the bundler left as imports of something outside the bundle
 * @property {number} size bytes of all files
 * @property {number} gzip bytes of all files, each compressed by itself
 */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

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

/** How every bundle for the browser is made. */
const forBrowser = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  platform: 'browser',
  target: 'es2022',
  tsconfigRaw: {}, // else esbuild follows the paths of tsconfig.json to src/ and Node's platform
  logLevel: 'silent',
}

/**
 * Bundles what a file of `refrain convert m.refrain page.html` or `m.mjs` runs, each into one script, which defines the
 * global `refrain`.
 */
export async function bundlePages() {
  await build({
    ...forBrowser,
    entryPoints: {
      page: 'dist/page/plain.js',
      tunes: 'dist/page/tunes.js',
      module: 'dist/page/predictor.js',
    },
    outdir: 'dist/page/bundles',
    format: 'iife',
    globalName: 'refrain',
    legalComments: 'none',
    lineLimit: 160, // Node prints the line of an error, whole
  })
}

/**
 * Bundles a file (by `path` from the root) or a source text.
 *
 * @param {{ path: string } | { text: string }} source @returns {Promise<Bundle>}
 */
export async function bundleForBrowser(source) {
  const { outputFiles, metafile } = await build({
    ...forBrowser,
    ...('path' in source
      ? { entryPoints: { entry: source.path } }
      : { stdin: { contents: source.text, resolveDir: root, sourcefile: 'entry.js' } }),
    entryNames: 'entry',
    outdir: '.build/browser',
    write: false,
    splitting: true,
    metafile: true,
    format: 'esm',
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
