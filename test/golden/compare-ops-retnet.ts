import * as tf from '@tensorflow/tfjs';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { rotaryAngles } from '../../src/layers/rotary';
import { fixedLogDecay, parallelRetention, retNetGammas } from '../../src/retention/index';
import { SeededRandom } from '../../src/tensor/random';
import {
  MultiScaleRetention,
  type MultiScaleRetentionOptions,
} from '../../src/variants/multi-scale-retention';
import { heldOf } from '../../src/variants/score-normalisation';
import { loadStateDict } from '../../src/weights/state-dict';
import type { GoldenFile } from './golden-file';

/** RetNet's layer as torchscale computes it: three forms that differ before the norm and (almost) agree after it. */
export function compareOpsRetnet(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  const [B, N, dim] = x.shape;
  const heads = file.number(`${c}.n_heads`);
  const Dk = dim / heads;
  const weights = file.weights(`${c}/weights/`);
  const build = (form: MultiScaleRetentionOptions['form'], chunkSize?: number) => {
    const store = new ParameterStore();
    const layer = new MultiScaleRetention(new ParameterScope(store, new SeededRandom(0)), {
      dim,
      heads,
      valueDim: file.number(`${c}.value_dim`),
      normEps: file.number(`${c}.layernorm_eps`),
      ropeTheta: file.number(`${c}.theta`),
      form,
      ...(chunkSize ? { chunkSize } : {}),
    });
    loadStateDict(store, weights, { where: c });
    return { layer, store };
  };
  const timeFirst = (y: tf.Tensor4D): tf.Tensor => y.transpose([0, 2, 1, 3]); // [B,H,N,Dv] → [B,N,H,Dv]

  const gammas = retNetGammas(heads);
  file.compare(`${c}/gamma`, tf.tensor1d(gammas));
  file.compare(
    `${c}/angle`,
    tf.tensor1d(rotaryAngles(Dk, { frequencies: 'end-point', theta: file.number(`${c}.theta`) })),
  );

  const parallel = build('parallel');
  const steps = parallel.layer.explain(x);
  file.compare(`${c}/q_rot`, steps.rotatedQ);
  file.compare(`${c}/k_rot`, steps.rotatedK);
  file.compare(`${c}/v`, steps.v);
  file.compare(`${c}/parallel_before_norm`, timeFirst(steps.retention));
  file.compare(`${c}/normed`, steps.normed.reshape([B, N, heads, -1]));
  file.compare(`${c}/out`, steps.out);
  const scaled = { q: steps.rotatedQ, k: steps.rotatedK.mul<tf.Tensor4D>(Dk ** -0.5), v: steps.v };
  file.compare(
    `${c}/plain`,
    parallelRetention({ ...scaled, logDecay: fixedLogDecay(gammas, B, N) }).output,
  );
  parallel.store.dispose();

  const recurrent = build('recurrent');
  const memory = recurrent.layer.newMemory(B);
  const pieces = tf
    .split(x, N, 1)
    .map((token) => recurrent.layer.explain(token as tf.Tensor3D, memory));
  file.compare(
    `${c}/recurrent_out`,
    tf.concat(
      pieces.map(({ out }) => out),
      1,
    ),
  );
  file.compare(
    `${c}/recurrent_before_norm`,
    timeFirst(
      tf.concat(
        pieces.map(({ retention }) => retention),
        2,
      ),
    ),
  );
  const scale = gammas.map((gamma) => heldOf(gamma, N));
  file.compare(`${c}/recurrent_scale`, tf.tensor1d(scale));
  const state = memory.read().state;
  file.compare(
    `${c}/recurrent_state`,
    state.div(tf.tensor(scale.map(Math.sqrt), [1, heads, 1, 1])).transpose([0, 1, 3, 2]),
  );
  memory.dispose();
  recurrent.store.dispose();

  for (const size of file.list(`${c}.chunk_sizes`)) {
    const chunkwise = build('chunkwise', size);
    const chunked = chunkwise.layer.explain(x);
    file.compare(`${c}/chunk${size}_before_norm`, timeFirst(chunked.retention));
    file.compare(`${c}/chunk${size}_out`, chunked.out);
    chunkwise.store.dispose();
  }
}
