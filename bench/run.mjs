/**
 * `npm run bench <name> [-- options]`: runs one of the benchmarks below, or says which there are.
 * Their packages are a project of their own, so that `npm ci` in the root never installs them.
 */
const benchmarks = {
  speed: 'a training step and a prediction beside the rivals (speed --help for its options)',
  curves: 'a training step and a prediction against B, T and U',
  encoding: 'texts to ids, as a share of the first epoch',
  learning: 'how well the tasks learn real data: learning -- NAME [--seeds 3]',
  report: 'joins results of several runs on one day: tables, figures to reach, plot',
}

const [name, ...args] = process.argv.slice(2)
if (name === undefined || !Object.hasOwn(benchmarks, name)) {
  const wrong = name !== undefined && name !== '--help'
  if (wrong) console.error(`bench: no benchmark '${name}'`)
  const lines = Object.entries(benchmarks).map(
    ([key, what]) => `  npm run bench ${key.padEnd(10)}${what}`,
  )
  console.log(lines.join('\n'))
  process.exit(wrong ? 1 : 0)
}
const { main } = await import(`./${name}.mjs`)
process.exitCode = await main(args)
