/** What the pages promise is there: names that they import, and names in README's tables. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as data from '../src/data/index.ts'
import * as library from '../src/index.ts'
import * as tasks from '../src/tasks/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = [
  'README.md',
  ...readdirSync(`${root}docs`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith('api'))
    .map((name) => `docs/${name}`),
]
const entries: Record<string, object> = {
  refrain: library,
  'refrain/tasks': tasks,
  'refrain/data': data,
}

describe.each(pages)('%s', (page) => {
  const text = readFileSync(root + page, 'utf8')
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code)
  const imports = blocks.flatMap((code) => [
    ...code.matchAll(/import \{([^}]*)\} from '(refrain[^']*)'/g),
  ])

  it('imports only what is exported', () => {
    const missing = imports.flatMap(([, names, from]) =>
      names
        .split(',')
        .map((name) => name.trim().split(' as ')[0])
        .filter((name) => name && !name.startsWith('type ') && !(name in (entries[from] ?? {}))),
    )
    expect(missing).toEqual([])
  })
})

describe("README's tables", () => {
  const readme = readFileSync(`${root}README.md`, 'utf8')
  const [, section] = readme.split('## Layers, losses, optimizers')
  const names = [...section.split('\n## ')[0].matchAll(/`([a-zA-Z0-9]+)`/g)].map(([, name]) => name)

  it('name only what is exported', () => {
    // Methods and options.
    const others = ['summary', 'debugNumerics', 'fit', 'stateful', 'resetStates', 'bpttSteps']
    expect(names.length).toBeGreaterThan(100)
    expect(names.filter((name) => !(name in library) && !others.includes(name))).toEqual([])
  })

  it('name every function that is exported', () => {
    const functions = Object.entries(library).filter(
      ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name),
    )
    const missing = functions.map(([name]) => name).filter((name) => !names.includes(name))
    expect(missing).toEqual([])
  })
})
