import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: '#platform', replacement: at('./src/platform/node.ts') },
      { find: '#backends', replacement: at('./src/kernels/node-backends.ts') },
      { find: '#foreign', replacement: at('./src/formats/foreign.ts') },
      { find: /^refrain$/, replacement: at('./src/index.ts') },
      { find: /^refrain\/(\w+)$/, replacement: at('./src/$1/index.ts') },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
