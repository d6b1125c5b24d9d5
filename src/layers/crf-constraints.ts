/** Which labels may follow which in a CRF's paths. */
import { RefrainError, show } from '../errors.ts'
import { suggest } from '../util/check.ts'
import { mayFollow, parseTag, type Tag, type TagScheme, tagSchemes } from '../util/tags.ts'

/** Plain JSON for K labels, so that it stands in files. */
export interface CrfConstraints {
  /** [K,K]; whether label i may be followed by label j. */
  readonly transitions: readonly (readonly boolean[])[]
  /** [K]; whether a path may begin with the label. */
  readonly start: readonly boolean[]
  /** [K]; whether a path may end with the label. */
  readonly end: readonly boolean[]
}

/**
 * The constraints of tags that mark spans: which tag may follow which, begin a sequence and end it.
 *
 *     const labels = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']
 *     crf({ constraints: bioConstraints(labels) })
 *
 * @param labels the tag of each class number
 * @param scheme default: 'BIOES' if a label has one of its prefixes (E-, S-, L-, U-), else 'BIO'
 *
 * Throws `BAD_DATA` for a label that is not a tag.
 */
export function bioConstraints(labels: readonly string[], scheme?: TagScheme): CrfConstraints {
  if (!Array.isArray(labels) || labels.length === 0) {
    throw new RefrainError('BAD_ARGUMENT', `bioConstraints: expected labels, got ${show(labels)}`)
  }
  const tags = labels.map((label) => parseTag('bioConstraints', label))
  const found = tags.some(({ place }) => place === 'E' || place === 'S') ? 'BIOES' : 'BIO'
  const used = scheme ?? found
  if (!tagSchemes.includes(used)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `bioConstraints: unknown scheme ${show(scheme)}`,
      suggest(String(scheme), tagSchemes),
    )
  }
  const edge: Tag = { place: 'O', type: '' }
  return {
    transitions: tags.map((from) => tags.map((to) => mayFollow[used](from, to))),
    start: tags.map((tag) => mayFollow[used](edge, tag)),
    end: tags.map((tag) => mayFollow[used](tag, edge)),
  }
}
