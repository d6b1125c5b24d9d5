/** A page's form for models that write text or music. */
import { midiBytes } from '../data/midi.ts'
import type { Piece } from '../data/music.ts'
import type * as generate from '../tasks/generate/index.ts'
import { download, element, field, numberInput } from './dom.ts'
import type { Form } from './forms.ts'

/** What reads tunes in ABC, in pages that have it. */
export interface Tunes {
  readonly piece: (abc: string) => Promise<Piece>
  readonly problems: (abc: string) => Promise<string[]>
}

let tunes: Tunes | null = null

/** Makes pages able to play tunes in ABC. */
export function addTunes(reader: Tunes): void {
  tunes = reader
}

/** The form of a model that writes; `abc`: tunes in ABC. */
export function generateForm(trained: generate.Generator, abc: boolean): Form {
  const music = trained.kind !== 'text'
  const prompt = element('textarea', { rows: 2, spellcheck: false })
  const temperature = numberInput(0.8, 0.05, 3, 0.05)
  const length = numberInput(music ? 200 : abc ? 2000 : 500, 1, 20000)
  const seed = numberInput(1, 0, 2 ** 31 - 1)
  const options = () => ({
    temperature: temperature.valueAsNumber,
    length: length.valueAsNumber,
    seed: seed.valueAsNumber,
  })
  const row = element(
    'div',
    { className: 'row' },
    field('Temperature: low is safe, high is wild', temperature),
    field(`Length, in ${music ? 'steps or events' : 'pieces of text'}`, length),
    field('Seed: another one, another result', seed),
  )
  return {
    fields: music ? [row] : [field('Go on from', prompt), row],
    action: music ? 'Compose' : 'Write',
    async answer(show) {
      if (trained.kind !== 'text') {
        const piece = await trained.compose(options())
        show(...(await playable(piece)))
        return
      }
      const text = element('pre', { className: 'text' }, prompt.value)
      const pieces = trained.generate(prompt.value, options())
      let next = await pieces.next()
      show(text)
      while (!next.done) {
        text.append(next.value)
        // So that it is seen as it comes.
        await new Promise((resolve) => setTimeout(resolve))
        next = await pieces.next()
      }
      if (abc) show(text, ...(await playableTune(text.textContent!)))
    },
  }
}

async function playableTune(text: string): Promise<Node[]> {
  if (!tunes) return []
  const [problem] = await tunes.problems(text)
  if (problem === undefined) return playable(await tunes.piece(text))
  const note = `It cannot be played (${problem}): with another seed it may`
  return [element('p', { className: 'note' }, note)]
}

/** A button that plays a piece, one that saves it, and how much there is. */
async function playable(piece: Piece): Promise<Node[]> {
  let context: AudioContext | null = null
  const button = element('button', { type: 'button' }, 'Play')
  const stop = () => {
    void context?.close()
    context = null
    button.textContent = 'Play'
  }
  button.onclick = () => {
    if (context) return stop()
    context = new AudioContext()
    button.textContent = 'Stop'
    play(piece, context).onended = stop
  }
  const link = download('tune.mid', await midiBytes(piece), 'audio/midi')
  const note = `${piece.notes.length} notes, ${Math.round(piece.tempo)} quarter notes a minute`
  return [
    element('p', { className: 'row' }, button, link),
    element('p', { className: 'note' }, note),
  ]
}

/** Starts a tone for each note, and a silent one whose end is that of the piece. */
function play({ notes, stepsPerBeat, tempo }: Piece, context: AudioContext): OscillatorNode {
  const step = 60 / tempo / stepsPerBeat
  const begin = context.currentTime + 0.1
  const volume = new GainNode(context, { gain: 0.15 })
  volume.connect(context.destination)
  const tone = (frequency: number, start: number, end: number, loudness: number) => {
    const source = new OscillatorNode(context, { type: 'triangle', frequency })
    const gain = new GainNode(context, { gain: 0 })
    gain.gain.setValueAtTime(loudness, start)
    gain.gain.setTargetAtTime(0, Math.max(start, end - 0.06), 0.02)
    source.connect(gain).connect(volume)
    source.start(start)
    source.stop(end + 0.05)
    return source
  }
  let end = begin
  for (const { pitch, start, duration } of notes) {
    const from = begin + start * step
    const to = from + duration * step
    tone(440 * 2 ** ((pitch - 69) / 12), from, to, 1)
    end = Math.max(end, to)
  }
  return tone(440, begin, end, 0)
}
