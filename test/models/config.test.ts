import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  checkConfig,
  layersOf,
  transformerConfig,
  type YocoConfig,
  yocoConfig,
} from '../../src/models/config';
import { preset, presets } from '../../src/models/presets';

const yoco = preset('tiny-yoco') as YocoConfig;

describe('a config', () => {
  it.each([
    [{ dim: 30 }, /selfHeads must divide|dim is 30|it must be even/],
    [{ heads: 3 }, /kvHeads is 2; kvHeads must divide heads/],
    [{ vocabSize: 0 }, /vocabSize is 0/],
    [{ normEps: -1 }, /normEps is -1; give a number above 0/],
    [
      { selfDecoder: 'mamba' },
      /selfDecoder is "mamba"; allowed: gated-retention, retention, sliding-window/,
    ],
    [{ selfDecoder: 'sliding-window' }, /windowSize is missing/],
    [
      { selfDecoder: 'sliding-window', windowSize: 0 },
      /windowSize is 0, but a window holds the token itself/,
    ],
    [{ windowSize: 4 }, /has no window; leave it out/],
    [{ selfLayers: 0, crossLayers: 0 }, /both 0/],
    [{ crossLayers: 1.5 }, /crossLayers is 1.5/],
    [{ headDim: 8 }, /headDim is no field of a yoco's config/],
    [{ kind: 'rnn' }, /kind is "rnn"; allowed: transformer, yoco/],
  ])('%j is refused with the field, the value and what is allowed', (change, message) => {
    expect(() => checkConfig({ ...yoco, ...change } as YocoConfig)).toThrow(message);
  });
  it('fills in what the official code does, and lets the paper’s form be chosen', () => {
    const { kind: _, ...given } = yoco;
    expect(yocoConfig(given)).toMatchObject({
      gateTemperature: 16,
      embeddingScale: true,
      rotaryFrequencies: 'end-point',
      keyScale: true,
    });
    expect(yocoConfig({ ...given, keyScale: false, rotaryFrequencies: 'standard' })).toMatchObject({
      keyScale: false,
      rotaryFrequencies: 'standard',
    });
    expect(() =>
      transformerConfig({
        vocabSize: 8,
        dim: 8,
        ffnDim: 8,
        heads: 2,
        kvHeads: 1,
        layers: 1,
        headDim: 3,
      }),
    ).toThrow(/headDim is 3; it must be even/);
  });
});

describe('presets', () => {
  it('are data: all are valid, and none holds a tensor', () => {
    const before = tf.memory().numTensors;
    for (const config of Object.values(presets)) expect(checkConfig(config)).toBe(config);
    expect(tf.memory().numTensors).toBe(before);
  });
  it('have the layers of the paper’s tables', () => {
    expect(layersOf(preset('yoco-3B'))).toBe(26);
    expect(layersOf(preset('yoco-13B'))).toBe(40);
    expect(() => preset('yoco-1T')).toThrow(/there is no "yoco-1T"; there are tiny-transformer/);
  });
});
