/**
 * A repair of tslab's compiler: without it, a file that is created below the repository (a new
 * module, or what an editor writes beside the file that it saves) breaks every later cell with
 * "Unexpected pending rebuildTimer".
 *
 * tslab takes over the timers of TypeScript's watch mode and knows only one of them, the next
 * compilation. After a new file TypeScript sets a second one, to look again for modules that it has
 * not found. Nobody need wait for that one: the next compilation, which is the next cell, looks for
 * such modules anyway.
 */
const { createRequire } = require('node:module');

const ofTslab = createRequire(require.resolve('tslab/dist/main.js'));
const path = ofTslab.resolve('@tslab/typescript-for-tslab');
const typescript = ofTslab(path);

function createWatchProgram(host) {
  const { setTimeout, clearTimeout } = host;
  const neverDue = {};
  host.setTimeout = (callback, ...rest) =>
    callback.name === 'invalidateResolutionsOfFailedLookup'
      ? neverDue
      : setTimeout(callback, ...rest);
  host.clearTimeout = (timer) => {
    if (timer !== neverDue) clearTimeout(timer);
  };
  return typescript.createWatchProgram(host);
}

require.cache[path].exports = { ...typescript, createWatchProgram };
