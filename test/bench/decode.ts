/**
 * Decoding: tokens a second and bytes held, against the length of the context.
 *
 * What to expect: short contexts cost what the weights cost, and all models are alike. Then the
 * Transformer reads eight caches for every token and YOCO reads its one cache four times, once in
 * each cross-decoder layer: the ratio of times tends to two, the ratio of bytes to eight.
 *
 * The caches are filled with random numbers instead of a prompt: the time of a step does not
 * depend on the numbers.
 */
import * as tf from '@tensorflow/tfjs';
import { PagedKvCache } from '../../src/attention/paged-kv-cache';
import { RollingKvCache } from '../../src/attention/rolling-kv-cache';
import { cacheBytes } from '../../src/costs/memory';
import type { LayerCache } from '../../src/layers/mixer';
import type { ModelConfig } from '../../src/models/config';
import { createModel } from '../../src/models/presets';
import { RetentionState } from '../../src/retention/retention-state';
import { normal } from './inputs';
import type { Row, Setting, Table } from './measure';
import { configsFor, count } from './models';

/** Adds `tokens` random tokens to a cache. */
function fill(cache: LayerCache, tokens: number, { dim, heads }: ModelConfig): void {
  if (cache instanceof RetentionState) {
    tf.tidy(() => cache.advance(normal<tf.Tensor4D>(1, cache.state.shape), tokens));
    return;
  }
  if (!(cache instanceof PagedKvCache || cache instanceof RollingKvCache))
    throw new TypeError(`bench: this table cannot fill a ${cache.constructor.name}.`);
  for (let start = 0; start < tokens; start += 2048) {
    const c = Math.min(2048, tokens - start);
    const shape: [number, number, number, number] = [cache.batch, c, heads, dim / heads];
    tf.tidy(() => {
      const k = normal<tf.Tensor4D>(start, shape);
      const v = normal<tf.Tensor4D>(start + 1, shape);
      cache.append({ k, v });
    });
  }
}

function step(tokens: number, batch: number, setting: Setting): Row {
  const models = Object.entries(configsFor(setting)).map(([name, config]) => {
    const model = createModel(config);
    const cache = model.newCache(batch);
    for (const part of Object.values(cache.parts())) fill(part, tokens, config);
    if (cache.bytes !== cacheBytes(config, { tokens, batch }).total)
      throw new Error(`bench: the cache of ${name} has not the bytes of the formula.`);
    return { name, model, cache };
  });
  const token = new Array<number>(batch).fill(7);
  return {
    name: `${setting.large ? 'width 1024, ' : ''}${count(tokens)} tokens held, batch ${batch}`,
    rivals: models.map(({ name, model, cache }) => ({
      name,
      run: () => model.step(token, cache),
      tokens: batch,
      heldBytes: () => cache.bytes,
    })),
    dispose: () => {
      for (const { model, cache } of models) {
        cache.dispose();
        model.dispose();
      }
    },
  };
}

export const decodeTable: Table = {
  name: 'decode',
  title: 'Decoding one token, 8 layers',
  note: 'Bytes held are checked against the formula before anything is timed.',
  rows: (setting) => {
    let lengths = [512, 2048, 8192, 16_384];
    if (setting.large) lengths = [1024, 8192, 65_536];
    if (setting.quick) lengths = [512, 4096];
    const rows: (() => Row)[] = [];
    for (const batch of [1, 8]) {
      for (const tokens of lengths) {
        // Eight sequences of 16K tokens in eight Transformer caches are more than wasm can hold.
        if (batch * tokens <= 65_536) rows.push(() => step(tokens, batch, setting));
      }
    }
    return rows;
  },
};
