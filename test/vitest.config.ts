import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'test',
    include: ['**/*.test.ts'],
    // One TensorFlow.js engine per process: its registry of kernels and its ledger are global.
    pool: 'forks',
    testTimeout: 60_000,
  },
});
