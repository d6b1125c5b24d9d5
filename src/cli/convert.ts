/** `refrain convert`: a model in another format. */
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Command, Option } from 'commander'
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { type ForeignOptions, readForeign } from '../formats/foreign.ts'
import { isObject } from '../formats/json.ts'
import { loadModel } from '../formats/load.ts'
import { sniff } from '../formats/sniff.ts'
import { describeTorch } from '../formats/torch/write.ts'
import {
  type Comparison,
  compareModels,
  difference,
  differing,
  inputCases,
  isOutput,
  observe,
  tolerance,
} from '../formats/verify.ts'
import { type Encoded, encodeForeign, writtenEndings } from '../formats/write.ts'
import { createBackend } from '../kernels/backend.ts'
import { type AnyModel, encodeModel } from '../model/file.ts'
import { decodeModel, type LoadedFile, loadFile } from '../model/load.ts'
import type { Model, SaveOptions } from '../model/model.ts'
import { formatNumber } from '../train/progress.ts'
import { count, type Io, Printer, plural, table } from './io.ts'
import { findModel, taskOf } from './model.ts'
import { addCommon, modelHelp, wholeNumber } from './options.ts'
import { type OtherModel, otherPrograms } from './other-programs.ts'
import { encodeStandalone, modelInside, standaloneEndings } from './standalone.ts'

interface Options {
  verify?: boolean
  architecture?: string
  customLayers?: string
  float16?: boolean
  int8?: boolean
  examples?: string[]
  batchSize?: number
  json?: boolean
}

/** Adds `convert`. */
export function addConvert(program: Command, io: Io): void {
  const command = program
    .command('convert')
    .description('write a model in another format, and prove that it computes the same')
    .argument('<model>', `${modelHelp}; or .keras, .h5, .pt, .pth, .safetensors, .onnx, model.json`)
    .argument(
      '<target>',
      `a file that ends in ${[...writtenEndings, ...standaloneEndings].map((one) => `.${one}`).join(', ')}`,
    )
    .option('--verify', 'compare both models, layer by layer, on random and padded inputs')
    .option('--float16', 'of .refrain, .html and .mjs: weights in half precision')
    .addOption(
      new Option('--int8', 'of .refrain, .html and .mjs: weights in 8 bits').conflicts('float16'),
    )
    .option(
      '--examples <files...>',
      'of .refrain, .html and .mjs: what refrain evaluate says on these files, before and after',
    )
    .option(
      '--batch-size <n>',
      'of .keras, .h5 and model.json: rows of each batch, which stateful layers need there',
      wholeNumber(1),
    )
    .option(
      '--architecture <json>',
      "of PyTorch's files: the modules in order, as JSON or a file with it; without it they are listed",
    )
    .option(
      '--custom-layers <file.mjs>',
      'a module that exports layers and functions by the names that the file has for them',
    )
    .addOption(new Option('--json', 'print one JSON object'))
    .addHelpText(
      'after',
      `
What the target cannot hold is listed, all of it, and nothing is written. With --verify nothing is written either where
a layer's output differs by more than ${tolerance} of its size, in double precision.

Half precision and 8 bits round weights, so that differences are shown but not refused; --examples says what they
do to what the model is for. Without either, what was in half precision or 8 bits stays so.

An .html is a page, and an .mjs a module with one function, predict, that hold model and program and need no other file
and no network.

Examples:
  $ refrain convert model.keras model.refrain --verify
  $ refrain convert reviews.refrain reviews.keras
  $ refrain convert model.h5 web/model.json
  $ refrain convert reviews.refrain reviews.onnx --verify
  $ refrain convert reviews.refrain small.refrain --int8 --examples test.csv
  $ refrain convert reviews.refrain reviews.html        to open in a browser, or send to somebody
  $ refrain convert reviews.refrain reviews.mjs         import { predict } from './reviews.mjs'
  $ refrain convert tagger.refrain tagger.safetensors   for PyTorch, with tagger.py
  $ refrain convert tagger.pt tagger.refrain --architecture '["emb", {"module": "rnn", "returnSequences": true}, "fc"]'
  $ refrain convert model.h5 model.refrain --custom-layers layers.mjs`,
    )
    .action((model: string, target: string, options: Options) =>
      convert(model, target, options, io),
    )
  addCommon(command)
}

