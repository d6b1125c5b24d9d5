/**
 * Sounds as sequences: the logarithm of the energy in bands of the mel scale, which are equally wide to
 * the ear, frame after frame.
 */

/** How frames are made. */
export interface MelOptions {
  /** Samples a second. */
  readonly sampleRate: number
  /** Length of a frame, seconds. */
  readonly frame: number
  /** From one frame to the next, seconds. */
  readonly hop: number
  /** Number of bands from 0 Hz to half of the sample rate. */
  readonly bands: number
}

/** Below this energy all is silence. */
const floor = 1e-10

/**
 * Frames [T, bands] of samples: Hann window, power spectrum by a Fourier transform of the next power of
 * two, triangular bands of height 1 equally spaced in 2595·log10(1 + f/700), natural logarithm. Frames
 * lie within the sound; one that is shorter than a frame is filled up with silence.
 */
export function logMel(samples: ArrayLike<number>, options: MelOptions) {
  const { sampleRate, bands } = options
  const length = Math.round(options.frame * sampleRate)
  const hop = Math.round(options.hop * sampleRate)
  const size = 2 ** Math.ceil(Math.log2(length))
  const steps = 1 + Math.max(0, Math.floor((samples.length - length) / hop))
  const hann = Float64Array.from(
    { length },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length),
  )
  const filters = melFilters(size, sampleRate, bands)
  const transform = fourier(size)
  const data = new Float32Array(steps * bands)
  const [re, im] = [new Float64Array(size), new Float64Array(size)]
  for (let t = 0; t < steps; t++) {
    im.fill(0)
    re.fill(0)
    const count = Math.min(length, samples.length - t * hop)
    for (let n = 0; n < count; n++) re[n] = samples[t * hop + n] * hann[n]
    transform(re, im)
    filters.forEach(({ first, weights }, band) => {
      let energy = 0
      weights.forEach((weight, k) => {
        energy += weight * (re[first + k] ** 2 + im[first + k] ** 2)
      })
      data[t * bands + band] = Math.log(Math.max(energy, floor))
    })
  }
  return { shape: [steps, bands], data }
}

const toMel = (f: number) => 2595 * Math.log10(1 + f / 700)
const fromMel = (mel: number) => 700 * (10 ** (mel / 2595) - 1)

/** For each band the weights of the spectrum from `first` on. */
function melFilters(size: number, sampleRate: number, bands: number) {
  const top = toMel(sampleRate / 2)
  const edges = Array.from({ length: bands + 2 }, (_, i) => fromMel((top * i) / (bands + 1)))
  return Array.from({ length: bands }, (_, band) => {
    const [low, center, high] = edges.slice(band, band + 3)
    const weightAt = (k: number) => {
      const f = (k * sampleRate) / size
      return Math.max(0, Math.min((f - low) / (center - low), (high - f) / (high - center)))
    }
    const first = Math.ceil((low * size) / sampleRate)
    const last = Math.min(size / 2, Math.floor((high * size) / sampleRate))
    const weights = Array.from({ length: Math.max(0, last - first + 1) }, (_, k) =>
      weightAt(first + k),
    )
    return { first, weights }
  })
}

/** The fast Fourier transform in place (Cooley & Tukey 1965), for `size` a power of two. */
export function fourier(size: number): (re: Float64Array, im: Float64Array) => void {
  const bits = Math.log2(size)
  const reversed = Int32Array.from({ length: size }, (_, i) => {
    let r = 0
    for (let b = 0; b < bits; b++) r |= ((i >> b) & 1) << (bits - 1 - b)
    return r
  })
  const angle = (i: number) => (-2 * Math.PI * i) / size
  const cos = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos(angle(i)))
  const sin = Float64Array.from({ length: size / 2 }, (_, i) => Math.sin(angle(i)))
  return (re, im) => {
    for (let i = 0; i < size; i++) {
      const j = reversed[i]
      if (j > i) {
        ;[re[i], re[j]] = [re[j], re[i]]
        ;[im[i], im[j]] = [im[j], im[i]]
      }
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half)
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [a, b] = [start + k, start + k + half]
          const [c, s] = [cos[k * stride], sin[k * stride]]
          const x = re[b] * c - im[b] * s
          const y = re[b] * s + im[b] * c
          re[b] = re[a] - x
          im[b] = im[a] - y
          re[a] += x
          im[a] += y
        }
      }
    }
  }
}
