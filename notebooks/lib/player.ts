/** A button that plays a piece of music in the page, by the oscillators of the Web Audio API. */
import type { Piece } from 'refrain/data'
import { inHtml } from './html.ts'

/** The button, whole in itself: its notes stand in an attribute, its program in another. */
export function playerHtml({ notes, stepsPerBeat, tempo }: Piece): string {
  const seconds = (steps: number) => Number(((steps / stepsPerBeat) * (60 / tempo)).toFixed(3))
  const events = notes.map(({ pitch, start, duration }) => [
    pitch,
    seconds(start),
    seconds(duration),
  ])
  const style =
    'font:inherit;padding:4px 14px;border:1px solid #808080;border-radius:6px;' +
    'background:rgba(59, 130, 196, 0.25);color:inherit;cursor:pointer'
  return (
    `<button type="button" style="${style}" data-notes="${JSON.stringify(events)}" ` +
    `onclick="${inHtml(`(${toggle})(this)`)}">▶ play</button>`
  )
}

/** Plays, or stops what plays. Runs in the page, and so uses nothing from outside itself. */
function toggle(button: HTMLButtonElement & { playing?: AudioContext }): void {
  const end = () => {
    button.playing?.close()
    button.playing = undefined
    button.textContent = '▶ play'
  }
  if (button.playing) {
    end()
    return
  }
  const audio = new AudioContext()
  button.playing = audio
  button.textContent = '■ stop'
  const notes: [number, number, number][] = JSON.parse(button.dataset.notes ?? '[]')
  const begin = audio.currentTime + 0.1
  notes.forEach(([pitch, start, length], i) => {
    const tone = audio.createOscillator()
    const volume = audio.createGain()
    const at = begin + start
    tone.type = 'triangle'
    tone.frequency.value = 440 * 2 ** ((pitch - 69) / 12)
    // A quick rise and a slow fall, as of a plucked string; at 0 at the end, or it would click.
    volume.gain.setValueAtTime(0, at)
    volume.gain.linearRampToValueAtTime(0.25, at + 0.01)
    volume.gain.linearRampToValueAtTime(0, at + length)
    tone.connect(volume).connect(audio.destination)
    tone.start(at)
    tone.stop(at + length)
    if (i === notes.length - 1) {
      tone.onended = () => {
        if (button.playing === audio) end()
      }
    }
  })
}
