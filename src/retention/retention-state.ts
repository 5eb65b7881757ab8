/**
 * The memory of a retention layer: one matrix per head, the same size after 10 tokens as after 1,000,000.
 *
 *   bytes = B · H · Dk · Dv · 4
 *
 * That is all the layer keeps of the text. Compare the growing cache, which keeps every key and value. The price is that
 * the matrix is a blackboard, not a library: what has faded cannot be looked up again.
 *
 * Before the first token it holds zeros, so its size does not depend on the length at all.
 */
import * as tf from '@tensorflow/tfjs';
import type { Memory } from '../layers/memory';
import { lengthsAfter, longest, type Padding } from '../layers/padding';
import { checkCount, readShapes } from '../tensor/shapes';

export interface RetentionStateSize {
  batch: number;
  heads: number;
  /** Dk and Dv: features of a key and of a value, per head. */
  keyDim: number;
  valueDim: number;
}

/** A tensor and how many memories point at it; the last one to move on frees it. */
interface Shared {
  state: tf.Tensor4D;
  users: number;
}

export class RetentionState implements Memory {
  private held?: Shared;
  private taken: readonly number[];

  /** Empty, or standing where `past` stands. @throws RangeError unless every size is 1 or more. */
  constructor(
    private readonly size: RetentionStateSize,
    past?: RetentionState,
  ) {
    for (const [name, n] of Object.entries(size)) checkCount('RetentionState', name, n, 'units');
    const { batch, heads, keyDim, valueDim } = size;
    // keep: memories are made and fed inside somebody's tidy, which would free them at its closing brace.
    this.held = past
      ? past.alive()
      : { state: tf.keep(tf.zeros([batch, heads, keyDim, valueDim])), users: 0 };
    this.held.users++;
    this.taken = past?.lengths ?? new Array<number>(batch).fill(0);
  }

  get length(): number {
    return longest(this.taken);
  }
  get lengths(): readonly number[] {
    return this.taken;
  }
  get bytes(): number {
    return 4 * (this.held?.state.size ?? 0);
  }
  /** [B,H,Dk,Dv], for reading: the memory owns it. @throws Error after `dispose`. */
  get state(): tf.Tensor4D {
    return this.alive().state;
  }

  /** Moves on by `tokens`, less each row's padding: the state after them replaces the one before, and belongs to the memory from now on. */
  advance(state: tf.Tensor4D, tokens: number, padding?: Padding): void {
    readShapes(
      'RetentionState.advance',
      { held: 'B H Dk Dv', state: 'B H Dk Dv' },
      { held: this.state, state },
    );
    checkCount('RetentionState.advance', 'tokens', tokens, 'tokens');
    this.release();
    this.held = { state: tf.keep(state), users: 1 };
    this.taken = lengthsAfter(this.taken, tokens, padding);
  }

  /** Points at the same numbers: a tensor never changes, and whoever moves on first takes a new one. Nothing is copied. */
  fork(): RetentionState {
    return new RetentionState(this.size, this);
  }
  read(): { state: tf.Tensor4D } {
    return { state: this.state.clone() };
  }
  dispose(): void {
    this.release();
  }

  private alive(): Shared {
    if (!this.held)
      throw new Error(
        'RetentionState: this memory has been disposed; start a new one with newMemory().',
      );
    return this.held;
  }
  // Counted by hand, because `clone` is no cheap view everywhere: on wasm it copies.
  private release(): void {
    if (this.held && --this.held.users === 0) this.held.state.dispose();
    this.held = undefined;
  }
}
