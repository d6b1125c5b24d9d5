/** Logistic regression on sparse counts, as scikit-learn's `LogisticRegression` does it by default. */
import { minimize } from './lbfgs.ts'

/** The features of one example that are not 0. */
export interface SparseRow {
  ids: ArrayLike<number>
  values: ArrayLike<number>
}

/** A linear model: class scores from sparse rows. */
export interface LinearModel {
  /** [K, features]: a row for each class; one row, for class 1, if there are two. */
  weights: Float64Array
  /** [K] */
  bias: Float64Array
  /** The most likely class. */
  predict(row: SparseRow): number
}

/**
 * Minimizes C Σ loss + ½ |weights|², the bias free, by L-BFGS until the largest derivative is below
 * 1e-4. Two classes share one weight vector, more have one each, with softmax.
 *
 * @param classes of each row, from 0
 */
export function fitLogistic(
  rows: readonly SparseRow[],
  classes: ArrayLike<number>,
  features: number,
  C = 1,
): LinearModel {
  const largest = Array.from(classes).reduce((a, b) => Math.max(a, b), 0)
  const K = largest <= 1 ? 1 : largest + 1
  const scores = new Float64Array(K)

  // Parameters: the weights [K, features], then the bias [K].
  const biasAt = K * features
  function score(parameters: Float64Array, { ids, values }: SparseRow): void {
    for (let k = 0; k < K; k++) {
      let sum = parameters[biasAt + k]
      for (let j = 0; j < ids.length; j++) sum += parameters[k * features + ids[j]] * values[j]
      scores[k] = sum
    }
  }

  function objective(parameters: Float64Array, gradient: Float64Array): number {
    let value = 0
    gradient.fill(0)
    for (let j = 0; j < biasAt; j++) {
      value += 0.5 * parameters[j] * parameters[j]
      gradient[j] = parameters[j]
    }
    for (const [i, row] of rows.entries()) {
      score(parameters, row)
      value += C * lossAndSlope(scores, classes[i])
      for (let k = 0; k < K; k++) {
        const slope = C * scores[k]
        gradient[biasAt + k] += slope
        for (let j = 0; j < row.ids.length; j++) {
          gradient[k * features + row.ids[j]] += slope * row.values[j]
        }
      }
    }
    return value
  }

  const parameters = minimize(objective, new Float64Array(biasAt + K))
  return {
    weights: parameters.subarray(0, biasAt),
    bias: parameters.subarray(biasAt),
    predict(row) {
      score(parameters, row)
      return K === 1 ? Number(scores[0] > 0) : scores.indexOf(Math.max(...scores))
    },
  }
}

/** Cross-entropy of one row; replaces the scores by the loss's derivatives with respect to them. */
function lossAndSlope(scores: Float64Array, truth: number): number {
  if (scores.length === 1) {
    // log(1 + exp(-z)), z signed by the class, without overflow.
    const z = truth === 1 ? scores[0] : -scores[0]
    const small = Math.exp(-Math.abs(z))
    const slope = (z > 0 ? small : 1) / (1 + small)
    scores[0] = truth === 1 ? -slope : slope
    return Math.log1p(small) + Math.max(0, -z)
  }
  const largest = Math.max(...scores)
  let sum = 0
  for (const value of scores) sum += Math.exp(value - largest)
  const loss = Math.log(sum) + largest - scores[truth]
  for (let k = 0; k < scores.length; k++) {
    scores[k] = Math.exp(scores[k] - largest) / sum - Number(k === truth)
  }
  return loss
}
