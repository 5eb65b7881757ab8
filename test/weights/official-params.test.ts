/** The official code's parameters give the config of the same model. */
import { expect, it } from 'vitest';
import { parameterCount } from '../../src/costs/memory';
import { type TransformerConfig, type YocoConfig, yocoConfig } from '../../src/models/config';
import { preset } from '../../src/models/presets';
import { configFromParams } from '../../src/weights/official-params';

const yoco3B = { dim: 3072, hidden_dim: 8192, n_layers: 26, n_self_heads: 24, n_attn_heads: 24 };
const more = { n_attn_kv_heads: 8, vocab_size: 100_288, max_seq_len: 1_048_576 };

it('the parameters of the 3B model give the preset, up to the chunk of our retention', () => {
  const { chunkSize } = preset('yoco-3B') as YocoConfig;
  const config = configFromParams({ ...yoco3B, ...more }) as YocoConfig;
  expect({ ...config, chunkSize }).toEqual(preset('yoco-3B'));
});
it('a window is another self-decoder; heads for keys default to all; other bases are kept', () => {
  const params = {
    ...yoco3B,
    vocab_size: 64,
    sliding_window: 1024,
    rope_theta: 8e7,
    norm_eps: 1e-6,
  };
  const config = configFromParams({ ...params, n_attn_kv_heads: null });
  const sizes = { vocabSize: 64, dim: 3072, ffnDim: 8192, heads: 24, kvHeads: 24, selfHeads: 24 };
  const window = { selfDecoder: 'sliding-window', windowSize: 1024 } as const;
  const others = { selfLayers: 13, crossLayers: 13, ropeTheta: 8e7, normEps: 1e-6 };
  expect(config).toEqual(yocoConfig({ ...sizes, ...window, ...others }));
});
it('without n_self_heads it is the Transformer', () => {
  const params = { dim: 3072, hidden_dim: 8192, n_layers: 26, n_heads: 24, n_kv_heads: 8 };
  const config = configFromParams({ ...params, vocab_size: 100_288, head_dim: 128 });
  const baseline = preset('transformer-3B') as TransformerConfig;
  expect(parameterCount(config)).toEqual(parameterCount(baseline));
  expect(config).toEqual({ ...baseline, windowSize: undefined });
});
it('what is missing or no number is named', () => {
  expect(() => configFromParams([])).toThrow(/params.json: give an object/);
  expect(() => configFromParams({ ...yoco3B })).toThrow(/vocab_size is undefined; give a number/);
  const text = { ...yoco3B, ...more, dim: '3072' };
  expect(() => configFromParams(text)).toThrow(/dim is "3072"; give a number/);
  expect(() => configFromParams({ ...yoco3B, ...more, n_layers: 1 })).toThrow(/both 0/);
});
