/** Metrics of texts and tags against sacreBLEU, RapidFuzz and conlleval, and published examples. */
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../test/fixtures/load.ts'
import { expectError } from '../../test/harness.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import { type BleuOptions, bleu } from './metrics-bleu.ts'
import { type ChrfOptions, chrf } from './metrics-chrf.ts'
import { characterErrorRate, editCount, wordErrorRate } from './metrics-edits.ts'
import { type EntityScore, entityScores } from './metrics-entities.ts'

const near = { relative: 1e-6, absolute: 1e-9 }

describe('chrf', () => {
  it.each(loadFixture('text/chrf.json').cases)('$name', ({ options, arrays }) => {
    const hypotheses = options.hypotheses as string[]
    const references = options.references as string[][]
    const whole = chrf(options.settings as ChrfOptions)
    whole.update(references, hypotheses)
    expectClose([whole.result], arrays.score.data, near, 'score')
    const streamed = chrf(options.settings as ChrfOptions)
    hypotheses.forEach((one, i) => {
      streamed.update([references[i]], [one])
    })
    expect(streamed.result).toBe(whole.result)
    const restored = chrf(options.settings as ChrfOptions)
    restored.state = whole.state
    expect(restored.result).toBe(whole.result)
    restored.reset()
    expect(restored.result).toBe(0)
  })

  it('says what is wrong', () => {
    const wrong = (options: object) => () => chrf(options)
    expect(wrong({ charOrder: 3 })).toThrow("chrf: unknown option 'charOrder'")
    expect(wrong({ characterOrder: 0 })).toThrow("chrf 'characterOrder'")
    expect(() => chrf().update(['a'], [])).toThrow('chrf: expected 1 sentences, got 0')
    expect(() => chrf().update([[]], ['a'])).toThrow("chrf 'yTrue': no reference for sentence 0")
  })
})

describe('bleu', () => {
  it.each(loadFixture('text/bleu.json').cases)('$name', ({ options, arrays }) => {
    const hypotheses = options.hypotheses as string[]
    const references = options.references as string[][]
    const whole = bleu(options.settings as BleuOptions)
    whole.update(references, hypotheses)
    for (const key of [
      'score',
      'precisions',
      'brevityPenalty',
      'length',
      'referenceLength',
    ] as const) {
      expectClose([whole.report[key]].flat(), arrays[key].data, near, key)
    }
    const streamed = bleu(options.settings as BleuOptions)
    hypotheses.forEach((one, i) => {
      streamed.update([references[i]], [one])
    })
    expect(streamed.report).toEqual(whole.report)
  })

  it("sacreBLEU's published examples", () => {
    // mjpost/sacrebleu: test/test_bleu.py, test_corpus_bleu_cases
    const references = [
      ['The dog bit the man.', 'The dog had bit the man.'],
      ['It was not unexpected.', 'No one was surprised.'],
      ['The man bit him first.', 'The man had bitten the dog.'],
    ]
    const given = ['The dog bit the man.', "It wasn't surprising.", 'The man had just bitten him.']
    for (const [settings, expected] of [
      [{}, 48.530827],
      [{ tokenize: 'none' }, 49.1919566],
      [{ smooth: 'none' }, 48.530827],
    ] as [BleuOptions, number][]) {
      const score = bleu(settings)
      score.update(references, given)
      expect(score.result).toBeCloseTo(expected, 6)
    }
    const fest = bleu({ smooth: 'floor', smoothValue: 0.01, tokenize: 'none' })
    fest.update(['this is a test'], ['this is a fest'])
    expect(fest.result / 100).toBeCloseTo(0.223606797749979, 8)
  })

  it('is kept, restored and reset', () => {
    const score = bleu()
    score.update(['a b c d e'], ['a b c d'])
    const before = score.result
    const other = bleu()
    other.state = JSON.parse(JSON.stringify(score.state))
    expect(other.result).toBe(before)
    score.reset()
    expect(score.result).toBe(0)
    expect(other.result).toBe(before)
  })

  it('errors', () => {
    expectError(
      () => bleu({ tokenize: '13b' as never }),
      'UNKNOWN_OPTION',
      "bleu 'tokenize': unknown '13b'; did you mean '13a'?",
    )
    expectError(
      () => bleu().update(['a', 'b'], ['a']),
      'BAD_SHAPE',
      'bleu: expected 2 sentences, got 1',
    )
    expectError(
      () => bleu().update([[]], ['a']),
      'BAD_DATA',
      "bleu 'yTrue': no reference for sentence 0",
    )
  })
})

