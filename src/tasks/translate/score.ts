/** How good translations are. */
import { type BleuReport, bleu } from '../../train/metrics-bleu.ts'
import { chrf } from '../../train/metrics-chrf.ts'
import { editCount } from '../../train/metrics-edits.ts'

/** Scores of translations against references. */
export interface TranslationScores {
  /** Sentences. */
  readonly examples: number
  /** As sacreBLEU counts it by default: 13a tokens, case matters, 0 to 100. */
  readonly bleu: BleuReport
  /** chrF as sacreBLEU counts it by default, 0 to 100: n-grams of characters, which forgive endings. */
  readonly chrf: number
  /**
   * Insertions, deletions and substitutions between what stands between spaces, as a share of the
   * references': word error of sentences, phone error of pronunciations. Of several references the one
   * with the fewest counts.
   */
  readonly tokenErrorRate: number
  /** Share of the translations that are not a reference, sign by sign: word error of pronunciations. */
  readonly errorRate: number
}

/** Scores translations; each has at least one reference. */
export function scoreTranslations(
  references: readonly (readonly string[])[],
  translations: readonly string[],
): TranslationScores {
  const score = bleu()
  score.update(references, translations)
  const characters = chrf()
  characters.update(references, translations)
  let edits = 0
  let length = 0
  let wrong = 0
  const words = (text: string) => text.split(/\s+/u).filter(Boolean)
  references.forEach((own, i) => {
    const given = words(translations[i])
    let least = Infinity
    let size = 0
    for (const text of own) {
      const wanted = words(text)
      const count = editCount(wanted, given)
      if (count >= least) continue
      least = count
      size = wanted.length
    }
    edits += least
    length += size
    if (!own.includes(translations[i])) wrong++
  })
  return {
    examples: translations.length,
    bleu: score.report,
    chrf: characters.result,
    tokenErrorRate: edits / Math.max(1, length),
    errorRate: wrong / Math.max(1, translations.length),
  }
}
