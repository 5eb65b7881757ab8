import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'test',
    include: ['**/*.test.ts'],
    // One TensorFlow.js engine per process: its registry of kernels and its ledger are global.
    pool: 'forks',
    testTimeout: 60_000,
    // For `npm test -- --coverage`: a summary on the screen, the pages in a folder that git
    // ignores.
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      // commands run in processes of their own, which are not measured
      exclude: ['src/support/cli/**'],
      reporter: ['text-summary', 'html'],
      reportsDirectory: '.cache/coverage',
    },
  },
});
