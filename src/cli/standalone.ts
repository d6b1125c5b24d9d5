/**
 * Models in one file that stands alone: a page that predicts offline, and a module with one function. Each is a bundle
 * that `npm run build` made of `src/page/`, and the bytes of a `.refrain` file in base64.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { RefrainError } from '../errors.ts'
import { count, plural } from './io.ts'

/** Endings of names of files that stand alone. */
export const standaloneEndings = ['html', 'mjs']

/** dist/page/bundles/, seen from src/cli/ and from dist/cli/ alike. */
const bundles = fileURLToPath(new URL('../../dist/page/bundles/', import.meta.url))

/** What goes into a file that stands alone. */
export interface Standalone {
  /** The bytes of the model's `.refrain` file. */
  readonly bytes: Uint8Array
  /** What the page is called. */
  readonly name: string
  /** The field `task` of its encoders; null for none. */
  readonly task: string | null
  readonly parameters: number
  /** Whether it writes tunes in ABC. */
  readonly abc: boolean
}

/** The bytes of a page or a module, by the target's ending. */
export async function encodeStandalone(model: Standalone, target: string): Promise<Uint8Array> {
  const isPage = target.endsWith('.html')
  const page = model.abc ? 'tunes.js' : 'page.js'
  const engine = await readBundle(isPage ? page : 'module.js')
  return new TextEncoder().encode(isPage ? pageOf(model, engine) : moduleOf(model, engine))
}

/** The bytes of the `.refrain` file inside a file that `encodeStandalone` made. Throws `BAD_FILE`. */
export function modelInside(bytes: Uint8Array, path: string): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const found = /(?:id="model">|^const model =\n {2}')([\w+/=]+)/m.exec(text)
  if (!found) {
    throw new RefrainError('BAD_FILE', `${path}: expected a file by refrain convert, got another`)
  }
  return Buffer.from(found[1], 'base64')
}

async function readBundle(name: string): Promise<string> {
  try {
    return (await readFile(bundles + name, 'utf8')).trimEnd()
  } catch (cause) {
    throw new RefrainError(
      'FILE_NOT_FOUND',
      `cannot read ${bundles}${name}, which files that stand alone are made of`,
      'npm run build makes it',
      { cause },
    )
  }
}

const base64 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

const escaped = (text: string) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)

/** A program as it may stand between script tags: what would end or change them is written otherwise. */
const inPage = (program: string) =>
  program.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--')

function pageOf({ bytes, name, task, parameters }: Standalone, engine: string): string {
  const title = escaped(name)
  const about = `${task === null ? 'A model' : `A model of the task ${escaped(task)}`}, ${plural(parameters, 'weight')}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="Refrain">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
${style}
</style>
</head>
<body>
<header><h1>${title}</h1><p class="note">${about}</p></header>
<main></main>
<footer class="note">Model and program are inside this page (${count(bytes.length)} bytes of model): it works offline, and nothing that you enter leaves it.</footer>
<script type="text/plain" id="model">${base64(bytes)}</script>
<script>
${inPage(engine)}
</script>
</body>
</html>
`
}

