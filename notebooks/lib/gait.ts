/** Walks made from the published curves: 14 parameters → 64 moments of a stride × 12 joint angles. */
import type { FlatData, Model, Tensor } from 'refrain'
import { Random } from '../../src/tensor/random.ts'
import {
  angleOf,
  type Coefficients,
  type CurveName,
  coefficientsAt,
  curveNames,
  wavesAt,
} from './gait-curves.ts'

/** Moments of a stride. */
export const moments = 64

/** The 12 joint angles: six of the right leg, six of the left. */
export const joints = ['right', 'left'].flatMap((side) =>
  curveNames.map((name) => `${side} ${name}`),
)

/** A parameter of a walk and the range from which it is drawn. */
export interface Parameter {
  readonly name: string
  readonly unit: string
  readonly low: number
  readonly high: number
}

const parameter = (name: string, unit: string, low: number, high: number): Parameter => ({
  name,
  unit,
  low,
  high,
})

/** What describes a walk. The ranges, and what all but speed and leg length do, are made up to be plausible. */
export const parameters: readonly Parameter[] = [
  parameter('speed', 'm/s', 0.7, 1.8),
  parameter('leg length', 'm', 0.7, 1),
  parameter('hip range', '', 0.8, 1.2),
  parameter('knee range', '', 0.8, 1.2),
  parameter('ankle range', '', 0.7, 1.3),
  parameter('crouch', '°', 0, 20),
  parameter('lean', '°', -5, 10),
  parameter('step width', '°', -3, 6),
  parameter('hip rotation', '°', -10, 10),
  parameter('toes out', '°', -10, 15),
  parameter('left range', '', 0.7, 1.1),
  parameter('left delay', 'stride', 0.42, 0.58),
  parameter('stiff left knee', '', 0, 0.6),
  parameter('left foot drop', '°', 0, 15),
]

/** What is not in the middle of its range in a healthy walk. */
const healthy: Readonly<Record<string, number>> = {
  crouch: 0,
  'left range': 1,
  'stiff left knee': 0,
  'left foot drop': 0,
}

/** A walk by names, healthy in what is not given: [14]. */
export function walkOf(known: Readonly<Record<string, number>> = {}): number[] {
  const unknown = Object.keys(known).find((key) => parameters.every(({ name }) => name !== key))
  if (unknown !== undefined) throw new Error(`walkOf: there is no parameter '${unknown}'`)
  return parameters.map(({ name, low, high }) => known[name] ?? healthy[name] ?? (low + high) / 2)
}

/** The joint angles [°] of a walk of 14 parameters over a stride of the right leg: [64][12]. */
export function anglesOf(walk: readonly number[]): number[][] {
  const curves = coefficientsAt(paceOf(walk[0], walk[1]))
  return Array.from({ length: moments }, (_, t) => [
    ...legAt(walk, curves, t / moments, false),
    ...legAt(walk, curves, t / moments, true),
  ])
}

function legAt(
  walk: readonly number[],
  curves: Readonly<Record<CurveName, Coefficients>>,
  time: number,
  left: boolean,
): number[] {
  const [hip, knee, ankle, crouch, lean, width, rotation, toesOut] = walk.slice(2)
  const [leftRange, delay, stiff, drop] = walk.slice(10)
  const p = left ? time - delay : time
  const own = left ? leftRange : 1
  const waves = wavesAt(p)
  const flexion = angleOf(curves['knee flexion'], waves, own * knee)
  // A stiff knee bends less beyond 20°, that is, while the leg swings.
  const bent = left ? flexion - stiff * Math.max(0, flexion - 20) : flexion
  const dropped = left ? drop * swing(p) : 0
  return [
    angleOf(curves['hip flexion'], waves, own * hip) + crouch / 2 + lean,
    angleOf(curves['hip adduction'], waves) - width,
    angleOf(curves['hip rotation'], waves) + rotation,
    bent + crouch,
    angleOf(curves['ankle dorsiflexion'], waves, own * ankle) + crouch / 2 - dropped,
    angleOf(curves['foot progression'], waves) - toesOut,
  ]
}

/**
 * Speed without dimension, v/√(g·leg length), by which walks of large and small people compare (Hof 1996):
 * 0.3, 0.43 and 0.57 are taken for slow, free and fast: -1, 0, 1, and beyond no more.
 */
