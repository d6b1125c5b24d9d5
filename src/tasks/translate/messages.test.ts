/** What the TypeScript compiler says, in English and in French: real sentences that npm brings. */
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { translate } from '../index.ts'

const require = createRequire(import.meta.url)
const { Diagnostics } = require('typescript') as {
  Diagnostics: Record<string, { key: string; message: string }>
}
const french = require('typescript/lib/fr/diagnosticMessages.generated.json')

/** The first short messages, of different English texts. */
function messages(count: number) {
  const short = new Map<string, string>()
  for (const { key, message } of Object.values(Diagnostics)) {
    const text: string | undefined = french[key]
    if (text && message.length < 40 && !short.has(message)) short.set(message, text)
  }
  const pairs = [...short].slice(0, count)
  return { sources: pairs.map(([source]) => source), targets: pairs.map(([, target]) => target) }
}

test('learns thirty messages by heart', async () => {
  const data = messages(30)
  const translator = await translate.train(data, {
    epochs: 100,
    embedding: 32,
    units: 32,
    dropout: 0,
    labelSmoothing: 0,
    batchSize: 10,
    learningRate: 0.01,
    validation: 0,
    sourceVocabulary: 400,
    targetVocabulary: 400,
    seed: 1,
  })
  const { bleu, chrf, errorRate } = await translator.evaluate(data)
  expect(errorRate).toBeLessThan(0.1)
  expect(bleu.score).toBeGreaterThan(90)
  expect(chrf).toBeGreaterThan(90)
  const [{ text }] = await translator.predict(['Unterminated string literal.'])
  expect(text).toBe('Littéral de chaîne inachevé.')
})
