/**
 * What a worker thread runs. A new thread knows plain JavaScript only, whatever compiles the thread
 * that starts it (tslab, vitest, tsx); with tsx it can run the TypeScript sources.
 */
require('tsx/cjs');
const { parentPort, workerData } = require('node:worker_threads');
const { serveTasks } = require('./device.ts');

serveTasks(parentPort, workerData);
