/**
 * Where a worker thread begins. A fresh thread knows plain JavaScript only, whoever started it: the notebook kernel keeps
 * its compiled modules to itself, and so does the test runner. tsx teaches this thread TypeScript, from the same sources.
 */
require('tsx/cjs');
require('./device-thread.ts');
