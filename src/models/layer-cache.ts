/**
 * A model's cache: the memories of its layers under their names, and the count of work done.
 *
 * Picture a row of boxes, one per layer, all holding the same number of tokens. In YOCO's the boxes of the self-decoder
 * stay small and one box, `cross`, grows; in the Transformer's every box grows.
 */
import * as tf from '@tensorflow/tfjs';
import type { Memory } from '../layers/memory';
import type { ModelCache } from './language-model';

export class LayerCache implements ModelCache {
  /** @param layerTokens layers × positions × sequences computed so far. */
  constructor(
    readonly batch: number,
    private memories: Map<string, Memory>,
    private counted = 0,
  ) {}

  get parts(): ReadonlyMap<string, Memory> {
    return this.memories;
  }
  get length(): number {
    return this.memories.values().next().value?.length ?? 0;
  }
  get lengths(): readonly number[] {
    return this.memories.values().next().value?.lengths ?? new Array<number>(this.batch).fill(0);
  }
  get bytes(): number {
    return [...this.memories.values()].reduce((sum, memory) => sum + memory.bytes, 0);
  }
  get layerTokens(): number {
    return this.counted;
  }
  /** Books `layers` layers that ran on `positions` positions of every sequence; a padded slot is work too. */
  count(layers: number, positions: number): void {
    this.counted += layers * positions * this.batch;
  }
  fork(): LayerCache {
    return new LayerCache(
      this.batch,
      new Map([...this.memories].map(([name, memory]) => [name, memory.fork()])),
      this.counted,
    );
  }
  read(): Record<string, tf.Tensor> {
    const held = [...this.memories].flatMap(([name, memory]) =>
      Object.entries(memory.read()).map(([key, tensor]) => [`${name}.${key}`, tensor] as const),
    );
    return Object.fromEntries(held);
  }
  dispose(): void {
    for (const memory of this.memories.values()) memory.dispose();
    this.memories = new Map();
  }

  /**
   * Runs `work` on a fork and keeps it only if it succeeds. An error half-way up the layers would otherwise leave the
   * lower memories a piece ahead of the upper ones; this way the cache stands where it stood.
   */
  advance<T extends tf.TensorContainer>(work: (draft: LayerCache) => T): T {
    const draft = this.fork();
    let result: T;
    try {
      result = tf.tidy(() => work(draft));
    } catch (error) {
      draft.dispose();
      throw error;
    }
    this.dispose();
    this.memories = draft.memories;
    this.counted = draft.counted;
    return result;
  }
}
