import { readFileSync, writeFileSync } from 'node:fs'
import ToneMidi from '@tonejs/midi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../../test/cli/harness.ts'
import { abcProblems } from '../../data/abc-music.ts'
import { midiBytes } from '../../data/midi.ts'

const { at, file, prints, failure, remove } = new Workplace()
afterAll(remove)

const small = [
  '--units',
  '32',
  '--layers',
  '1',
  '--dropout',
  '0',
  '--batch-size',
  '4',
  '--seed',
  '1',
]
const train = async (files: string[], out: string, ...more: string[]) =>
  prints(['train', 'generate', ...files.map(at), '--out', at(out), ...small, ...more])

describe('text', () => {
  const line = 'round and round the ragged rock. '
  beforeAll(async () => {
    file('rock.txt', line.repeat(60))
    const text = await train(
      ['rock.txt'],
      'rock.refrain',
      ...['--bptt-steps', '33', '--learning-rate', '0.02', '--epochs', '8'],
    )
    expect(text).toMatch(/^1 text, 1,980 characters\n/)
    expect(text).toMatch(/kept epoch \d+: validation perplexity 1\.\d+, 0\.\d+ bits a symbol\n/)
    expect(text).toMatch(/saved rock\.refrain \(0\.1 MB, 1\d symbols\)\n$/)
  })

  test('is written on from a prompt', async () => {
    const greedy = ['--temperature', '0', '--length', '40']
    expect(await prints(['generate', at('rock.refrain'), 'round', ...greedy])).toBe(
      `${line.repeat(2).slice(0, 45)}\n`,
    )
    const stopped = ['generate', at('rock.refrain'), 'round', ...greedy, '--stop', 'the', '.']
    expect(await prints(stopped)).toBe('round and round \n')
    const several = await prints(['generate', at('rock.refrain'), '--count', '3', '--json'])
    expect(jsonLines(several)).toHaveLength(3)
    await prints(['generate', at('rock.refrain'), 'round', ...greedy, '--out', at('out.txt')])
    expect(readFileSync(at('out.txt'), 'utf8')).toBe(`${line.repeat(2).slice(0, 45)}\n`)
  })

  test('is evaluated and looked at', async () => {
    const [result] = jsonLines(
      await prints(['evaluate', at('rock.refrain'), at('rock.txt'), '--json']),
    )
    expect(result.bitsPerCharacter).toBeLessThan(0.5)
    expect(await prints(['inspect', at('rock.refrain')])).toContain('symbols, which are characters')
  })

  test('says what is wrong', async () => {
    expect(await failure(['generate', at('rock.refrain'), 'Zounds'])).toContain(
      "the prompt has 'Z', 's', which the model has never seen",
    )
    expect(await failure(['generate', at('rock.refrain'), '--out', at('tune.mid')])).toContain(
      'this model writes text, which does not make a MIDI file',
    )
    expect(await failure(['generate', at('rock.refrain'), '--prime', at('a.mid')])).toContain(
      'this model writes text, which does not go on from a MIDI file',
    )
    file('empty.txt', '\n')
    const none = ['train', 'generate', at('empty.txt'), '--out', at('x.refrain')]
    expect(await failure(none)).toContain('empty.txt: there is no text in it')
  })
})

describe('tunes in ABC', () => {
  test('are written so that they parse, as ABC and as MIDI', async () => {
    const tune = (i: number) =>
      `X:${i}\nT:Tune\nM:2/4\nL:1/8\nK:D\n${i % 2 ? 'DF AF|' : 'FA dA|'}${'DF AF|FA dA|'.repeat(2)}\n`
    file('tunes.abc', Array.from({ length: 24 }, (_, i) => tune(i + 1)).join('\n'))
    await train(['tunes.abc'], 'tunes.refrain', '--epochs', '30', '--learning-rate', '0.02')
    const [{ abc }] = jsonLines(await prints(['generate', at('tunes.refrain'), '--json']))
    expect(await abcProblems(abc as string)).toEqual([])
    await prints(['generate', at('tunes.refrain'), '--out', at('tune.mid')])
    const midi = new ToneMidi.Midi(readFileSync(at('tune.mid')))
    expect(midi.tracks.flatMap(({ notes }) => notes).length).toBeGreaterThan(3)
    await prints(['generate', at('tunes.refrain'), '--out', at('tune.abc')])
    expect(await abcProblems(readFileSync(at('tune.abc'), 'utf8').trimEnd())).toEqual([])
  })
})

describe('music', () => {
  const scale = (base: number) => ({
    notes: Array.from({ length: 8 }, (_, i) => ({ pitch: base + i, start: 2 * i, duration: 2 })),
    stepsPerBeat: 4,
    tempo: 100,
    title: '',
  })
  const names = ['a.mid', 'b.mid', 'c.mid', 'd.mid']
  beforeAll(async () => {
    for (const [i, name] of names.entries()) writeFileSync(at(name), await midiBytes(scale(60 + i)))
  })

  test.each(['events', 'roll'])('MIDI files as %s', async (encoding) => {
    const out = `${encoding}.refrain`
    const more = ['--encoding', encoding, '--epochs', '2', '--transpose', '1']
    expect(await train(names, out, ...more)).toMatch(/^4 pieces, /)
    const files = ['--prime', at('a.mid'), '--out', at('o.mid'), '--plot', at('o.svg')]
    await prints(['generate', at(out), '--length', '4', ...files])
    expect(readFileSync(at('o.svg'), 'utf8')).toContain('<svg')
    const { tracks } = new ToneMidi.Midi(readFileSync(at('o.mid')))
    const pitches = tracks[0].notes.map(({ midi }) => midi)
    for (const { pitch } of scale(60).notes) expect(pitches).toContain(pitch)
    expect(await prints(['evaluate', at(out), at('b.mid')])).toMatch(/nats an? (event|step)/)
    expect(await failure(['generate', at(out)])).toContain('Name one: --out tune.mid')
    expect(await failure(['generate', at(out), 'C E G', '--out', at('o.mid')])).toBe(
      'generate: this model writes music, and a prompt is for text. A phrase to go on from comes ' +
        'from a MIDI file: --prime phrase.mid',
    )
    expect(await failure(['generate', at(out), '--count', '2', '--out', at('o.mid')])).toContain(
      'this model writes music, and --count is for text',
    )
    writeFileSync(at('broken.mid'), 'MThd, or so')
    const broken = ['--prime', at('broken.mid'), '--out', at('o.mid')]
    expect(await failure(['generate', at(out), ...broken])).toMatch(
      /broken\.mid: not a MIDI file, or a damaged one .* Export it again as a standard MIDI file/,
    )
  })

  test('rolls in JSON, and files of two kinds', async () => {
    const rolls = Array.from({ length: 6 }, (_, i) => [[60 + i, 64], [62], [60 + i, 64], []])
    file('rolls.json', JSON.stringify(rolls))
    expect(await train(['rolls.json'], 'rolls.refrain', '--epochs', '1')).toMatch(
      /^6 pieces, 24 steps/,
    )
    const mixed = ['train', 'generate', at('a.mid'), at('rolls.json'), '--out', at('x.refrain')]
    expect(await failure(mixed)).toContain('expected files of one kind')
  })
})
