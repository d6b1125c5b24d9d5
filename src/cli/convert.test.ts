import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
