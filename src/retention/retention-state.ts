/**
 * The cache of a retention layer: one matrix for each head, of the same size after 10 tokens as
 * after 1,000,000.
 *
 *   bytes = B · H · Dk · Dv · 4
 *
 * A KV cache keeps every key and value. The state keeps only their decayed sum: it does not grow,
 * but what has decayed cannot be read again. Before the first token it holds zeros.
 */
import * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../layers/mixer';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkCount, readShapes } from '../tensor/shapes';
import { SharedTensors } from '../tensor/shared-tensors';

export interface RetentionStateSize {
  batch: number;
  heads: number;
  keyDim: number; // Dk
  valueDim: number; // Dv
}

export class RetentionState implements LayerCache {
  lengths: readonly number[]; // [B]
  private held?: SharedTensors<{ state: tf.Tensor4D }>;

  /** Zeros, or what `from` holds. @throws RangeError unless every size is 1 or more. */
  constructor(
    private readonly size: RetentionStateSize,
    from?: RetentionState,
  ) {
    for (const [name, n] of Object.entries(size)) checkCount('RetentionState', name, n, name);
    const { batch, heads, keyDim, valueDim } = size;
    this.lengths = from?.lengths ?? new Array<number>(batch).fill(0);
    this.held =
      from?.usable('fork').share() ??
      new SharedTensors({ state: tf.zeros([batch, heads, keyDim, valueDim]) as tf.Tensor4D });
  }

  get length(): number {
    return Math.max(...this.lengths);
  }
  get bytes(): number {
    return this.held?.bytes ?? 0;
  }
  /** [B, H, Dk, Dv], for reading: the cache owns it. @throws Error after `dispose`. */
  get state(): tf.Tensor4D {
    return this.usable('state').tensors.state;
  }

  /**
   * Replaces the state by the one after `positions` more positions, of which the first
   * `padLengths[row]` hold no token. The cache owns the new state from now on.
   * @throws RangeError if its shape differs. @throws Error after `dispose`.
   */
  advance(state: tf.Tensor4D, positions: number, padLengths?: PadLengths): void {
    const before = this.usable('advance');
    const shapes = { held: 'B H Dk Dv', state: 'B H Dk Dv' };
    readShapes('RetentionState.advance', shapes, { held: before.tensors.state, state });
    checkCount('RetentionState.advance', 'positions', positions, 'positions');
    before.release();
    this.held = new SharedTensors({ state });
    this.lengths = lengthsAfter(this.lengths, positions, padLengths);
  }

  fork(): RetentionState {
    return new RetentionState(this.size, this);
  }
  snapshot(): { state: tf.Tensor4D } {
    return { state: this.usable('snapshot').tensors.state.clone() };
  }
  dispose(): void {
    this.held?.release();
    this.held = undefined;
  }

  private usable(method: string): SharedTensors<{ state: tf.Tensor4D }> {
    if (this.held) return this.held;
    throw new Error(`RetentionState.${method}: the cache was disposed; make a new one.`);
  }
}