async function convert(source: string, target: string, options: Options, io: Io): Promise<void> {
  const path = await findModel(source)
  const { architecture, customLayers } = options
  const given: ForeignOptions = {
    ...(architecture && { architecture: await readArchitecture(architecture) }),
    ...(customLayers && { customLayers: await importLayers(customLayers) }),
  }
  const file = path.endsWith('.refrain') ? await loadFile(path, given) : null
  const model = file?.model ?? (await loadModel(path, given))
  const dtype = options.int8 ? 'int8' : options.float16 ? 'float16' : compactOf(file, target)
  const { batchSize } = options
  const extras = { dtype, batchSize, training: file?.training ?? undefined }
  const evaluated = options.examples
    ? await evaluateBoth(file, path, target, extras, options.examples)
    : null
  const { files, notes: remarks } = await encode(model, target, extras)
  const verified = options.verify ? await verify(path, files, target, given, remarks, dtype) : null
  const sizes = dtype
    ? { before: (await stat(path)).size, after: modelIn(files, target).length }
    : null
  const code = target.replace(/\.safetensors$/, '.py')
  if (code !== target && !existsSync(code)) {
    files.set(code, new TextEncoder().encode(describeTorch(model as AnyModel)))
  }
  // What the first file names must be there when it is.
  const written = [...files]
  for (const [name, bytes] of [...written].reverse()) await platform.writeFile(name, bytes)
  const notes = [...remarks, ...notesOn(model, target)]
  const parameters = model.parameters.parameters.reduce((sum, { size }) => sum + size, 0)
  new Printer(io, options).print(
    [
      ...(verified ? [describe(verified, dtype)] : []),
      ...(evaluated ? [compared(evaluated)] : []),
      ...written.map(([name, { length }]) => `Wrote ${name}: ${count(length)} bytes`),
      ...(sizes
        ? [`Model in ${dtype}: ${count(sizes.after)} bytes; ${path}: ${count(sizes.before)}`]
        : []),
      `${plural(model.layers.length, 'layer')}, ${plural(parameters, 'parameter')}`,
      ...notes,
    ].join('\n'),
    {
      files: written.map(([name, { length }]) => ({ path: name, bytes: length })),
      layers: model.layers.length,
      parameters,
      notes,
      verified,
      ...(sizes && { dtype, sizes }),
      ...(evaluated && { examples: evaluated }),
    },
  )
}

/** The target's files in memory. */
async function encode(model: Model, target: string, extras: SaveOptions): Promise<Encoded> {
  if (isOwn(target)) {
    const alone = isStandalone(target)
    const own = encodeModel(model as AnyModel, extras, null)
    const bytes = alone
      ? await encodeStandalone({ ...about(model, target, extras), bytes: own }, target)
      : own
    return { files: new Map([[target, bytes]]), notes: [] }
  }
  if (extras.dtype) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--${extras.dtype} is of .refrain, .html and .mjs files, got ${show(target)}`,
    )
  }
  return encodeForeign(model as AnyModel, target, extras)
}

const isStandalone = (target: string) =>
  standaloneEndings.some((ending) => target.endsWith(`.${ending}`))

/** Whether the target holds a `.refrain` file. */
const isOwn = (target: string) => target.endsWith('.refrain') || isStandalone(target)

/** What weights are written as if nothing is said: as they are, where the target can. */
function compactOf(file: LoadedFile | null, target: string): SaveOptions['dtype'] {
  if (!isOwn(target)) return undefined
  return file?.dtype === 'I8' ? 'int8' : file?.dtype === 'F16' ? 'float16' : undefined
}

/** The bytes of the `.refrain` file in what is written. */
function modelIn(files: ReadonlyMap<string, Uint8Array>, target: string): Uint8Array {
  const bytes = files.get(target)!
  return isStandalone(target) ? modelInside(bytes, target) : bytes
}

/** What `refrain evaluate` says in numbers, of the source and of the target. */
type Evaluated = Readonly<Record<'before' | 'after', Readonly<Record<string, unknown>>>>

async function evaluateBoth(
  file: LoadedFile | null,
  path: string,
  target: string,
  extras: SaveOptions,
  files: string[],
): Promise<Evaluated> {
  const task = file && taskOf(file)
  if (!file || !task?.evaluate || !isOwn(target)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--examples: expected a model of refrain train that becomes a .refrain, .html or .mjs file, ` +
        `got ${path} and ${target}`,
      'Leave it out, and compare predictions of your own',
    )
  }
  const evaluate = async (one: LoadedFile, name: string) => {
    const { training } = file
    const trained = task.fromFile(one, name)
    return (await task.evaluate!.run({ trained, training, files, options: {} })).json
  }
  const written = decodeModel(encodeModel(file.model as AnyModel, extras, null), target)
  return {
    before: { ...(await evaluate(file, path)) },
    after: { ...(await evaluate(written, target)) },
  }
}

