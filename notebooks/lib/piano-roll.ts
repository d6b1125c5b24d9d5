/** A piece of music as a picture. */
import type { Piece } from 'refrain/data'
import { pianoRoll } from '../../src/cli/charts.ts'
import type { Chart } from './show.ts'

/** The first notes of a piece, all that begin before `beats` quarter notes, as bars: time to the right, pitch upwards. */
export function rollChart(piece: Piece, title: string, beats = 48): Chart {
  const { stepsPerBeat } = piece
  const notes = piece.notes
    .filter(({ start }) => start < beats * stepsPerBeat)
    .map(({ pitch, start, duration }) => ({
      pitch,
      start: start / stepsPerBeat,
      length: duration / stepsPerBeat,
    }))
  const mark = { type: 'rect', cornerRadius: 1.5, aria: false } as const
  return { ...pianoRoll(notes, title, 'quarter notes'), width: 600, mark } as Chart
}