const style = `:root { color-scheme: light dark; --accent: #2456c5; --for: #2ca25f; --against: #de3c4b; --line: #8886 }
@media (prefers-color-scheme: dark) { :root { --accent: #8ab0ff } }
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere }
.note { opacity: .75; font-size: .875rem; margin: .25rem 0 }
footer { margin-top: 2rem !important; border-top: 1px solid var(--line); padding-top: .75rem }
form { margin: 1.25rem 0 }
label { display: block; margin-bottom: .75rem; flex: 1 1 12rem }
label span { display: block; font-size: .875rem; margin-bottom: .25rem; overflow-wrap: anywhere }
textarea, input { font: inherit; width: 100%; padding: .5rem .6rem; border: 1px solid var(--line); border-radius: .4rem; background: Field; color: FieldText }
textarea { resize: vertical }
button, .button { font: inherit; display: inline-block; padding: .5rem 1.1rem; border: 1px solid var(--accent); border-radius: .4rem; background: var(--accent); color: Canvas; text-decoration: none; cursor: pointer }
.button { background: none; color: var(--accent) }
button:disabled { opacity: .5; cursor: progress }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end }
output { display: block; min-height: 4rem; overflow-wrap: anywhere }
pre { white-space: pre-wrap; font: inherit }
pre:not(.text) { font-family: ui-monospace, monospace; font-size: .875rem }
.answer { font-size: 1.25rem }
.bars { list-style: none; padding: 0; margin: 0 }
.bars li { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; margin-bottom: .5rem }
.bars b { font-weight: 600; font-variant-numeric: tabular-nums }
.bars i { flex: none; height: .4rem; min-width: 1px; border-radius: .2rem; background: var(--accent) }
.bars li::after { content: ''; flex: 1 0 100%; order: 1 }
.bars i { order: 2 }
.words span { border-radius: .2rem; padding: 0 .1rem }
.tags { font-size: 1.125rem; line-height: 2.2 }
mark { color: inherit; background: color-mix(in srgb, var(--accent) 20%, transparent); border-radius: .25rem; padding: .1rem .25rem }
mark small { color: var(--accent); font-weight: 600; margin-left: .35rem }
.error { color: var(--against); border-left: 3px solid; padding-left: .75rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left }
figure { margin: 0 0 1rem }
figcaption { font-size: .875rem }
svg { width: 100%; height: auto; font-size: 11px; fill: currentColor }
polyline { fill: none; stroke: currentColor; stroke-width: 1.5 }
.ahead { stroke: var(--accent); stroke-width: 2.5 }
.band { fill: var(--accent); opacity: .2 }`

/** What goes in and comes out, by task, for the comment above \`predict\`. */
const signatures: Readonly<Record<string, readonly [input: string, output: string]>> = {
  classify: [
    '{string | string[]} input a text, or texts',
    '{Promise<object>} label, probability, probabilities and labels; for texts a list of these',
  ],
  'classify-series': [
    '{number[][][]} input series: [series, steps, features]',
    '{Promise<object[]>} of each: label, probability, probabilities and labels',
  ],
  'classify-audio': [
    '{object[]} input sounds: { samples: Float32Array, sampleRate: number }',
    '{Promise<object[]>} of each: label, probability, probabilities and labels',
  ],
  'classify-video': [
    '{object[]} input clips',
    '{Promise<object[]>} of each: label, probability, probabilities and labels',
  ],
  tag: [
    '{string | (string | string[])[]} input a sentence, or sentences: texts, or lists of words',
    '{Promise<object>} text, tokens, offsets, tags, scores and spans; for sentences a list of these',
  ],
  translate: [
    '{string | string[]} input a text, or texts',
    '{Promise<object>} text and score; for texts a list of these',
  ],
  generate: [
    '{string} [input] text to go on from; of music nothing',
    '{Promise<string | object>} the text, or the piece: { notes, stepsPerBeat, tempo, title }',
  ],
  forecast: [
    '{object | object[]} input a series: { values, times?, past?, known? }, or series',
    '{Promise<object>} id, times, values and quantiles; for series a list of these',
  ],
  regress: ['{number[][]} input rows of numbers', '{Promise<number[][]>} of each row its targets'],
}

function moduleOf({ bytes, name, task, parameters }: Standalone, engine: string): string {
  const [input, output] = signatures[task ?? ''] ?? [
    '{any} input numbers, nested as the model takes them; of several inputs a list of these',
    '{Promise<any>} numbers, nested',
  ]
  const title = name.replace(/\s+/g, ' ')
  return `// ${title}: a model of ${plural(parameters, 'weight')}, and Refrain, which runs it; no other file is needed.
// import { predict } from './${title}.mjs', in Node, a browser or a worker.
${engine}
const model =
  '${base64(bytes)}'
let opened
/**
 * What the model answers. Rejects with an error that names the input that does not fit.
 *
 * @param ${input}
 * @param {object} [options] those of the task's \`predict\`, or of models that write: temperature, length, seed
 * @returns ${output}
 */
export async function predict(input, options) {
  opened ??= refrain.openBase64(model, ${JSON.stringify(name)})
  return refrain.predict(opened, input, options)
}
export default predict
`
}
