import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Workplace } from '../../test/cli/harness.ts'
import { dense, lstm } from '../layers/index.ts'
import { loadRefrain } from '../model/load.ts'
import { sequential } from '../model/sequential.ts'

const { at, file, refrain } = new Workplace()
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/${name}`, import.meta.url))

describe('refrain convert', () => {
  it('writes a model in another format and proves that it computes the same', async () => {
    const there = await refrain([
      'convert',
      fixture('keras/files/words.keras'),
      at('w.refrain'),
      '--verify',
    ])
    expect(there.stderr).toBe('')
    expect(there.stdout).toContain('layer          largest difference  relative\n')
    expect(there.stdout).toContain(
      'Computes the same (within 0.0001) on random, 1 step; random, 9 steps',
    )
    expect(there.stdout).toMatch(/Wrote .*w\.refrain: [\d,]+ bytes\n8 layers, 1,138 parameters/)
    const back = await refrain(['convert', at('w.refrain'), at('w.h5'), '--verify', '--json'])
    const { files, verified } = JSON.parse(back.stdout)
    expect(files).toEqual([
      { path: expect.stringContaining('w.h5'), bytes: readFileSync(at('w.h5')).length },
    ])
    expect(verified.layers.at(-1)).toEqual({ layer: 'output', absolute: 0, relative: 0 })
    expect((await loadRefrain(at('w.refrain'))).layers).toHaveLength(8)
  })

  it('takes an architecture for files that have none', async () => {
    const source = fixture('pytorch/files/last.pt')
    const without = await refrain(['convert', source, at('t.refrain')])
    expect(without).toMatchObject({ status: 1, stdout: '' })
    const [, proposed] = /architecture: (\[.*\])/.exec(without.stderr)!
    const given = await refrain([
      'convert',
      source,
      at('t.refrain'),
      '--architecture',
      proposed,
      '--verify',
    ])
    expect(given.stderr).toBe('')
    const wrong = await refrain(['convert', source, at('t.refrain'), '--architecture', '{'])
    expect(wrong.stderr).toContain(
      "--architecture: expected a JSON list of steps, or a file with one, got '{'",
    )
  })

  it('rounds weights to 8 bits, and says what that costs', async () => {
    const examples = file(
      'examples.csv',
      'text,label\na fine film,positive\ndull and too long,negative\nnot bad at all,positive\n' +
        'I loved every minute,positive\nwhat a waste of time,negative\n',
    )
    const args = ['--int8', '--examples', examples, '--verify']
    const told = await refrain(['convert', 'sentiment', at('s.refrain'), ...args])
    expect(told.stderr).toBe('')
    expect(told.stdout).toContain('Differs by what int8 rounds, on random, 1 step')
    expect(told.stdout).toMatch(/\naccuracy +0\.\d{4} +0\.\d{4} +/)
    const before = statSync(fixture('../../models/sentiment.refrain')).size
    const after = statSync(at('s.refrain')).size
    const number = (value: number) => value.toLocaleString('en')
    expect(told.stdout).toContain(`Model in int8: ${number(after)} bytes; `)
    expect(told.stdout).toContain(`sentiment.refrain: ${number(before)}\n`)
    // 189,506 weights of one byte, the vocabulary and scales.
    expect(after).toBeLessThan(189_506 * 1.25)
    const json = JSON.parse(
      (await refrain(['convert', 'sentiment', at('j.refrain'), '--json', ...args])).stdout,
    )
    expect(json.sizes).toEqual({ before, after })
    for (const [which, model] of [
      ['before', 'sentiment'],
      ['after', at('s.refrain')],
    ]) {
      const { stdout } = await refrain(['evaluate', model, examples, '--json'])
      expect(json.examples[which]).toEqual(JSON.parse(stdout))
    }
    expect(json.examples.before.loss).not.toBe(json.examples.after.loss)
    // It stays as it is, in a page as well.
    for (const again of ['again.refrain', 'again.html']) {
      const { stdout } = await refrain(['convert', at('s.refrain'), at(again), '--json'])
      expect(JSON.parse(stdout)).toMatchObject({ dtype: 'int8', sizes: { after } })
    }
    const page = await refrain(['convert', at('s.refrain'), at('s.onnx'), '--int8'])
    expect(page.stderr).toContain('--int8 is of .refrain, .html and .mjs files')
    const both = await refrain(['convert', 'sentiment', at('b.refrain'), '--int8', '--float16'])
    expect(both.stderr).toContain("option '--int8' cannot be used with option '--float16'")
    const foreign = fixture('keras/files/words.keras')
    const none = await refrain(['convert', foreign, at('w8.refrain'), '--examples', examples])
    expect(none.stderr).toContain('--examples: expected a model of refrain train')
    expect(existsSync(at('w8.refrain'))).toBe(false)
  })

  it('writes nothing that the target cannot hold', async () => {
    const model = sequential([lstm({ units: 2, peephole: true }), dense({ units: 1 })]).build([
      null,
      null,
      1,
    ])
    await model.save(at('p.refrain'))
    const { status, stderr } = await refrain(['convert', at('p.refrain'), at('p.keras')])
    expect(status).toBe(1)
    expect(stderr).toContain(
      "p.keras: Keras cannot hold: lstm 'lstm' with peephole: true. Nothing was written.",
    )
    expect(existsSync(at('p.keras'))).toBe(false)
  })

  it('takes functions of Lambda layers from a module', async () => {
    const layers = file('layers.mjs', 'nothing that can be imported')
    const { stderr } = await refrain([
      'convert',
      at('w.refrain'),
      at('v.refrain'),
      '--custom-layers',
      layers,
    ])
    expect(stderr).toContain('layers.mjs cannot be imported')
  })
})

it('runs the written file in the other program where the folder has it', () => {
  const folder = dirname(at('x'))
  const own = join(folder, 'node_modules', '@tensorflow', 'tfjs')
  mkdirSync(own, { recursive: true })
  const from = (name: string) =>
    JSON.stringify(createRequire(import.meta.url).resolve(`@tensorflow/${name}`))
  writeFileSync(
    join(own, 'package.json'),
    '{"name":"@tensorflow/tfjs","version":"4.22.0","main":"index.js"}',
  )
  const parts = ['tfjs-core', 'tfjs-layers'].map((name) => `...require(${from(name)})`)
  writeFileSync(
    join(own, 'index.js'),
    `require(${from('tfjs-backend-cpu')}); module.exports = { ${parts.join(', ')} }`,
  )
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const source = fixture('keras/files/words.keras')
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, 'convert', ...args], { cwd: folder, encoding: 'utf8' })
  // What TensorFlow.js cannot hold is said before it is asked.
  expect(run(source, 'words.json', '--verify').stderr).toContain('TensorFlow.js cannot hold')
  const whale = run('whale', 'whale.json', '--verify')
  expect(whale.stdout).toMatch(/output of TensorFlow\.js 4\.22\.0 +\d\.\de-\d/)
  rmSync(join(folder, 'node_modules'), { recursive: true })
  expect(run('whale', 'whale.json', '--verify').stdout).toContain(
    'TensorFlow.js is not installed here (npm install @tensorflow/tfjs): not run',
  )
})

describe('refrain inspect on files of other programs', () => {
  it('says what is in them', async () => {
    const { stdout } = await refrain(['inspect', fixture('keras/files/words.keras')])
    expect(stdout).toContain('Keras archive, written by Keras 3.15.1: 9 layers, 1,138 parameters')
    expect(stdout).toMatch(/bidirectional +Bidirectional +layer LSTM\(5\), merge_mode concat/)
    expect(stdout).toContain('All of it is supported')
    const torch = await refrain(['inspect', fixture('pytorch/files/last.pt')])
    expect(torch.stdout).toContain('PyTorch state dictionary (zip)')
    expect(torch.stdout).toContain('nn.GRU(3, 4)')
  })

  it('lists everything that could not be loaded', async () => {
    const layer = (class_name: string, config: object) => ({ class_name, config })
    const model = {
      class_name: 'Sequential',
      config: [
        layer('LSTM', { name: 'a', units: 2, batch_input_shape: [null, 3, 1], unknown_option: 7 }),
        layer('Lambda', { name: 'b', function: 'lambda' }),
        layer('Mystery', { name: 'c' }),
      ],
    }
    const path = file('m.json', JSON.stringify({ modelTopology: model, weightsManifest: [] }))
    const { stdout } = await refrain(['inspect', path])
    expect(stdout).toContain(
      "Cannot be loaded. Not supported:\n  LSTM 'a' has the option unknown_option: 7\n" +
        "  the function of the Lambda layer 'b', which is Python code\n  the layer Mystery 'c'",
    )
  })
})
