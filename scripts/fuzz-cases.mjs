/**
 * Damaged model files: fixtures, changed at random as a careless copy or an attacker would. A case is made from its
 * number alone, so that it can be had again.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync, zipSync } from 'fflate'

const fixtures = fileURLToPath(new URL('../test/fixtures/', import.meta.url))

/**
 * @typedef {object} Seedling a file that is whole
 * @property {string} name below test/fixtures
 * @property {Uint8Array} bytes
 * @property {object} options of `loadModel`
 */

/** What PyTorch's fixtures compute. @type {Record<string, object[]>} */
const architectures = {
  last: [{ module: 'gru', returnSequences: true }, 'rnn', 'fc'],
}

/** The committed files of other programs, and whole models given besides. @returns {Seedling[]} */
export function seedlings() {
  const folders = [
    'keras/files',
    'keras/written',
    'keras/stores',
    'keras/older',
    'pytorch/files',
    'onnx',
  ]
  return folders.flatMap((folder) =>
    readdirSync(fixtures + folder)
      .filter(
        (name) => /\.(keras|h5|pt|safetensors|onnx)$/.test(name) && !/weights\.h5$/.test(name),
      )
      .map((name) => {
        const architecture = architectures[name.replace(/[-.].*$/, '')]
        return {
          name: `${folder}/${name}`,
          bytes: new Uint8Array(readFileSync(`${fixtures}${folder}/${name}`)),
          options: folder.startsWith('pytorch') && architecture ? { architecture } : {},
        }
      }),
  )
}

/**
 * Files that Refrain writes itself, made in a folder where what they name lies beside them.
 *
 * @param {{ save(path: string): Promise<void> }} model @param {string} folder @returns {Promise<Seedling[]>}
 */
export async function ownSeedlings(model, folder) {
  const names = ['own.refrain', 'own.json', 'own.safetensors', 'own.onnx']
  const made = []
  for (const name of names) {
    await model.save(join(folder, name))
    made.push({ name, bytes: new Uint8Array(readFileSync(join(folder, name))), options: {} })
  }
  return made
}

/** Uniform numbers from 0 to below 1 (mulberry32). @param {number} seed */
function generator(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that lengths and offsets are made of. */
const extremes = [0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe]

/** The file of case `number`. @param {Seedling} seedling @param {number} number */
export function damaged({ name, bytes }, number) {
  const random = generator(number * 2654435761 + name.length)
  const below = (/** @type {number} */ n) => Math.floor(random() * n)
  if (random() < 0.4 && bytes[0] === 0x50 && bytes[1] === 0x4b) {
    const files = unzipSync(bytes)
    const names = Object.keys(files)
    const one = names[below(names.length)]
    const text = one.endsWith('.json') && random() < 0.8
    files[one] = text ? damagedJson(files[one], random) : damagedBytes(files[one], random)
    return zipSync(files, { level: random() < 0.5 ? 0 : 6 })
  }
  if (name.endsWith('.json')) return damagedJson(bytes, random)
  return damagedBytes(bytes, random)
}

/** @param {Uint8Array} bytes @param {() => number} random */
function damagedBytes(bytes, random) {
  const below = (/** @type {number} */ n) => Math.floor(random() * n)
  const copy = bytes.slice()
  if (copy.length === 0) return copy
  // Headers stand in front and, in archives, at the end.
  const place = () => {
    const where = random()
    if (where < 0.4) return below(Math.min(copy.length, 512))
    return where < 0.5 ? copy.length - 1 - below(Math.min(copy.length, 256)) : below(copy.length)
  }
  switch (below(5)) {
    case 0:
      return copy.slice(0, below(copy.length))
    case 1:
      for (let i = 0, n = 1 + below(8); i < n; i++) copy[place()] ^= 1 << below(8)
      return copy
    case 2: {
      const at = place()
      copy.fill(extremes[below(extremes.length)], at, at + [1, 2, 4, 8][below(4)])
      return copy
    }
    case 3: {
      const from = below(copy.length)
      copy.copyWithin(place(), from, from + 1 + below(64))
      return copy
    }
    default: {
      const at = place()
      const more = copy.slice(at, at + 1 + below(256))
      return Uint8Array.from([...copy.subarray(0, at), ...more, ...copy.subarray(at)])
    }
  }
}

/** Values that no configuration expects. */
const strange = [
  null,
  true,
  -1,
  0,
  1e308,
  0.5,
  '',
  'x',
  [],
  {},
  [[]],
  2 ** 53,
  '__proto__',
  [null, 1e9, 1e9],
]

/** A value of the JSON text replaced by another, twice at most. @param {Uint8Array} bytes @param {() => number} random */
function damagedJson(bytes, random) {
  const below = (/** @type {number} */ n) => Math.floor(random() * n)
  const value = JSON.parse(new TextDecoder().decode(bytes))
  /** @type {[Record<string, unknown>, string][]} */
  const places = []
  /** @param {unknown} one */
  const walk = (one) => {
    if (typeof one !== 'object' || one === null) return
    for (const key of Object.keys(one)) {
      places.push([/** @type {Record<string, unknown>} */ (one), key])
      walk(/** @type {Record<string, unknown>} */ (one)[key])
    }
  }
  walk(value)
  for (let i = 0; i <= below(2) && places.length > 0; i++) {
    const [owner, key] = places[below(places.length)]
    const what = random()
    if (what < 0.2) delete owner[key]
    else if (what < 0.4) owner[key] = nested(below(2) ? 100 : 20_000)
    else owner[key] = strange[below(strange.length)]
  }
  return new TextEncoder().encode(write(value))
}

/** A list in a list in a list. @param {number} depth */
function nested(depth) {
  let value = /** @type {unknown} */ (1)
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

/** As JSON.stringify, which itself ends at some depth. @param {unknown} value */
function write(value) {
  try {
    return JSON.stringify(value)
  } catch {
    return `${'['.repeat(20_000)}1${']'.repeat(20_000)}`
  }
}
