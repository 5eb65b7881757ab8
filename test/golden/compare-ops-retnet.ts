import * as tf from '@tensorflow/tfjs';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { rotaryAngles } from '../../src/layers/rotary';
import {
  fixedLogDecay,
  parallelRetention,
  type RetentionFormName,
  retNetGammas,
} from '../../src/retention/index';
import { SeededRandom } from '../../src/tensor/random';
import { MultiScaleRetention } from '../../src/variants/multi-scale-retention';
import { geometricSum } from '../../src/variants/score-normalisation';
import { loadStateDict } from '../../src/weights/state-dict';
import type { GoldenFile } from './golden-file';

/** RetNet's layer as torchscale computes it: its forms differ before the norm, not after it. */
export function compareOpsRetnet(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  compareConstants(file, c);
  compareParallel(file, c, x);
  compareRecurrent(file, c, x);
  for (const chunkSize of file.list(`${c}.chunk_sizes`)) {
    const { layer, store } = build(file, c, 'chunkwise', chunkSize);
    const got = layer.forwardWithIntermediates(x);
    file.compare(`${c}/chunk${chunkSize}_before_norm`, timeFirst(got.retention));
    file.compare(`${c}/chunk${chunkSize}_out`, got.out);
    store.dispose();
  }
}

function build(file: GoldenFile, c: string, form: RetentionFormName, chunkSize?: number) {
  const store = new ParameterStore();
  const layer = new MultiScaleRetention(new ParameterScope(store, new SeededRandom(0)), {
    dim: file.input(`${c}/x`).shape[2] as number,
    heads: file.number(`${c}.n_heads`),
    valueDim: file.number(`${c}.value_dim`),
    normEps: file.number(`${c}.layernorm_eps`),
    ropeTheta: file.number(`${c}.theta`),
    form,
    ...(chunkSize ? { chunkSize } : {}),
  });
  loadStateDict(store, file.weights(`${c}/weights/`), { where: c });
  return { layer, store };
}

function compareConstants(file: GoldenFile, c: string): void {
  const heads = file.number(`${c}.n_heads`);
  const Dk = (file.input(`${c}/x`).shape[2] as number) / heads;
  const theta = file.number(`${c}.theta`);
  file.compare(`${c}/gamma`, tf.tensor1d(retNetGammas(heads)));
  file.compare(`${c}/angle`, tf.tensor1d(rotaryAngles(Dk, { frequencies: 'end-point', theta })));
}

function compareParallel(file: GoldenFile, c: string, x: tf.Tensor3D): void {
  const { layer, store } = build(file, c, 'parallel');
  const got = layer.forwardWithIntermediates(x);
  const { rotatedQ, rotatedK, v } = got;
  const [B, heads, N, Dk] = rotatedQ.shape;
  file.compare(`${c}/q_rot`, rotatedQ);
  file.compare(`${c}/k_rot`, rotatedK);
  file.compare(`${c}/v`, v);
  file.compare(`${c}/parallel_before_norm`, timeFirst(got.retention));
  file.compare(`${c}/normed`, got.normed.reshape([B, N, heads, -1]));
  file.compare(`${c}/out`, got.out);

  const k: tf.Tensor4D = rotatedK.mul(Dk ** -0.5);
  const logDecay = fixedLogDecay(retNetGammas(heads), B, N);
  file.compare(`${c}/plain`, parallelRetention({ q: rotatedQ, k, v, logDecay }).output);
  store.dispose();
}

function compareRecurrent(file: GoldenFile, c: string, x: tf.Tensor3D): void {
  const { layer, store } = build(file, c, 'recurrent');
  const [B, N] = x.shape;
  const cache = layer.newCache(B);
  const outs: tf.Tensor[] = [];
  const retentions: tf.Tensor4D[] = [];
  for (const token of tf.split<tf.Tensor3D>(x, N, 1)) {
    const got = layer.forwardWithIntermediates(token, cache);
    outs.push(got.out);
    retentions.push(got.retention);
  }
  file.compare(`${c}/recurrent_out`, tf.concat(outs, 1));
  file.compare(`${c}/recurrent_before_norm`, timeFirst(tf.concat(retentions, 2)));

  const gammas = retNetGammas(layer.options.heads);
  const scale = gammas.map((gamma) => geometricSum(gamma, N));
  file.compare(`${c}/recurrent_scale`, tf.tensor1d(scale));
  // torchscale keeps the state divided by the root of the scale, and transposed.
  const root = tf.tensor(scale.map(Math.sqrt), [1, gammas.length, 1, 1]);
  const { state } = cache.snapshot();
  file.compare(`${c}/recurrent_state`, state.div(root).transpose([0, 1, 3, 2]));
  cache.dispose();
  store.dispose();
}

/** [B, H, N, Dv] → [B, N, H, Dv]. */
const timeFirst = (y: tf.Tensor4D): tf.Tensor => y.transpose([0, 2, 1, 3]);
