/**
 * docs/command.md is what the command itself says with --help. After a change:
 * npx vitest run test/cli/command-page -u
 */
import { expect, test } from 'vitest'
import { tasks } from '../../src/cli/tasks/index.ts'
import { Workplace } from './harness.ts'

const { prints } = new Workplace()

const intro = `# The command

What \`refrain --help\` says, verb by verb; this page is made from it. \`npx refrain\` runs it where the package
is installed, \`node dist/cli/main.js\` in the repository. What the tasks are and how their data look:
[docs/tasks](tasks).

    refrain train classify reviews.csv --text review --label sentiment --out reviews.refrain
    refrain evaluate reviews.refrain test.csv
    refrain predict reviews.refrain "a fine film"
    refrain explain reviews.refrain "a fine film"
    refrain train generate tunes.abc --out tunes.refrain
    refrain generate tunes.refrain --out tune.mid

Where a model is asked for, the name of one that comes with Refrain will do, too: \`refrain predict sentiment
"a fine film"\`. \`refrain predict <model> --help\` shows the options of that model's task alone.

The exit status is 0, or 1 with one line on standard error that says what is wrong and what to do; \`--debug\`
adds where it arose. With \`--json\` each line printed is one JSON object. Ctrl-C during training saves a
checkpoint, from which the same command with \`--resume\` goes on.
`

/** The help of a verb as a section. */
async function section(...verb: string[]) {
  const help = (await prints([...verb, '--help'])).trimEnd()
  const lines = help.split('\n').map((line) => (line.trim() === '' ? '' : `    ${line}`))
  return `${verb.length > 1 ? '###' : '##'} refrain ${verb.join(' ')}\n\n${lines.join('\n')}\n`
}

test('docs/command.md agrees with --help', async () => {
  const page = [intro, await section('train')]
  for (const { name } of tasks) page.push(await section('train', name))
  for (const verb of [
    'evaluate',
    'predict',
    'generate',
    'inspect',
    'convert',
    'explain',
    'doctor',
  ]) {
    page.push(await section(verb))
  }
  await expect(page.join('\n')).toMatchFileSnapshot('../../docs/command.md')
})

test('the page has every verb', async () => {
  const help = await prints(['--help'])
  const verbs = [...help.matchAll(/^ {2}([a-z]+)[ \n]/gm)].map(([, verb]) => verb)
  expect(verbs.filter((verb) => verb !== 'help').sort()).toEqual(
    ['train', 'evaluate', 'predict', 'generate', 'inspect', 'convert', 'explain', 'doctor'].sort(),
  )
})
