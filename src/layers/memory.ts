/**
 * What a token mixer remembers of the tokens it has taken: a state, a ring, or a cache that grows.
 *
 * Memory is a value that the caller holds. It is the only clock: the next token stands at position `length`.
 */
import type * as tf from '@tensorflow/tfjs';

export interface Memory {
  /** Tokens taken so far, hence the position of the next one; of the longest row, if rows differ. */
  readonly length: number;
  /** The same for each row of the batch (see padding.ts). */
  readonly lengths: readonly number[];
  /** Bytes of the numbers held now. */
  readonly bytes: number;
  /** A second future of the same past: cheap, because tensors are shared until one side moves on. Dispose it too. */
  fork(): Memory;
  /** Copies of what is held, by name, for looking and for tests. The caller disposes them. */
  read(): Record<string, tf.Tensor>;
  dispose(): void;
}
