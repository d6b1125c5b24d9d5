/** The optimizers' steps, and what is measured and done to gradients before them. */
import { type Kernels, optimizerCodes } from '../kernels.ts'

export const optimizerKernels: Pick<
  Kernels,
  | 'sumSquares'
  | 'firstNonFinite'
  | 'clipValue'
  | 'sgd'
  | 'adam'
  | 'adamReplay'
  | 'rmsprop'
  | 'optimize'
> = {
  sumSquares(x, n) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += x[i] * x[i]
    return sum
  },

  firstNonFinite(x, n) {
    for (let i = 0; i < n; i++) if (!Number.isFinite(x[i])) return i
    return -1
  },

  clipValue(x, limit, n) {
    let cut = 0
    for (let i = 0; i < n; i++) {
      if (Math.abs(x[i]) > limit) cut++
      x[i] = Math.min(Math.max(x[i], -limit), limit)
    }
    return cut
  },

  sgd(w, g, velocity, n, scale, rate, momentum, nesterov, decay) {
    for (let i = 0; i < n; i++) {
      const decayed = w[i] - decay * w[i]
      const step = -rate * scale * g[i]
      if (!velocity || momentum === 0) {
        w[i] = decayed + step
        continue
      }
      velocity[i] = momentum * velocity[i] + step
      w[i] = decayed + (nesterov ? momentum * velocity[i] + step : velocity[i])
    }
  },

  adam(w, g, m, v, vMax, n, scale, rate, beta1, beta2, epsilon, decay) {
    // As `adamReplay` reads them: in the arrays' precision.
    const round = w instanceof Float32Array ? Math.fround : Number
    const [step, keep] = [round(rate), round(1 - decay)]
    for (let i = 0; i < n; i++) {
      const gradient = scale * g[i]
      m[i] += (1 - beta1) * (gradient - m[i])
      v[i] += (1 - beta2) * (gradient * gradient - v[i])
      if (vMax) vMax[i] = Math.max(vMax[i], v[i])
      const root = Math.sqrt(vMax ? vMax[i] : v[i])
      w[i] = w[i] * keep - (step * m[i]) / (root + epsilon)
    }
  },

  adamReplay(w, m, v, vMax, done, rows, n, dim, rates, keeps, count, beta1, beta2, epsilon) {
    for (let i = 0; i < n; i++) {
      const row = rows ? rows[i] : i
      for (let s = done[row]; s < count; s++) {
        for (let j = row * dim; j < (row + 1) * dim; j++) {
          m[j] += (1 - beta1) * (0 - m[j])
          v[j] += (1 - beta2) * (0 - v[j])
          const root = Math.sqrt(vMax ? vMax[j] : v[j])
          w[j] = w[j] * keeps[s] - (rates[s] * m[j]) / (root + epsilon)
        }
      }
      done[row] = count
    }
  },

  rmsprop(w, g, meanSquare, mean, velocity, n, scale, rate, rho, momentum, epsilon, decay) {
    for (let i = 0; i < n; i++) {
      const gradient = scale * g[i]
      meanSquare[i] += (1 - rho) * (gradient * gradient - meanSquare[i])
      if (mean) mean[i] += (1 - rho) * (gradient - mean[i])
      const variance = mean ? meanSquare[i] - mean[i] * mean[i] : meanSquare[i]
      let step = (rate * gradient) / Math.sqrt(variance + epsilon)
      if (velocity && momentum > 0) {
        velocity[i] = momentum * velocity[i] + step
        step = velocity[i]
      }
      w[i] = w[i] - decay * w[i] - step
    }
  },

  optimize(code, w, g, a, b, n, scale, rate, decay, p, q, r, s) {
    const { adagrad, adadelta, adamax, nadam } = optimizerCodes
    for (let i = 0; i < n; i++) {
      const gradient = scale * g[i]
      const weight = w[i] - decay * w[i]
      if (code === adagrad) {
        a[i] += gradient * gradient
        w[i] = weight - (rate * gradient) / Math.sqrt(a[i] + p)
      } else if (code === adadelta) {
        a[i] += (1 - p) * (gradient * gradient - a[i])
        const move = (gradient * Math.sqrt(b![i] + q)) / Math.sqrt(a[i] + q)
        b![i] += (1 - p) * (move * move - b![i])
        w[i] = weight - rate * move
      } else if (code === adamax) {
        a[i] += (1 - p) * (gradient - a[i])
        b![i] = Math.max(q * b![i], Math.abs(gradient))
        w[i] = weight - (rate * a[i]) / (b![i] + r)
      } else if (code === nadam) {
        a[i] += (1 - p) * (gradient - a[i])
        b![i] += (1 - q) * (gradient * gradient - b![i])
        w[i] = weight - (rate * a[i] + s * gradient) / (Math.sqrt(b![i]) + r)
      } else {
        w[i] = weight - rate * Math.sign(a[i] + (1 - p) * (gradient - a[i]))
        a[i] += (1 - q) * (gradient - a[i])
      }
    }
  },
}
