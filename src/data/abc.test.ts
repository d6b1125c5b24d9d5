import ToneMidi from '@tonejs/midi'
import { describe, expect, it } from 'vitest'
import { readAbc, type Tune, tuneText } from './abc.ts'
import { abcMidi, abcPiece, abcProblems, transposeAbc } from './abc-music.ts'

async function read(text: string): Promise<Tune[]> {
  const bytes = new TextEncoder().encode(text)
  const stream = (async function* () {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.slice(at, at + 7)
  })()
  const tunes: Tune[] = []
  for await (const tune of readAbc({ name: 'book.abc', stream })) tunes.push(tune)
  return tunes
}

const book = `%abc-2.1
A tunebook. It has text outside of tunes.

X:7
T:The First
T:also called One % a comment
Z: somebody
M:6/8
L:1/8
K:D Major
% a comment
dAF DFA|!trill!d3 "Em"e3|!
d2f !fermata!a3:|

X:8
K:C

CDEF|
X:9
K:G
G4|
`

describe('readAbc', () => {
  it('reads tunes, with their fields and where they begin', async () => {
    const tunes = await read(book)
    expect(tunes).toEqual([
      {
        file: 'book.abc',
        row: 1,
        line: 4,
        fields: {
          X: ['7'],
          T: ['The First', 'also called One'],
          Z: ['somebody'],
          M: ['6/8'],
          L: ['1/8'],
          K: ['D Major'],
        },
        music: 'dAF DFA|!trill!d3 "Em"e3|\nd2f !fermata!a3:|',
      },
      { file: 'book.abc', row: 2, line: 15, fields: { X: ['8'], K: ['C'] }, music: 'CDEF|' },
      { file: 'book.abc', row: 3, line: 19, fields: { X: ['9'], K: ['G'] }, music: 'G4|' },
    ])
  })

  it('writes them again, with the fields asked for', async () => {
    const [first, second] = await read(book)
    expect(tuneText(second)).toBe('X:1\nK:C\nCDEF|')
    expect(tuneText(first, { fields: 'ML' })).toBe(
      'X:1\nM:6/8\nL:1/8\nK:D Major\ndAF DFA|!trill!d3 "Em"e3|\nd2f !fermata!a3:|',
    )
    expect(tuneText(first)).toContain('T:The First\nT:also called One\nM:6/8')
    expect(await abcProblems(tuneText(first))).toEqual([])
  })

  const bad: [string, string][] = [
    [
      'X:1\nT:a\n\nX:2\nK:C\nC',
      "book.abc, row 1: the tune has no key; end its header with a line 'K:'",
    ],
    [
      'X:1\nK:C\nC\n\nX:2\nK:C\n\nX:3\nK:C\nC',
      'book.abc, row 2 (line 5): the tune has no music; write it below',
    ],
    [
      'X:1\nCDE\nK:C\nC',
      "book.abc, row 1: line 2: expected a header field, got 'CDE'. Write the header",
    ],
    ['CDE|\n', "book.abc: there are no tunes in it. Each begins with a line 'X:' and a number"],
    ['', 'book.abc: there are no tunes in it'],
  ]
  it.each(bad)('%j', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message)
  })
})

describe('what ABC means', () => {
  const tune = 'X:1\nM:2/4\nL:1/8\nK:D\n|:FA ^GB:|'

  it('becomes notes, repeats played out', async () => {
    const { notes, tempo } = await abcPiece(tune)
    expect(notes.map(({ pitch }) => pitch)).toEqual([66, 69, 68, 71, 66, 69, 68, 71])
    expect(notes.map(({ start }) => start)).toEqual([0, 2, 4, 6, 8, 10, 12, 14])
    expect(notes.every(({ duration }) => duration === 2)).toBe(true)
    expect(tempo).toBeGreaterThan(20)
  })

  it('becomes a MIDI file that another program reads', async () => {
    const midi = new ToneMidi.Midi(await abcMidi(tune))
    const notes = midi.tracks.flatMap((track) => track.notes.map(({ midi }) => midi))
    expect(notes).toEqual([66, 69, 68, 71, 66, 69, 68, 71])
  })

  it('is transposed in ABC', async () => {
    const up = await transposeAbc(tune, 3)
    expect(up).toContain('K:F')
    const pitches = async (abc: string) => (await abcPiece(abc)).notes.map(({ pitch }) => pitch)
    expect(await pitches(up)).toEqual((await pitches(tune)).map((pitch) => pitch + 3))
  })

  it('tells what is wrong with a text that is none', async () => {
    expect(await abcProblems('X:1\nK:C\n')).toEqual(['it has no notes'])
    expect((await abcProblems('X:1\nK:C\nC[DE|'))[0]).toContain("']'")
    expect((await abcProblems('X:1\nK:C\nC\n\nX:2\nK:C\nD'))[0]).toBe('expected one tune, got 2')
    await expect(abcMidi('X:1\nK:C\n')).rejects.toThrow(
      "not a tune in ABC notation: it has no notes: 'X:1",
    )
  })
})
