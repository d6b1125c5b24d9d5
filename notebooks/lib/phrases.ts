/** Short judgements of films and food, made for these notebooks: 58 to learn from and 20 to be tested on. */

/** A phrase and whether it is positive, 1, or negative, 0. */
export interface Phrase {
  readonly text: string
  readonly label: 0 | 1
}

/** All words that occur, 18. */
export const words =
  'all and at awful bad but earlier film food good great is never not now the very was'.split(' ')

/** 29 pairs of a positive and a negative phrase, in turns. */
export const training = phrases(`
  good | bad
  great | awful
  very good | very bad
  not bad | not good
  not awful | not great
  never bad | never good
  not bad at all | not good at all
  the film is good | the film is bad
  the film was great | the film was awful
  the food is great | the food is awful
  the food was very good | the food was very bad
  the food is not bad | the food is not good
  the film was not awful | the film was not great
  the film is never bad | the film is never good
  the food was not bad at all | the food was not great at all
  good and great | bad and awful
  very good and not bad | very bad and not good
  never awful and very good | never great and very bad
  the film is great and the food is good | the film is awful and the food is bad
  the food is good and not bad at all | the food is bad and not good at all
  bad earlier but good now | good earlier but bad now
  awful earlier but great now | great earlier but awful now
  not good earlier but good now | not bad earlier but bad now
  awful earlier but not bad now | great earlier but not good now
  the film was bad but the food was good | the film was good but the food was bad
  the food was awful but the film was great | the food was great but the film was awful
  the film was bad earlier but is good now | the food was good earlier but is bad now
  the food was good earlier and is great now | the food was bad earlier and is awful now
  the film was very bad earlier but is great now | the film was very good earlier but is awful now
`)

/** 10 such pairs, none of which is among those to learn from. */
export const test = phrases(`
  the food is very good | the film is very bad
  the film is not awful | the food is not great
  never awful | never great
  the film is not bad at all | the film is not good at all
  great and not bad | awful and not good
  the food was bad earlier but is great now | the film was good earlier but is awful now
  the film was awful but the food is great | the food was great but the film is bad
  not great earlier but great now | not awful earlier but awful now
  the film was never bad | the food was never good
  the film was good and is great now | the film was bad and is awful now
`)

/** The numbers of a phrase's words, by their places in `words`. */
export const numbers = (text: string): number[] =>
  text.split(' ').map((word) => {
    const number = words.indexOf(word)
    if (number < 0) throw new RangeError(`phrases: '${word}' is not one of ${words.join(', ')}`)
    return number
  })

/** Numbers of words as vectors with a single 1, [T, 18]. */
export const oneHot = (of: readonly number[]): number[][] =>
  of.map((number) => words.map((_, i) => (i === number ? 1 : 0)))

function phrases(pairs: string): Phrase[] {
  return pairs
    .trim()
    .split('\n')
    .flatMap((pair) => {
      const [positive, negative] = pair.split('|').map((text) => text.trim())
      return [
        { text: positive, label: 1 },
        { text: negative, label: 0 },
      ] as const
    })
}