/** The numbers of two evaluations under each other. */
function compared({ before, after }: Evaluated): string {
  const rows = (from: object, to: object, prefix = ''): string[][] =>
    Object.entries(from).flatMap(([name, value]) => {
      const other = (to as Record<string, unknown>)[name]
      if (isObject(value) && isObject(other)) return rows(value, other, `${prefix}${name} `)
      if (typeof value !== 'number' || typeof other !== 'number') return []
      return [[prefix + name, ...[value, other, other - value].map(formatNumber)]]
    })
  return table([['on the examples', 'before', 'after', 'difference'], ...rows(before, after)])
}

/** What a file that stands alone says of its model. */
function about(model: Model, target: string, { training }: SaveOptions) {
  const task = (model.encoders as { task?: unknown } | null)?.task
  return {
    name: basename(target).replace(/\.\w+$/, ''),
    task: typeof task === 'string' ? task : null,
    parameters: model.parameters.parameters.reduce((sum, { size }) => sum + size, 0),
    abc: training?.format === 'abc',
  }
}

/** What --verify found. */
interface Verified extends Comparison {
  /** The program that ran the written file, and how far its outputs were; null if none did. */
  readonly elsewhere: {
    readonly program: string
    readonly absolute: number
    readonly relative: number
  } | null
  /** Why no other program ran, or ''. */
  readonly note: string
}

/** Compares what was read with what was written, both in float64: rounding would hide what is wrong, or seem to be. */
async function verify(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  target: string,
  given: ForeignOptions,
  remarks: readonly string[],
  dtype: SaveOptions['dtype'],
): Promise<Verified> {
  const refuse = (where: string, absolute: number) =>
    new RefrainError(
      'BAD_FILE',
      `${target}: would compute something else than ${path} ${where}, by up to ${formatNumber(absolute)}`,
      ['Nothing was written', ...remarks].join('. '),
    )
  const own = { customLayers: given.customLayers, backend: createBackend('reference:float64') }
  const original = (await loadModel(path, { ...given, backend: own.backend })) as AnyModel
  // Lengths of ONNX count from the first step, of which a note tells.
  const inFront = !target.endsWith('.onnx')
  const other = otherPrograms[target.slice(target.lastIndexOf('.') + 1)]
  const opened = other ? await other.open(files, target) : null
  const written = await readBack(files, target, own, opened !== null)
  const comparison = written
    ? compareModels(original, written, 0, inFront)
    : { layers: [], inputs: inputCases(original, 0, inFront).map(({ name }) => name) }
  // Rounded weights are meant to differ, but never to give what is no number.
  const wrong = dtype
    ? comparison.layers.filter(({ absolute }) => !Number.isFinite(absolute))
    : differing(comparison)
  if (wrong.length > 0) {
    const [{ layer, absolute }] = wrong
    throw refuse(`in ${plural(wrong.length, 'layer')}, first in '${layer}'`, absolute)
  }
  if (!opened) {
    const note = other
      ? `${other.name} is not installed here (npm install ${other.packages}): not run`
      : ''
    return { ...comparison, elsewhere: null, note }
  }
  const single = (await loadModel(path, given)) as AnyModel
  const elsewhere = await compareElsewhere(original, single, opened, inFront)
  if (!(elsewhere.relative <= elsewhere.limit)) {
    throw refuse(`in ${opened.program}`, elsewhere.absolute)
  }
  return { ...comparison, elsewhere: { program: opened.program, ...elsewhere }, note: '' }
}

