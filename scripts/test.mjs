/**
 * `npm test`: format and lint, types, import directions, then the tests.
 *
 *   npm test                    everything but the tests named *.long.test.ts
 *   npm run test:long           those too, and new cases for the property tests
 *   npm test -- src/kernels     only the tests whose path contains a name
 *
 * Arguments (-t, -u, --reporter=… too) are passed on to Vitest; with any, the checks are left out.
 */
import { attempt, build, node } from './stages.mjs'

const long = process.argv.includes('--long')
if (long) process.env.REFRAIN_TEST_LONG = '1'
const rest = process.argv.slice(2).filter((argument) => argument !== '--long')

await build()

const passed = []
if (rest.length === 0) {
  passed.push(
    ...(await Promise.all([
      attempt('format and lint', async () => {
        await node('node_modules/@biomejs/biome/bin/biome', [
          'ci',
          '--colors=off',
          '--error-on-warnings',
          '.',
        ])
      }),
      attempt('types', async () => {
        await node('node_modules/typescript/bin/tsc', ['--noEmit'])
      }),
      attempt('imports', () => node('scripts/check-imports.mjs')),
      ...(long
        ? [
            // Fails where a public name has no docstring.
            attempt('documentation', async () => {
              const only = ['--emit', 'none', '--treatWarningsAsErrors']
              await node('node_modules/typedoc/bin/typedoc', only)
            }),
          ]
        : []),
    ])),
  )
}

const wantsLong = long || rest.some((argument) => argument.includes('.long'))
const skip = wantsLong ? [] : ['--exclude', '**/*.long.test.ts']
passed.push(
  await attempt('tests', async () => {
    await node('node_modules/vitest/vitest.mjs', ['run', ...skip, ...rest], { inherit: true })
  }),
)
if (passed.includes(false)) process.exit(1)
