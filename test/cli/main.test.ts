/** The command as a process of its own: signals, pipes and exit status. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** As deep as dist/cli/main.js, from where the addon and package.json are found. */
const program = join(root, '.build/test-cli/main.mjs')
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-main-'))
  mkdirSync(join(root, '.build'), { recursive: true })
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: program,
    bundle: true,
    packages: 'external',
    alias: {
      '#platform': join(root, 'src/platform/node.ts'),
      '#backends': join(root, 'src/kernels/node-backends.ts'),
    },
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
  })
  const rows = Array.from({ length: 64 }, (_, i) =>
    i % 2 ? `so good it is number ${i},good` : `so bad it is number ${i},bad`,
  )
  writeFileSync(join(folder, 'data.csv'), `text,label\n${rows.join('\n')}\n`)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the program; `onText` sees what it has printed so far and may write or kill. */
function refrain(
  args: string[],
  onText: (text: string, child: ReturnType<typeof spawn>) => void = () => {},
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: folder })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      onText(stdout, child)
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.on('close', (status) => resolve({ status, stdout, stderr }))
    onText('', child)
  })
}

const train = ['train', 'classify', 'data.csv', '--out', 'data.refrain', '--patience', '400']
const size = ['--units', '4', '--epochs', '400', '--batch-size', '4']

test.skipIf(process.platform === 'win32')(
  'Ctrl-C saves a checkpoint, --resume goes on',
  async () => {
    let sent = false
    const cut = await refrain([...train, ...size], (text, child) => {
      if (!sent && text.includes('epoch   2/400')) sent = child.kill('SIGINT')
    })
    expect(cut.status).toBe(1)
    expect(cut.stderr).toMatch(
      /^refrain: interrupted in epoch \d+; saved data\.checkpoint\.refrain\. The same command with --resume goes on from there\n$/,
    )
    expect(existsSync(join(folder, 'data.refrain'))).toBe(false)
    const epoch = Number(/epoch (\d+)/.exec(cut.stderr)![1])
    const resumed = await refrain([...train, ...size, '--resume'])
    expect(resumed.stderr).toBe('')
    expect(resumed.status).toBe(0)
    expect(/epoch +(\d+)\/400/.exec(resumed.stdout)![1]).toBe(String(epoch))
    expect(existsSync(join(folder, 'data.refrain'))).toBe(true)
    expect(existsSync(join(folder, 'data.checkpoint.refrain'))).toBe(false)
  },
)

test('predict answers each line as it comes, and ends with its input', async () => {
  await refrain([...train, '--units', '4', '--epochs', '1'])
  let asked = 0
  const { status, stdout, stderr } = await refrain(['predict', 'data.refrain'], (text, child) => {
    const answered = text.split('\n').length - 1
    if (asked > answered) return
    if (asked === 3) child.stdin!.end()
    else child.stdin!.write(`${JSON.stringify({ text: 'so good', asked })}\n`)
    asked++
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const ids = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).asked)
  expect(ids).toEqual([0, 1, 2])
})

test('a reader that stops early is no failure', async () => {
  const { status, stderr } = await refrain(['--help'], (text, child) => {
    if (text === '') child.stdout!.destroy()
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

test('one line on standard error, status 1', async () => {
  expect(await refrain(['inspect', 'none.refrain'])).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/^refrain: [^\n]*none\.refrain[^\n]*\n$/),
  })
})
