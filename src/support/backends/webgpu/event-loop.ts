/**
 * Waiting for a graphics card without returning to the event loop.
 *
 * WebGPU answers by promise only: a program must return to the event loop before it can have a
 * number. The loops of a textbook need `x.dataSync()`, and so does everything inside `tf.tidy`. In
 * a browser the backend draws the numbers on a canvas and reads the image back; Node has no canvas,
 * and upstream's `dataSync` throws.
 *
 * Dawn itself learns that the card has finished like this: after each call that leaves something
 * pending it gives `setImmediate` a small native function, the tick, which asks the driver, settles
 * the promises that are done, and schedules itself again while anything is pending. So this file
 * wraps `setImmediate`, remembers the tick that is due, and calls it in a loop until the answer is
 * there. A tick that has already run does nothing when the event loop comes to it.
 */

let due: (() => void) | undefined;
let waiting = false;
let scheduleDue: (() => NodeJS.Immediate) | undefined;

/** Dawn's ticks are native functions without a name; other callbacks are passed on unchanged. */
const isTick = (f: unknown): f is () => void =>
  typeof f === 'function' &&
  f.name === '' &&
  /\[native code\]/.test(Function.prototype.toString.call(f));

/**
 * Starts watching `setImmediate`; a second call changes nothing. Must come before Dawn is loaded,
 * so that no tick is missed.
 */
export function watchTicks(): void {
  if (scheduleDue) return;
  const schedule = globalThis.setImmediate;
  scheduleDue = () => {
    const tick = due;
    return schedule(() => {
      if (due === tick) runDue();
    });
  };
  const watched = (
    callback: (...args: unknown[]) => void,
    ...args: unknown[]
  ): NodeJS.Immediate | undefined => {
    if (!isTick(callback)) return schedule(callback, ...args);
    due = callback;
    // While we wait there are thousands of ticks: only the last one is left to the event loop.
    return waiting ? undefined : scheduleDue?.();
  };
  // Copies the properties too, so that promisify(setImmediate) keeps working.
  Object.defineProperties(watched, Object.getOwnPropertyDescriptors(schedule));
  globalThis.setImmediate = watched as unknown as typeof setImmediate;
}

function runDue(): void {
  const tick = due;
  due = undefined;
  tick?.();
}

const clock = new Int32Array(new SharedArrayBuffer(4));
/**
 * Short answers come within a few hundred ticks; after those we pause between ticks, because a
 * software device needs the processor.
 */
const TICKS_WITHOUT_PAUSE = 300;
const PAUSE_MS = 0.05;

/** Runs Dawn's ticks until `done()`. False if that cannot happen: nothing is pending any more. */
export function waitFor(done: () => boolean): boolean {
  waiting = true;
  try {
    for (let ticks = 0; !done(); ticks++) {
      if (!due) return false;
      if (ticks > TICKS_WITHOUT_PAUSE) Atomics.wait(clock, 0, 0, PAUSE_MS);
      runDue();
    }
    return true;
  } finally {
    waiting = false;
    if (due) scheduleDue?.();
  }
}
