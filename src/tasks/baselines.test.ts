import { expect, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import { accuracyOf, bagOfWords, majorityClass } from './baselines.ts'
import { minimize } from './lbfgs.ts'
import { fitLogistic } from './logistic.ts'

/** Sparse rows of the dense counts that scikit-learn was given. */
const rows = [
  [2, 0, 1, 0],
  [1, 1, 0, 0],
  [0, 2, 0, 1],
  [0, 1, 1, 3],
  [1, 0, 0, 2],
  [0, 0, 3, 1],
].map((counts) => {
  const ids = [0, 1, 2, 3].filter((id) => counts[id] > 0)
  return { ids, values: ids.map((id) => counts[id]) }
})

// scikit-learn 1.9.1: LogisticRegression(C=C, tol=1e-10, max_iter=10000).fit(rows, classes), then
// coef_ and intercept_.
test.each([
  {
    classes: [1, 1, 0, 0, 1, 0],
    C: 1,
    weights: [0.82285, -0.57125, -0.61586, -0.41715],
    bias: [0.83929],
  },
  {
    classes: [0, 2, 1, 1, 0, 2],
    C: 0.5,
    weights: [
      0.46463, -0.41234, -0.16046, 0.02334, -0.31935, 0.45342, -0.11772, 0.35258, -0.14528,
      -0.04108, 0.27818, -0.37592,
    ],
    bias: [0.09237, -0.48626, 0.39389],
  },
])('logistic regression of $classes as scikit-learn fits it', ({ classes, C, weights, bias }) => {
  const model = fitLogistic(rows, classes, 4, C)
  for (const [i, weight] of weights.entries()) expect(model.weights[i]).toBeCloseTo(weight, 3)
  for (const [i, value] of bias.entries()) expect(model.bias[i]).toBeCloseTo(value, 3)
  expect(rows.map(model.predict)).toEqual(classes)
})

test('L-BFGS finds the minimum of the Rosenbrock function at (1, 1)', () => {
  const at = minimize(
    ([x, y], gradient) => {
      gradient[0] = -2 * (1 - x) - 400 * x * (y - x * x)
      gradient[1] = 200 * (y - x * x)
      return (1 - x) ** 2 + 100 * (y - x * x) ** 2
    },
    Float64Array.of(-1.2, 1),
    1e-8,
  )
  expect(at[0]).toBeCloseTo(1, 6)
  expect(at[1]).toBeCloseTo(1, 6)
})

test('bag of words', () => {
  const texts = ['A fine film!', 'fine, fine acting', 'a dull film', "don't: dull dull"]
  const model = bagOfWords(texts, [1, 1, 0, 0])
  expect([...model.predict(['FINE', 'so dull', 'unheard of'])].slice(0, 2)).toEqual([1, 0])
  expect(() => bagOfWords(texts, [1])).toThrow(
    new RefrainError(
      'BAD_ARGUMENT',
      'bagOfWords: expected a class for each text, got 4 texts and 1 classes',
    ),
  )
})

test('majority class and accuracy', () => {
  expect(majorityClass([2, 1, 2, 0])).toBe(2)
  expect(majorityClass(Int32Array.of(1, 0))).toBe(0)
  expect(accuracyOf([1, 0, 2, 2], [1, 1, 2, 2])).toBe(0.75)
})
