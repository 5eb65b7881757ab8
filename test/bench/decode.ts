/**
 * Decoding: tokens a second and bytes held, against the length of the context.
 *
 * What to expect: short contexts cost what the weights cost, and all models are alike. Then the Transformer reads eight
 * caches for every token and YOCO reads its one cache four times, once for each cross-decoder layer: the gap in time grows
 * towards two, the gap in bytes towards eight.
 *
 * The caches are filled with random numbers instead of a prompt: what a step costs does not depend on what it reads.
 */
import * as tf from '@tensorflow/tfjs';
import { GrowingCache } from '../../src/attention/paged-kv-cache';
import { RingCache } from '../../src/attention/rolling-kv-cache';
import { cacheBytes } from '../../src/costs/memory';
import type { ModelConfig } from '../../src/models/config';
import { createModel } from '../../src/models/create-model';
import type { ModelCache } from '../../src/models/language-model';
import { RetentionState } from '../../src/retention/retention-state';
import { normal } from './inputs';
import type { Row, Setting, Table } from './measure';
import { configsFor, count } from './models';

/** Puts `tokens` random tokens behind every memory of the cache. */
function fill(cache: ModelCache, tokens: number, { dim, heads }: ModelConfig): void {
  for (const memory of cache.parts.values())
    tf.tidy(() => {
      if (memory instanceof RetentionState)
        memory.advance(normal<tf.Tensor4D>(1, memory.state.shape), tokens);
      else if (memory instanceof GrowingCache || memory instanceof RingCache)
        for (let at = 0; at < tokens; at += 2048) {
          const shape: [number, number, number, number] = [
            cache.batch,
            Math.min(2048, tokens - at),
            heads,
            dim / heads,
          ];
          memory.append({
            k: normal<tf.Tensor4D>(at, shape),
            v: normal<tf.Tensor4D>(at + 1, shape),
          });
        }
      else throw new TypeError('bench: a kind of memory that this table cannot fill.');
    });
}

function step(tokens: number, batch: number, setting: Setting): Row {
  const made = Object.entries(configsFor(setting)).map(([name, config]) => {
    const model = createModel(config);
    const cache = model.newCache(batch);
    fill(cache, tokens, config);
    if (cache.bytes !== cacheBytes(config, { tokens, batch }).total)
      throw new Error(`bench: ${name} does not hold what the formula says.`);
    return { name, model, cache };
  });
  const token = new Array<number>(batch).fill(7);
  return {
    name: `${setting.large ? 'width 1024, ' : ''}${count(tokens)} tokens held, batch ${batch}`,
    rivals: made.map(({ name, model, cache }) => ({
      name,
      run: () => model.step(token, cache),
      tokens: batch,
      heldBytes: () => cache.bytes,
    })),
    dispose: () => {
      for (const { model, cache } of made) {
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
    const lengths = setting.quick
      ? [512, 4096]
      : setting.large
        ? [1024, 8192, 65_536]
        : [512, 2048, 8192, 16_384];
    // Eight Transformer caches of 16K tokens, eight times: more than wasm can hold.
    return [1, 8].flatMap((batch) =>
      lengths
        .filter((tokens) => batch * tokens <= 65_536)
        .map((tokens) => () => step(tokens, batch, setting)),
    );
  },
};
