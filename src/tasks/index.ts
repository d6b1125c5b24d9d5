/** What Refrain does with raw data: the entry `refrain/tasks`. */
export {
  accuracyOf,
  type BagOfWords,
  type BagOfWordsOptions,
  bagOfWords,
  majorityClass,
} from './baselines.ts'
export * as classify from './classify/index.ts'
export * as forecast from './forecast/index.ts'
export * as generate from './generate/index.ts'
export * as regress from './regress.ts'
export * as tag from './tag/index.ts'
export * as translate from './translate/index.ts'
