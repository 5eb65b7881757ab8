/**
 * What the caches of all models do alike: they belong to one model, change as a whole or not at
 * all, and refuse to be used by another model, by two callers at once, or after `dispose()`.
 */
import * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../layers/mixer';
import { checkCount } from '../tensor/shapes';

export abstract class ModelCache implements LayerCache {
  private work = 0;
  private disposed = false;
  /** Who has borrowed this cache, and the cache that he works with. */
  private borrowed?: { by: string; cache: ModelCache };

  /** @param model the model that made this cache. */
  constructor(
    protected readonly model: object,
    readonly batch: number,
  ) {
    checkCount('newCache', 'batch', batch, 'sequences');
  }

  /** The caches of all parts by name: `layers.0`, …, and `global` in YOCO. */
  abstract parts(): Record<string, LayerCache>;
  /** A cache of the same kind with these parts, named as in `parts()`. */
  protected abstract withParts(parts: Record<string, LayerCache>): this;
  /** Takes over the parts of `other`. */
  protected abstract assign(other: this): void;

  /** Layers × positions × sequences computed so far. The early exit shows here. */
  get layerTokens(): number {
    return this.current().work;
  }
  get length(): number {
    return Math.max(...this.lengths);
  }
  get lengths(): readonly number[] {
    return Object.values(this.current().parts())[0].lengths;
  }
  get bytes(): number {
    let sum = 0;
    for (const part of Object.values(this.current().parts())) sum += part.bytes;
    return sum;
  }

  fork(): this {
    this.checkUsable('fork');
    const forks: Record<string, LayerCache> = {};
    for (const [name, part] of Object.entries(this.parts())) forks[name] = part.fork();
    const copy = this.withParts(forks);
    copy.work = this.work;
    return copy;
  }

  /** `layers.0.state`, `layers.0.k`, `global.k`, …. The caller disposes them. */
  snapshot(): Record<string, tf.Tensor> {
    this.checkUsable('snapshot');
    const held: Record<string, tf.Tensor> = {};
    for (const [name, part] of Object.entries(this.parts())) {
      for (const [key, tensor] of Object.entries(part.snapshot())) held[`${name}.${key}`] = tensor;
    }
    return held;
  }

  /** Twice is allowed. @throws Error if a caller has borrowed the cache. */
  dispose(): void {
    if (this.disposed) return;
    this.checkUsable('dispose');
    for (const part of Object.values(this.parts())) part.dispose();
    this.disposed = true;
  }

  /**
   * Runs `work` on a fork and takes over its parts only if nothing failed: an error half-way up
   * the layers would otherwise leave the lower caches a chunk ahead of the upper ones.
   */
  transaction<T extends tf.TensorContainer>(work: (working: this) => T): T {
    const working = this.fork();
    let result: T;
    try {
      result = tf.tidy(() => work(working));
    } catch (error) {
      working.dispose();
      throw error;
    }
    for (const part of Object.values(this.parts())) part.dispose();
    this.assign(working);
    this.work = working.work;
    return result;
  }

  /** Adds `layers` layers on `positions` positions of every sequence; padding is work too. */
  countWork(layers: number, positions: number): void {
    this.work += layers * positions * this.batch;
  }

  /**
   * Reserves the cache for one caller, who works with what this returns; until `giveBack` every
   * other use is refused, but `length`, `bytes` and `layerTokens` can be read.
   */
  borrow(by: string): this {
    this.checkUsable(by);
    const cache = this.withParts(this.parts());
    cache.work = this.work;
    this.borrowed = { by, cache };
    return cache;
  }
  giveBack(): void {
    if (!this.borrowed) throw new Error('giveBack: nobody has borrowed this cache.');
    const cache = this.borrowed.cache as this;
    this.borrowed = undefined;
    this.assign(cache);
    this.work = cache.work;
  }

  /** @throws Error if the cache is disposed or borrowed. */
  checkUsable(where: string): void {
    if (this.disposed)
      throw new Error(`${where}: the cache was disposed; make a new one with newCache().`);
    if (this.borrowed)
      throw new Error(
        `${where}: ${this.borrowed.by} is still using this cache; ` +
          `let it finish first, or give it a fork() of its own.`,
      );
  }

  /** @throws Error unless this cache belongs to `model` and holds B sequences. */
  checkBelongsTo(model: object, where: string, B: number): void {
    this.checkUsable(where);
    if (model !== this.model)
      throw new Error(
        `${where}: this cache was made by another model; ` +
          `make one with newCache(${B}) of the model that you call.`,
      );
    if (B !== this.batch)
      throw new RangeError(
        `${where}: tokens hold ${B} sequences, the cache ${this.batch}; ` +
          `make one with newCache(${B}).`,
      );
  }

  private current(): ModelCache {
    return this.borrowed?.cache ?? this;
  }
}
