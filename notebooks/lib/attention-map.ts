/** Where a translation looked, as a heat map. */
export { attentionMap } from '../../src/cli/charts.ts'
