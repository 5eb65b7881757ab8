/**
 * Waiting for a graphics card without letting go of the thread.
 *
 * WebGPU answers by promise only: whoever wants a number must return to the event loop first. A textbook's loops want
 * `x.dataSync()`, and so does everything inside `tf.tidy`. In a browser the backend draws the numbers on a canvas and reads
 * the picture back; Node has no canvas, and the stock `dataSync` throws.
 *
 * But look at how Dawn itself learns that the card is done: after each call that leaves something open it hands
 * `setImmediate` a small native function, the tick, which asks the driver, settles what is settled, and comes again while
 * anything is open. So this file stands between Dawn and `setImmediate`, knows the tick that is due, and calls it in a loop
 * until the answer is there. A tick that was run early does nothing when the event loop comes to it.
 */

let due: (() => void) | undefined;
let waiting = false;
let scheduleDue: (() => NodeJS.Immediate) | undefined;

/** Dawn's ticks are compiled functions without a name; whoever schedules JavaScript, or a bound function, is left alone. */
const isTick = (f: unknown): f is () => void =>
  typeof f === 'function' &&
  f.name === '' &&
  /\[native code\]/.test(Function.prototype.toString.call(f));

/** Starts watching `setImmediate`. Must come before Dawn is loaded, so that no tick is under way unseen; a second call changes nothing. */
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
    callback: (...given: unknown[]) => void,
    ...given: unknown[]
  ): NodeJS.Immediate | undefined => {
    if (!isTick(callback)) return schedule(callback, ...given);
    due = callback;
    // While we wait, thousands of ticks come and go: only the last one is left to the event loop.
    return waiting ? undefined : scheduleDue?.();
  };
  Object.defineProperties(watched, Object.getOwnPropertyDescriptors(schedule)); // promisify(setImmediate) keeps working
  globalThis.setImmediate = watched as unknown as typeof setImmediate;
}

function runDue(): void {
  const tick = due;
  due = undefined;
  tick?.();
}

const clock = new Int32Array(new SharedArrayBuffer(4));
/** Short answers come within a few hundred ticks; after those the processor is left to others (a software device needs it). */
const EAGER_TICKS = 300;
const PAUSE_MS = 0.05;

/** Runs Dawn's ticks until `done()`. False if it never will be: nothing is open any more. */
export function waitFor(done: () => boolean): boolean {
  waiting = true;
  try {
    for (let ticks = 0; !done(); ticks++) {
      if (!due) return false;
      if (ticks > EAGER_TICKS) Atomics.wait(clock, 0, 0, PAUSE_MS);
      runDue();
    }
    return true;
  } finally {
    waiting = false;
    if (due) scheduleDue?.();
  }
}
