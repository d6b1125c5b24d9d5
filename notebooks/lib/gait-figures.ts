/** A stride as a row of stick figures, seen from the right. */
import { joints, moments } from './gait.ts'
import { colors } from './show.ts'

/** A point of the picture: right, down. */
type Place = readonly [number, number]

/** The pelvis leans forward by about this [°] in the curves' source; the hip's flexion counts from it. */
const pelvis = 12
const [thigh, shank, foot, trunk] = [40, 38, 16, 46]
const [spacing, height] = [58, 192]

/**
 * `count` figures over the stride of angles [64][12], as the text of an SVG: the right leg blue, the left orange.
 * Only the angles of the sagittal plane show: hip, knee, ankle. The hips stay at one height.
 */
export function strideSvg(
  title: string,
  angles: readonly (readonly number[])[],
  count = 9,
): string {
  const figures = Array.from({ length: count }, (_, k) => {
    const t = Math.round((k * moments) / count) % moments
    const hip: Place = [30 + k * spacing, 84]
    const top: Place = [hip[0] + 2, hip[1] - trunk]
    const head = `<circle cx="${top[0] + 2}" cy="${top[1] - 9}" r="7" fill="none" stroke="#808080" stroke-width="2"/>`
    return [
      path(leg(hip, angles[t], 'left'), colors[1]),
      path([hip, top], '#808080'),
      path(leg(hip, angles[t], 'right'), colors[0]),
      head,
      label(hip[0], height - 4, `${Math.round((100 * k) / count)} %`, 11, 'middle'),
    ].join('')
  })
  const width = 30 + count * spacing
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `${label(8, 14, title, 13, 'start')}${figures.join('')}</svg>`
  )
}

/** Hip, knee, ankle, toes. */
function leg(hip: Place, angles: readonly number[], side: 'left' | 'right'): Place[] {
  const of = (name: string) => angles[joints.indexOf(`${side} ${name}`)]
  const upper = of('hip flexion') - pelvis
  const lower = upper - of('knee flexion')
  const sole = lower + of('ankle dorsiflexion') + 90
  const knee = from(hip, upper, thigh)
  const ankle = from(knee, lower, shank)
  return [hip, knee, ankle, from(ankle, sole, foot)]
}

/** The end of a bone that begins at a place and points forward of straight down by an angle [°]. */
function from([x, y]: Place, angle: number, length: number): Place {
  const turn = (angle * Math.PI) / 180
  return [x + length * Math.sin(turn), y + length * Math.cos(turn)]
}

function path(places: readonly Place[], color: string): string {
  const points = places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
  return `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="3" stroke-linecap="round"/>`
}

const label = (x: number, y: number, text: string, size: number, anchor: 'start' | 'middle') =>
  `<text x="${x}" y="${y}" font-family="sans-serif" font-size="${size}" fill="#808080" text-anchor="${anchor}"` +
  `>${text}</text>`