/** The written model; null where its format has more than is read, and another program can say what it computes. */
async function readBack(
  files: ReadonlyMap<string, Uint8Array>,
  target: string,
  own: ForeignOptions,
  isOpened: boolean,
): Promise<AnyModel | null> {
  const bytes = files.get(target)!
  try {
    const written = isOwn(target)
      ? decodeModel(modelIn(files, target), target, own).model
      : await readForeign(bytes, target, sniff(bytes), own, async (name) => files.get(name)!)
    return written as AnyModel
  } catch (error) {
    if (!(error instanceof RefrainError) || error.code !== 'UNSUPPORTED') throw error
    if (isOpened) return null
    throw new RefrainError(
      'UNSUPPORTED',
      `${target}: cannot be verified by reading it back: ${error.message}`,
      `Nothing was written. Install ${otherPrograms.onnx.packages} here, which then runs it, or leave --verify out`,
      { cause: error },
    )
  }
}

/**
 * How far another program's outputs are from the model's. It computes in float32, so that it may be as far as the
 * model in float32 is, which in chaotic models is far, and a little more.
 */
async function compareElsewhere(
  exact: AnyModel,
  single: AnyModel,
  other: OtherModel,
  inFront: boolean,
) {
  let worst = { absolute: 0, relative: 0, limit: tolerance }
  for (const { inputs } of inputCases(exact, 0, inFront)) {
    const outputs = [...observe(exact, inputs)].filter(([name]) => isOutput(name))
    const rounded = observe(single, inputs)
    const found = await other.predict(inputs)
    outputs.forEach(([name, expected], i) => {
      const { absolute, relative } = difference(expected, found[i])
      const own = difference(expected, rounded.get(name)!.values)
      worst = {
        absolute: Math.max(worst.absolute, absolute),
        relative: Math.max(worst.relative, relative),
        limit: Math.max(worst.limit, tolerance + 4 * own.relative),
      }
    })
  }
  return worst
}

function describe(
  { layers, inputs, elsewhere, note }: Verified,
  dtype: SaveOptions['dtype'],
): string {
  const digits = (value: number) => (value === 0 ? '0' : value.toExponential(1))
  const rows = elsewhere
    ? [...layers, { layer: `output of ${elsewhere.program}`, ...elsewhere }]
    : layers
  return [
    table([
      ['layer', 'largest difference', 'relative'],
      ...rows.map(({ layer, absolute, relative }) => [layer, digits(absolute), digits(relative)]),
    ]),
    dtype
      ? `Differs by what ${dtype} rounds, on ${inputs.join('; ')}`
      : `Computes the same (within ${tolerance}) on ${inputs.join('; ')}`,
    ...(note ? [note] : []),
  ].join('\n')
}

function notesOn(model: Model, target: string): string[] {
  if (/\.(refrain|safetensors|html|mjs)$/.test(target) || model.encoders === null) return []
  return [
    'Vocabulary, labels and scales stay behind: such files hold layers alone; ' +
      'refrain inspect --json prints them',
  ]
}

/** The value of --architecture: JSON, or a file with it. */
async function readArchitecture(text: string): Promise<ForeignOptions['architecture']> {
  const json = text.trimStart().startsWith('[')
    ? text
    : await readFile(text, 'utf8').catch(() => text)
  try {
    const value = JSON.parse(json)
    if (Array.isArray(value)) return value
  } catch {
    // Said below.
  }
  throw new RefrainError(
    'BAD_ARGUMENT',
    `--architecture: expected a JSON list of steps, or a file with one, got ${show(text)}`,
    `such as '["emb", {"module": "rnn", "returnSequences": true}, "fc"]'`,
  )
}

/** What the module of --custom-layers exports. */
async function importLayers(path: string): Promise<ForeignOptions['customLayers']> {
  try {
    const found = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>
    return { ...found, ...(found.default as object) } as ForeignOptions['customLayers']
  } catch (error) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--custom-layers: ${path} cannot be imported: ${(error as Error).message.split('\n')[0]}`,
      'expected an ES module that exports functions, such as export const reverse = (x) => …',
      { cause: error },
    )
  }
}
