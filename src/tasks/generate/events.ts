/**
 * Pieces of music as events, a language of three words: `n60` strikes a pitch, `d4` says that it lasts
 * four steps, `w2` goes on by two steps. A tune is n, d, w, n, d, w; in chords several n d come before a w.
 * Every sequence of events is a piece, so a model cannot write a wrong one.
 */
import { byStart, type Note, type Piece } from '../../data/music.ts'

/** Longest duration and longest time in one event; what is longer takes several. */
const longest = 32

/** The events of a piece, with spaces between them. */
export function eventsOf({ notes }: Pick<Piece, 'notes'>): string {
  const events: string[] = []
  let now = 0
  for (const { pitch, start, duration } of [...notes].sort(byStart)) {
    for (; now < start; now += longest) {
      events.push(`w${Math.min(longest, start - now)}`)
      if (start - now <= longest) break
    }
    now = start
    events.push(`n${pitch}`, `d${Math.min(longest, duration)}`)
  }
  return events.join(' ')
}

/** Makes notes of events that come one by one. */
export class EventReader {
  #now = 0
  #open: { pitch: number; start: number } | null = null

  /** The note that is whole now, if one is. */
  push(event: string): Note | null {
    const value = Number(event.slice(1))
    switch (event[0]) {
      case 'n': {
        // A note without a duration lasts a step.
        const note = this.#close(1)
        this.#open = { pitch: value, start: this.#now }
        return note
      }
      case 'd':
        return this.#close(value)
      default: {
        const note = this.#close(1)
        this.#now += value
        return note
      }
    }
  }

  /** The last note, if it has no duration. */
  end(): Note | null {
    return this.#close(1)
  }

  #close(duration: number): Note | null {
    const note = this.#open && { ...this.#open, duration }
    this.#open = null
    return note
  }
}

/** Whether a word is an event. */
export const isEvent = (word: string) =>
  /^(n(\d|\d\d|1[01]\d|12[0-7])|[dw]([1-9]|[12]\d|3[0-2]))$/.test(word)
