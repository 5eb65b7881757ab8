/**
 * Waiting for a graphics card without letting go of the thread.
 *
 * WebGPU answers by promise only: whoever wants a number must return to the event loop first. A textbook's loops want
 * `x.dataSync()`, and so does everything inside `tf.tidy`. In a browser the backend draws the numbers on a canvas and reads
 * the picture back; Node has no canvas, and the stock `dataSync` throws.
 *
 * But look at how Dawn itself learns that the card is done: after each call that leaves something open it hands
 * `setImmediate` a small native function, the tick, which asks the driver, settles what is settled, and comes again while
 * anything is open. So this file stands between Dawn and `setImmediate`, keeps the latest tick, and calls it in a loop until
 * the answer is there. A tick that was run early does nothing when the event loop comes to it.
 */

let latest: (() => void) | undefined;
let installed = false;

/** Dawn's ticks are compiled functions without a name; whoever schedules JavaScript, or a bound function, is left alone. */
const isTick = (f: unknown): f is () => void =>
  typeof f === 'function' && f.name === '' && /\[native code\]/.test(Function.prototype.toString.call(f));

/** Starts watching `setImmediate`. Must come before Dawn is loaded, so that no tick is under way unseen; a second call changes nothing. */
export function onTick(): void {
  if (installed) return;
  installed = true;
  const schedule = globalThis.setImmediate;
  const watched = (callback: (...given: unknown[]) => void, ...given: unknown[]): NodeJS.Immediate => {
    if (!isTick(callback)) return schedule(callback, ...given);
    const once = (): void => {
      if (latest !== once) return;
      latest = undefined;
      callback();
    };
    latest = once;
    return schedule(once);
  };
  // promisify(setImmediate) keeps working.
  Object.defineProperties(watched, Object.getOwnPropertyDescriptors(schedule));
  globalThis.setImmediate = watched as unknown as typeof setImmediate;
}

/** Runs Dawn's ticks until `done()`. False if it never will be: Dawn has nothing open any more. */
export function waitFor(done: () => boolean): boolean {
  while (!done()) {
    if (!latest) return false;
    latest();
  }
  return true;
}
