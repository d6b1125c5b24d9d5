/**
 * Property tests draw the same cases on every run of `npm test`, so that a change of ours and nothing
 * else decides whether they pass; `npm run test:long` draws new ones and prints the seed of a failure.
 */
import fc from 'fast-check'

if (!process.env.REFRAIN_TEST_LONG) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 1 })