function paceOf(speed: number, legLength: number): number {
  const v = speed / Math.sqrt(9.81 * legLength)
  return Math.max(-1, Math.min(1, v < 0.43 ? (v - 0.43) / 0.13 : (v - 0.43) / 0.14))
}

/** 1 in the middle of the swing, 0 while the foot is on the ground (the first 60 % of its stride). */
function swing(p: number): number {
  const phase = p - Math.floor(p)
  return phase < 0.6 ? 0 : Math.sin((Math.PI * (phase - 0.6)) / 0.4) ** 2
}

/** Walks as the network sees them: parameters from -1 to 1, x [N,14], and angles in units of 20°, y [N,64,12]. */
export interface Walks {
  readonly x: FlatData
  readonly y: FlatData
}

const unit = 20

/** Walks of known parameters, as the network sees them; `noise` [°] is added to each angle. */
export function encode(
  walks: readonly (readonly number[])[],
  noise: () => number = () => 0,
): Walks {
  const scaled = walks.flatMap((walk) =>
    walk.map(
      (value, i) =>
        (2 * (value - parameters[i].low)) / (parameters[i].high - parameters[i].low) - 1,
    ),
  )
  const angles = walks.flatMap((walk) =>
    anglesOf(walk)
      .flat()
      .map((angle) => (angle + noise()) / unit),
  )
  return {
    x: { shape: [walks.length, parameters.length], data: Float32Array.from(scaled) },
    y: { shape: [walks.length, moments, joints.length], data: Float32Array.from(angles) },
  }
}

/** Random walks, each parameter anywhere in its range: [count][14]. */
export function randomWalks(count: number, random: Random): number[][] {
  const any = ({ low, high }: Parameter) => low + (high - low) * random.uniform()
  return Array.from({ length: count }, () => parameters.map(any))
}

/** New walks without end, `count` at a time, measured with an error of `noise` degrees (standard deviation). */
export async function* walking(count: number, noise: number, seed: number): AsyncGenerator<Walks> {
  const random = new Random(seed, 'walks')
  const error = errors(noise, random)
  for (;;) yield encode(randomWalks(count, random), error)
}

/** Numbers of a normal distribution, again and again from a store that is prime in length: faster than new ones. */
function errors(deviation: number, random: Random): () => number {
  const store = Float32Array.from({ length: 65_537 }, () => deviation * random.normal())
  let next = 0
  return () => {
    next = (next + 1) % store.length
    return store[next]
  }
}

/** Random walks that the generator does not give: [count][14]. */
export const unseenWalks = (count: number): number[][] =>
  randomWalks(count, new Random(99, 'unseen walks'))

/** What a model says about walks, in degrees: [N][64][12]. */
export async function generate(
  model: Model<Tensor>,
  walks: readonly (readonly number[])[],
): Promise<number[][][]> {
  const said = (await (await model.predict(encode(walks).x)).array()) as number[][][]
  return said.map((walk) => walk.map((angles) => angles.map((angle) => angle * unit)))
}

/** Walks' angles [°]: [N][64][12]. */
export type Angles = readonly (readonly (readonly number[])[])[]

/** The root mean squared difference, of each joint: [12]. */
export const errorOf = (said: Angles, wanted: Angles): number[] =>
  joints.map((_, joint) =>
    together(
      wanted.flatMap((walk, n) => walk.map((angles, t) => said[n][t][joint] - angles[joint])),
    ),
  )

/** The root mean squared difference at each moment, of all joints: [64]. */
export const errorAt = (said: Angles, wanted: Angles): number[] =>
  Array.from({ length: moments }, (_, t) =>
    together(wanted.flatMap((walk, n) => walk[t].map((angle, joint) => said[n][t][joint] - angle))),
  )

/** The mean of walks [N][64][12] → [64][12]: what one would say of a walk without knowing its parameters. */
export const meanOf = (walks: Angles): number[][] =>
  walks[0].map((angles, t) =>
    angles.map((_, joint) => walks.reduce((sum, walk) => sum + walk[t][joint], 0) / walks.length),
  )

/** Several errors as one: the root of their mean square. */
export const together = (of: readonly number[]): number =>
  Math.sqrt(of.reduce((sum, error) => sum + error * error, 0) / of.length)