describe('error rates', () => {
  it.each(loadFixture('text/errors.json').cases)('$name', ({ options, arrays }) => {
    const references = options.references as string[]
    const hypotheses = options.hypotheses as string[]
    const rates = { wordErrorRate: wordErrorRate(), characterErrorRate: characterErrorRate() }
    for (const [name, rate] of Object.entries(rates)) {
      references.forEach((text, i) => {
        rate.update([text], [hypotheses[i]])
      })
      expectClose([rate.result], arrays[name].data, near, name)
      const again = wordErrorRate()
      again.state = rate.state
      expect(again.result).toBe(rate.result)
      rate.reset()
      expect(rate.result).toBe(0)
    }
  })

  it('edits between words of the textbooks', () => {
    expect(editCount('kitten', 'sitting')).toBe(3)
    expect(editCount('intention', 'execution')).toBe(5)
    expect(editCount([], [1, 2])).toBe(2)
    expect(editCount([1, 2], [])).toBe(2)
  })

  it('of nothing wanted', () => {
    const rate = wordErrorRate()
    rate.update([''], [''])
    expect(rate.result).toBe(0)
    rate.update([''], ['more'])
    expect(rate.result).toBe(Infinity)
    expectError(() => rate.update(['a'], []), 'BAD_SHAPE', 'wordErrorRate: expected 1 texts, got 0')
  })
})

describe('entities', () => {
  it.each(loadFixture('text/entities.json').cases)('$name', ({ options, arrays }) => {
    const wanted = options.true as string[][]
    const given = options.predicted as string[][]
    const scores = entityScores()
    wanted.forEach((sentence, i) => {
      scores.update([sentence], [given[i]])
    })
    const { report } = scores
    const row = (score: EntityScore) => [
      score.precision,
      score.recall,
      score.f1,
      score.support,
      score.found,
      score.correct,
    ]
    expectClose(row(report), arrays.all.data, near, 'all')
    expectClose([report.accuracy], arrays.accuracy.data, near, 'accuracy')
    expect(Object.keys(report.types)).toEqual(options.types)
    const byType = Object.values(report.types).flatMap(row)
    expectClose(byType, arrays.byType.data, near, 'by type')
    expect(scores.result).toBe(report.f1)
    const other = entityScores()
    other.state = JSON.parse(JSON.stringify(scores.state))
    expect(other.report).toEqual(report)
    scores.reset()
    expect(scores.result).toBe(0)
  })

  it("conlleval's published example: 459 phrases, 539 found, 371 right", () => {
    // https://www.clips.uantwerpen.be/conll2000/chunking/output.html
    const scores = entityScores()
    scores.state = { types: { NP: [459, 539, 371] }, words: 961, rightTags: 808 }
    const { precision, recall, f1, accuracy } = scores.report
    const percent = [accuracy, precision, recall, f1].map((x) => (100 * x).toFixed(2))
    expect(percent).toEqual(['84.08', '68.83', '80.83', '74.35'])
  })

  it('errors', () => {
    expectError(
      () => entityScores().update([['O', 'O']], [['O']]),
      'BAD_SHAPE',
      'entityScores: expected 2 tags in sentence 0, got 1',
    )
    expectError(
      () => entityScores().update([['X-PER']], [['O']]),
      'BAD_DATA',
      "entityScores: expected tags such as 'O', 'B-PER' or 'I-PER', got 'X-PER'",
    )
  })
})
