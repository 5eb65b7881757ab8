import * as tf from '@tensorflow/tfjs';
import { CrossAttention } from '../../src/attention/cross-attention';
import { newKvCache } from '../../src/attention/kv-cache';
import { SlidingWindowAttention } from '../../src/attention/sliding-window';
import type { LayerCache, TokenMixer } from '../../src/layers/mixer';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { YOCO_ROTARY } from '../../src/layers/rotary';
import { forms, GatedRetention, type RetentionFormName } from '../../src/retention/index';
import { SeededRandom } from '../../src/tensor/random';
import { loadStateDict } from '../../src/weights/state-dict';
import type { GoldenFile } from './golden-file';

const scopeOf = (store: ParameterStore): ParameterScope =>
  new ParameterScope(store, new SeededRandom(0));

/** The same tokens by the file's segments, then one by one; `after` sees the cache each time. */
function inSegments(
  file: GoldenFile,
  c: string,
  layer: TokenMixer,
  x: tf.Tensor3D,
  after: (cache: LayerCache, step: number) => void,
): void {
  const segments = file.list(`${c}.segments`);
  const steps = file.number(`${c}.decode_steps`);
  const cache = layer.newCache(x.shape[0]);
  const sizes = [...segments, ...new Array<number>(steps).fill(1)];
  const outs = (tf.split(x, sizes, 1) as tf.Tensor3D[]).map((segment, i) => {
    const out = layer.forward(segment, cache);
    after(cache, i - segments.length);
    return out;
  });
  if (segments.length > 0)
    file.compare(`${c}/prefill_out`, tf.concat(outs.slice(0, segments.length), 1));
  if (steps > 0) file.compare(`${c}/step_out`, tf.concat(outs.slice(segments.length), 1));
  cache.dispose();
}

export function compareGateRetention(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  const weights = file.weights(`${c}/weights/`);
  for (const form of Object.keys(forms) as RetentionFormName[]) {
    const store = new ParameterStore();
    const layer = new GatedRetention(scopeOf(store), {
      dim: file.number(`${c}.dim`),
      heads: file.number(`${c}.n_self_heads`),
      ropeTheta: file.number(`${c}.rope_theta`),
      normEps: file.number(`${c}.norm_eps`),
      gateTemperature: file.number(`${c}.gate_logit_normalizer`),
      form,
      chunkSize: 5,
    });
    loadStateDict(store, weights, { where: c });
    const steps = layer.forwardWithIntermediates(x);
    const intermediates: Record<string, tf.Tensor> = {
      out: steps.out,
      q_rot: steps.rotatedQ,
      k_rot: steps.rotatedK,
      v: steps.v,
      log_gate: steps.logDecay,
      retention: steps.retention,
      normed: steps.normed,
      gate_branch: steps.outputGate,
      gated: steps.gated,
    };
    for (const [name, got] of Object.entries(intermediates))
      if (file.has(`${c}/${name}`)) file.compare(`${c}/${name}`, got);
    const states: tf.Tensor[] = [];
    inSegments(file, c, layer, x, (cache, step) => {
      const { state } = cache.snapshot() as { state: tf.Tensor };
      if (step >= 0) states.push(state);
      else file.compare(`${c}/state_after_${cache.length}`, state);
    });
    if (states.length > 0) file.compare(`${c}/step_states`, tf.stack(states, 1));
    store.dispose();
  }
}

export function compareSlidingWindow(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  const store = new ParameterStore();
  const layer = new SlidingWindowAttention(scopeOf(store), {
    dim: file.number(`${c}.dim`),
    heads: file.number(`${c}.n_self_heads`),
    windowSize: file.number(`${c}.sliding_window`),
    rotary: { ...YOCO_ROTARY, theta: file.number(`${c}.rope_theta`) },
  });
  loadStateDict(store, file.weights(`${c}/weights/`), { where: c });
  file.compare(`${c}/out`, layer.forward(x));
  inSegments(file, c, layer, x, (cache) => {
    const { k, v } = cache.snapshot() as { k: tf.Tensor; v: tf.Tensor };
    if (file.has(`${c}/cache_key_after_${cache.length}`))
      file.compare(`${c}/cache_key_after_${cache.length}`, k);
    if (file.has(`${c}/cache_value_after_${cache.length}`))
      file.compare(`${c}/cache_value_after_${cache.length}`, v);
  });
  store.dispose();
}

export function compareCrossAttention(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  const key = file.input<tf.Tensor4D>(`${c}/key`);
  const value = file.input<tf.Tensor4D>(`${c}/value`);
  const [B, N] = x.shape;
  const M = key.shape[1];
  if (file.number(`${c}.start_pos`) !== M - N)
    throw new Error(
      `${file.path}: ${c} starts at ${file.meta(`${c}.start_pos`)}, but its queries are not the last positions.`,
    );
  const store = new ParameterStore();
  const layer = new CrossAttention(scopeOf(store), {
    dim: file.number(`${c}.dim`),
    heads: file.number(`${c}.n_attn_heads`),
    kvHeads: file.number(`${c}.n_attn_kv_heads`),
    rotary: { ...YOCO_ROTARY, theta: file.number(`${c}.rope_theta`) },
  });
  loadStateDict(store, file.weights(`${c}/weights/`), { where: c });
  file.compare(`${c}/out`, layer.forward(x, { k: key, v: value }));
  // One query at a time against a cache that grows under it.
  const cache = newKvCache('fast', B);
  const keys = tf.split(key, M, 1) as tf.Tensor4D[];
  const values = tf.split(value, M, 1) as tf.Tensor4D[];
  const queries = tf.split(x, N, 1) as tf.Tensor3D[];
  const outs: tf.Tensor3D[] = [];
  keys.forEach((k, m) => {
    cache.append({ k, v: values[m] });
    if (m >= M - N) outs.push(layer.forward(queries[m - (M - N)], cache));
  });
  file.compare(`${c}/step_out`, tf.concat(outs, 1));
  file.compare(`${c}/out`, layer.forward(x, cache));
  cache.dispose();
  store.dispose();
}
