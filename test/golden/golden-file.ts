/** A file of reference numbers, and the book that is kept of which of them were compared. */
import * as tf from '@tensorflow/tfjs';
import { loadSafetensors } from '../../src/weights/safetensors';
import type { StateDict, StateTensor } from '../../src/weights/state-dict';
import { expectClose } from '../helpers';

/**
 * The rule of README.md in this folder, per tensor: 10 × what the official code itself loses in
 * float32, plus a little.
 * Twenty optimiser steps amplify rounding, hence 50 for `logits_after`.
 */
const factorOf = (name: string): number =>
  (name.endsWith('/logits_after') ? 50 : 10) * engineFactor();
/**
 * A graphics card's exp may be off by 3 + 2|x| units in the last place (the WGSL specification), a
 * processor's by 1; over the
 * thousands of gates of a long text that shows. Everywhere else cards stay within the rule.
 */
const engineFactor = (): number => (tf.getBackend() === 'webgpu' ? 4 : 1);

export class GoldenFile {
  readonly metadata: Record<string, string>;
  private readonly tensors: StateDict;
  private readonly seen = new Set<string>();
  compared = 0;
  /** Largest error as a share of what is allowed. */
  worst = { share: 0, tensor: 'none' };

  constructor(readonly path: string) {
    const { metadata, tensors } = loadSafetensors(path);
    this.metadata = metadata;
    this.tensors = tensors;
  }

  /** @throws Error naming the key if the metadata lacks it. */
  meta(key: string): string {
    const value = this.metadata[key];
    if (value === undefined) throw new Error(`${this.path}: the metadata has no ${key}.`);
    return value;
  }
  hasMeta(key: string): boolean {
    return this.metadata[key] !== undefined;
  }
  number(key: string): number {
    return Number(this.meta(key));
  }
  /** A comma-separated list of whole numbers; empty for an empty string. */
  list(key: string): number[] {
    const text = this.meta(key);
    return text === '' ? [] : text.split(',').map(Number);
  }
  get cases(): string[] {
    return this.meta('cases').split(',');
  }
  has(name: string): boolean {
    return this.tensors.has(name);
  }
  namesUnder(prefix: string): string[] {
    return [...this.tensors.keys()].filter((name) => name.startsWith(prefix));
  }
  /** The numbers of `name`, which counts as used: an input, or about to be compared. */
  raw(name: string): StateTensor {
    const found = this.tensors.get(name);
    if (!found) throw new Error(`${this.path}: there is no tensor ${name}.`);
    this.seen.add(name);
    return found;
  }
  input<T extends tf.Tensor>(name: string): T {
    const { data, shape, dtype } = this.raw(name);
    return tf.tensor(data, shape, dtype === 'F32' ? 'float32' : 'int32') as T;
  }
  /** Weights below `prefix`, by the rest of their names. */
  weights(prefix: string): StateDict {
    return new Map(
      this.namesUnder(prefix).map((name) => [name.slice(prefix.length), this.raw(name)]),
    );
  }
  /** Rows of token ids. */
  rows(name: string): number[][] {
    const { data, shape } = this.raw(name);
    const width = shape.at(-1)!;
    return Array.from({ length: data.length / width }, (_, b) =>
      Array.from(data.slice(b * width, (b + 1) * width)),
    );
  }

  /**
   * Compares under the rule; `form` picks the entry of a form that loses more (`parallel`,
   * `prefill`).
   */
  compare(name: string, got: tf.Tensor | ArrayLike<number>, form?: string): void {
    const { data, shape } = this.raw(name);
    const own = this.metadata[`f32_vs_f64_max_abs/${name}`];
    const entry = (form && this.metadata[`f32_vs_f64_max_abs/${name}@${form}`]) ?? own;
    const absolute = factorOf(name) * Number(entry ?? 0) + 1e-7;
    const values = got instanceof tf.Tensor ? got.dataSync() : got;
    if (got instanceof tf.Tensor && String(got.shape) !== String(shape))
      throw new Error(`${this.path}: ${name}: got shape [${got.shape}], want [${shape}].`);
    const error = expectClose(values, data, { ofLargest: 2e-6, absolute }, `${this.path}: ${name}`);
    const largest = Array.from(data as Float32Array).reduce(
      (most, x) => Math.max(most, Math.abs(x)),
      0,
    );
    const share = error / (2e-6 * largest + absolute);
    if (share > this.worst.share) this.worst = { share, tensor: name };
    this.compared++;
  }
  /** Whole numbers must be equal. */
  compareExactly(name: string, got: number[][]): void {
    const want = this.rows(name);
    if (JSON.stringify(got) !== JSON.stringify(want))
      throw new Error(
        `${this.path}: ${name}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}.`,
      );
    this.compared++;
  }
  /**
   * @throws Error naming every tensor that nothing was done with: a file that is only half
   * understood is a failure.
   */
  finish(): void {
    const untouched = [...this.tensors.keys()].filter((name) => !this.seen.has(name));
    if (untouched.length > 0)
      throw new Error(
        `${this.path}: nothing compares ${untouched.length} of its tensors: ${untouched.slice(0, 8).join(', ')}.`,
      );
  }
}
