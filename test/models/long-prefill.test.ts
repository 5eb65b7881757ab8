/** A prompt of 16,384 tokens in one chunk: the whole matrix of scores would take 1 GiB per head. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { transformerConfig } from '../../src/models/config';
import { Transformer } from '../../src/models/transformer';
import { peakOf } from '../../src/tensor/ledger';
import { useTestEngine, viewsCount } from '../helpers';

beforeAll(useTestEngine);

const config = transformerConfig({
  vocabSize: 32,
  dim: 16,
  ffnDim: 16,
  heads: 1,
  kvHeads: 1,
  headDim: 16,
  layers: 1,
});
const prompt = (tokens: number) => [Array.from({ length: tokens }, (_, i) => (i * 7) % 32)];

describe('a long prompt in one chunk', () => {
  // Plain JavaScript would take a minute: it gets 2,048 tokens.
  const N = () => (tf.getBackend() === 'cpu' ? 2048 : 16_384);
  it('never holds the N × N scores, and grows with N, not with N²', { timeout: 60_000 }, () => {
    const model = new Transformer(config, { seed: 3 });
    const needed = (tokens: number): number => {
      const cache = model.newCache();
      const { result, needed } = peakOf(() =>
        model.prefill(prompt(tokens), cache, { prefillChunkSize: tokens }),
      );
      expect(result.dataSync().every(Number.isFinite)).toBe(true);
      expect(cache.length).toBe(tokens);
      result.dispose();
      cache.dispose();
      return needed.bytes;
    };
    const whole = needed(N());
    // Six blocks of 256 queries: scores, mask, their sum, and what softmax needs.
    expect(whole).toBeLessThan(6 * 4 * 256 * N() * viewsCount());
    expect(whole / needed(N() / 2)).toBeLessThan(2.5);
    model.dispose();
  });
});
