/**
 * The config of an official checkpoint, from the `params.json` beside it.
 *
 * Source: microsoft/unilm, YOCO, `YOCOArgs` in yoco.py and `ModelArgs` in transformer.py, with
 * their defaults.
 */
import { type ModelConfig, transformerConfig, yocoConfig } from '../models/config';
import { isObject } from './strict-json';

/** @throws RangeError naming the parameter that is missing or not allowed. */
export function configFromParams(params: unknown): ModelConfig {
  if (!isObject(params)) throw new RangeError('params.json: give an object of parameters.');
  const number = (name: string, otherwise?: number): number => {
    const value = params[name] ?? otherwise;
    if (typeof value !== 'number')
      throw new RangeError(`params.json: ${name} is ${JSON.stringify(value)}; give a number.`);
    return value;
  };
  const windowSize = (params.sliding_window ?? undefined) && number('sliding_window');
  const common = {
    vocabSize: number('vocab_size'),
    dim: number('dim'),
    ffnDim: number('hidden_dim'),
    normEps: number('norm_eps', 1e-5),
    ropeTheta: number('rope_theta', 10_000),
  };
  if (params.n_self_heads === undefined) {
    const heads = number('n_heads');
    return transformerConfig({
      ...common,
      heads,
      kvHeads: number('n_kv_heads', heads),
      headDim: number('head_dim', common.dim / heads),
      layers: number('n_layers'),
      windowSize,
    });
  }
  const heads = number('n_attn_heads');
  const half = Math.floor(number('n_layers') / 2); // both decoders, as n_layers // 2 there
  return yocoConfig({
    ...common,
    heads,
    kvHeads: number('n_attn_kv_heads', heads),
    selfHeads: number('n_self_heads'),
    selfLayers: half,
    crossLayers: half,
    selfDecoder: windowSize === undefined ? 'gated-retention' : 'sliding-window',
    windowSize,
  });
}
