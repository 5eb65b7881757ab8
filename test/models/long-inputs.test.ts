/**
 * Long inputs in bounded memory: a million tokens through the self-decoder, 131,072 through a whole
 * YOCO.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SelfDecoderKind, yocoConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import type { ModelCache } from '../../src/models/model-cache';
import { createModel } from '../../src/models/presets';
import { peakOf } from '../../src/tensor/ledger';
import { expectClose, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const CHUNK = 4096;
const small = (selfDecoder: SelfDecoderKind, crossLayers: number) =>
  createModel(
    yocoConfig({
      ...{
        vocabSize: 16,
        dim: 16,
        ffnDim: 32,
        heads: 1,
        kvHeads: 1,
        selfHeads: 1,
        selfLayers: 2,
        crossLayers,
        selfDecoder,
      },
      windowSize: selfDecoder === 'sliding-window' ? 32 : undefined,
    }),
    { seed: 1 },
  );
/** Tokens from … to of an endless text without a short period. */
const text = (from: number, count: number): tf.Tensor2D =>
  tf.tensor2d(
    Int32Array.from({ length: count }, (_, i) => ((from + i) * 7 + ((from + i) >> 3)) % 16),
    [1, count],
    'int32',
  );

/** Prefills `tokens` chunk by chunk: the peak of each, and the last logits. */
function stream(
  model: LanguageModel,
  cache: ModelCache,
  from: number,
  tokens: number,
): { peaks: number[]; last: tf.Tensor2D } {
  const peaks: number[] = [];
  let last: tf.Tensor2D | undefined;
  for (let at = from; at < from + tokens; at += CHUNK) {
    last?.dispose();
    const chunk = text(at, CHUNK);
    const { result, peak } = peakOf(() => model.prefill(chunk, cache));
    chunk.dispose();
    last = result;
    peaks.push(peak.bytes);
  }
  return { peaks, last: last! };
}
/** Plain JavaScript is slow: it gets a sixteenth of the tokens. */
const share = () => (tf.getBackend() === 'cpu' ? 1 / 16 : 1);

describe('the self-decoder alone', () => {
  it.each([
    ['gated-retention', 1_048_576],
    ['sliding-window', 131_072],
  ] as const)(
    '%s: %i tokens and then steps in constant memory, and the numbers stay right',
    { timeout: 120_000 },
    (kind, all) => {
      const tokens = all * share();
      const model = small(kind, 0);
      const before = tf.memory().numTensors;
      const cache = model.newCache();
      const { peaks, last } = stream(model, cache, 0, tokens);
      expect(new Set(peaks.slice(1)).size, 'the same peak from chunk 2 on').toBe(1);
      expect(cache.length).toBe(tokens);

      // Nothing but the last chunks is left in both layers: a fresh start there must give the same,
      // although its positions begin at 0. Rounding that adds up over a million tokens, or angles
      // at large positions, would show.
      const fresh = model.newCache();
      const recent = stream(model, fresh, tokens - 2 * CHUNK, 2 * CHUNK);
      expectClose(last, recent.last, { ofLargest: 2e-5, absolute: 1e-6 }, 'after the stream');

      const held = tf.memory().numTensors;
      for (let n = 0; n < 4; n++) {
        const token = [(n * 5) % 16];
        const [a, b] = [model.step(token, cache), model.step(token, fresh)];
        expectClose(a, b, { ofLargest: 2e-5, absolute: 1e-6 }, `step ${n} after the stream`);
        tf.dispose([a, b]);
        expect(tf.memory().numTensors).toBe(held);
      }
      tf.dispose([last, recent.last]);
      cache.dispose();
      fresh.dispose();
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    },
  );

  it('negative control: another end of the text gives other logits', () => {
    const model = small('gated-retention', 0);
    const [a, b] = [model.newCache(), model.newCache()];
    const one = stream(model, a, 0, CHUNK).last;
    const other = stream(model, b, 1, CHUNK).last;
    expect(() => expectClose(one, other, { ofLargest: 2e-5, absolute: 1e-6 })).toThrow(
      /worst error/,
    );
    tf.dispose([one, other]);
    a.dispose();
    b.dispose();
    model.dispose();
  });
});

describe('a whole YOCO', () => {
  it('prefills 131,072 tokens; from chunk to chunk the peak grows by the new K̂ and V̂ alone', {
    timeout: 60_000,
  }, () => {
    const tokens = 131_072 * share();
    const model = small('gated-retention', 2);
    const cache = model.newCache();
    const { peaks, last } = stream(model, cache, 0, tokens);
    expect(last.dataSync().every(Number.isFinite)).toBe(true);
    const perChunk = 2 * CHUNK * 16 * 4; // K̂ and V̂: one head of 16, float32
    for (let i = 2; i < peaks.length; i++) expect(peaks[i] - peaks[i - 1]).toBe(perChunk);
    expect(cache.bytes).toBe(tokens * 2 * 16 * 4 + 2 * 16 * 16 * 4);
    expect(cache.layerTokens).toBe(2 * tokens + 2 * (tokens / CHUNK));
    last.dispose();
    cache.dispose();
    model.dispose();
  });
});
