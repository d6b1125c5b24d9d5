import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { Workplace } from '../../test/cli/harness.ts'
import * as classify from '../tasks/classify/index.ts'
import { findModel } from './model.ts'

const { at, file, prints, failure, remove } = new Workplace()
afterAll(remove)

test('a bare name is a file, or else a model that comes with Refrain', async () => {
  mkdirSync(at('models'))
  for (const name of ['tunes', 'ner']) file(`models/${name}.refrain`, '')
  file('models/ner.md', '')
  const find = (name: string) => findModel(name, at('models/'))
  const message = (name: string) => find(name).catch(({ message }) => message)
  expect(await find('ner')).toBe(at('models/ner.refrain'))
  // A file, even without the ending; a path is never a model's name.
  expect(await find('package.json')).toBe('package.json')
  expect(await find('./ner')).toBe('./ner')
  expect(await find('ner.refrain')).toBe('ner.refrain')
  const none = 'there is no such file, and no model of this name comes with Refrain'
  expect(await message('tune')).toBe(`'tune': ${none} (ner, tunes do); did you mean 'tunes'?`)
  expect(await message('constructor')).toBe(
    `'constructor': ${none} (ner, tunes do). Name a .refrain file; refrain train makes one`,
  )
  expect(await findModel('x', at('nowhere/')).catch(({ message }) => message)).toBe(
    `'x': ${none}. Name a .refrain file; refrain train makes one`,
  )
})

test('every verb on a model takes such a name', async () => {
  const folder = fileURLToPath(new URL('../../models/', import.meta.url))
  const fresh = !existsSync(folder)
  const name = `test-${process.pid}`
  mkdirSync(folder, { recursive: true })
  try {
    const texts = ['a fine film', 'a dull film', 'fine', 'dull']
    const labels = ['good', 'bad', 'good', 'bad']
    const size = { units: 2, embedding: 2, epochs: 1, validation: 0 }
    await (await classify.train({ texts, labels }, size)).save(`${folder}${name}.refrain`)
    expect(await prints(['predict', name, 'fine'])).toMatch(/\tfine\n$/)
    const data = file('data.csv', 'text,label\nfine,good\n')
    expect(await prints(['evaluate', name, data])).toContain('on 1 row')
    expect(await prints(['inspect', name])).toContain('Classifies texts into 2 labels')
    expect(await prints(['explain', name, '--steps', '2', '--batch-size', '1'])).toContain('fused')
    for (const verb of ['predict', 'evaluate', 'generate', 'inspect', 'explain']) {
      expect(await failure([verb, `${name}x`])).toContain(`did you mean '${name}'?`)
    }
  } finally {
    rmSync(`${folder}${name}.refrain`, { force: true })
    if (fresh) rmdirSync(folder)
  }
})
