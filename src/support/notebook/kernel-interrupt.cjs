/**
 * ■ in a notebook, which reaches the kernel as SIGINT.
 *
 *   a cell that waits       its loops are asked to stop (src/tensor/interruption.ts); a cell that
 *                           still runs after some seconds, or at the second ■, is left as it is
 *   a cell that computes    Node cuts it wherever it is; TensorFlow.js is then made whole again
 *
 * tslab alone ends the cell, but what the cell waited for goes on behind the reader's back.
 */
const HOST = Symbol.for('cache-once.interrupt'); // interruption.ts has the same
const PATIENCE_MS = 3000;

let controller;
/** Asks all loops that have begun so far to stop; those that begin later see another signal. */
function askLoopsToStop() {
  controller?.abort();
  controller = new AbortController();
  globalThis[HOST] = controller.signal;
}
askLoopsToStop();

let current; // the cell that runs
let force = () => undefined; // tslab's interrupt: the cell ends, whatever it waits for

/** Takes over from tslab, once its kernel has started. */
function takeOverInterrupts() {
  force = process.listeners('SIGINT').at(-1);
  process.off('SIGINT', force);
  process.on('SIGINT', () => {
    askLoopsToStop();
    if (!current) return;
    if (current.timer) force();
    const cell = current;
    cell.timer ??= setTimeout(() => cell === current && force(), PATIENCE_MS);
  });
}

/** Runs a cell, which interrupts then are about. */
async function interruptible(runCell) {
  const cell = {};
  current = cell;
  try {
    return await runCell();
  } finally {
    clearTimeout(cell.timer);
    current = undefined;
  }
}

/** What to tell of an interrupted cell; undefined for another error. */
function interruptedText(thrown) {
  if (thrown?.message === 'Interrupted asynchronously') {
    return 'Interrupted: the cell has ended; what it waited for may still go on.';
  }
  if (thrown?.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') return undefined;
  askLoopsToStop();
  closeScopes();
  return 'Interrupted: the cell was stopped where it was.';
}

/** Ends tidy, gradients and kernels that a cut has left open: nothing else would free theirs. */
function closeScopes() {
  const engine = require.cache[require.resolve('@tensorflow/tfjs-core')]?.exports.engine();
  if (!engine) return;
  const { state } = engine;
  while (state.scopeStack.length > 0) engine.endScope();
  Object.assign(state, { kernelDepth: 0, gradientDepth: 0, activeTape: null });
}

module.exports = { interruptedText, interruptible, takeOverInterrupts };
