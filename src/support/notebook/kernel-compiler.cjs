/**
 * Two changes of tslab's compiler, and a way to ask it.
 *
 * Modules that have not changed are neither checked nor translated again (kernel-modules.cjs).
 *
 * And a repair: without it, a file that is created below the repository (a new module, or what an
 * editor writes beside the file that it saves) breaks every later cell with "Unexpected pending
 * rebuildTimer". tslab takes over the timers of TypeScript's watch mode and knows only one of them,
 * the next compilation. After a new file TypeScript sets a second one, to look again for modules
 * that it has not found. Nobody need wait for that one: the next compilation, which is the next
 * cell, looks for such modules anyway.
 */
const { createRequire } = require('node:module');
const path = require('node:path');
const { callDocs } = require('./kernel-docs.cjs');
const { cacheModules } = require('./kernel-modules.cjs');

const ofTslab = createRequire(require.resolve('tslab/dist/main.js'));
const location = ofTslab.resolve('@tslab/typescript-for-tslab');
const typescript = { ...ofTslab(location) };
require.cache[location].exports = typescript;

const saveModules = cacheModules(typescript);

let program; // the latest
const { createWatchProgram } = typescript;
typescript.createWatchProgram = (host) => {
  const { setTimeout, clearTimeout, afterProgramCreate } = host;
  host.afterProgramCreate = (builder) => {
    program = builder.getProgram();
    afterProgramCreate(builder);
  };
  const neverDue = {};
  host.setTimeout = (callback, ...rest) =>
    callback.name === 'invalidateResolutionsOfFailedLookup'
      ? neverDue
      : setTimeout(callback, ...rest);
  host.clearTimeout = (timer) => {
    if (timer !== neverDue) clearTimeout(timer);
  };
  return createWatchProgram(host);
};

/** What to show of the name at or before this position of the cell that was asked about. */
function docsAt(position) {
  const file = typescript.normalizePath(path.join(process.cwd(), '__tslab__.ts'));
  const inFile = position + `export {};${typescript.sys.newLine}`.length; // tslab's first line
  return [inFile, inFile - 1].map((at) => callDocs(typescript, program, file, at)).find(Boolean);
}

module.exports = { docsAt, saveModules };
