/**
 * How a long computation hears that the reader wants it to stop: ■ in a notebook.
 *
 *   const interruption = new Interruption();
 *   while (…) {
 *     … one step …
 *     await interruption.check(() => `after step ${step}`);
 *   }
 *
 * JavaScript hears nothing while it computes, so a loop pauses between two steps. The host (the
 * notebook's kernel) puts an AbortSignal where loops find it, and after each interrupt a new one,
 * which belongs to what begins later. Without a host there is only the pause.
 */
import * as tf from '@tensorflow/tfjs';

const HOST = Symbol.for('cache-once.interrupt'); // kernel.cjs has the same
const LONGEST_STRETCH_MS = 20;

/** The reader has stopped a computation. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

export class Interruption {
  private readonly signal = (globalThis as { [HOST]?: AbortSignal })[HOST];
  private pausedAt = Number.NEGATIVE_INFINITY;

  get isRequested(): boolean {
    return this.signal?.aborted ?? false;
  }

  /**
   * Gives signals and timers their turn, the first time always. `where` says what has been done,
   * and what to do next.
   * @throws Interrupted if the reader wants to stop what began before.
   */
  async check(where: () => string): Promise<void> {
    if (performance.now() - this.pausedAt > LONGEST_STRETCH_MS) {
      await tf.nextFrame();
      this.pausedAt = performance.now();
    }
    if (this.isRequested) throw new Interrupted(where());
  }
}
