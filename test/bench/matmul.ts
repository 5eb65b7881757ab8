/**
 * Matrix products: ours, upstream's (TensorFlow.js as delivered), and the practical ceiling, a
 * plain product of two matrices with as many operations.
 */
import * as tf from '@tensorflow/tfjs';
import { withUpstreamGradients } from '../../src/support/backends/patches/gradients';
import { withUpstreamKernels } from '../../src/support/backends/patches/replace-kernel';
import { normal } from './inputs';
import type { Rival, Row, Table } from './measure';

const asDelivered = <T>(work: () => T): T => withUpstreamGradients(() => withUpstreamKernels(work));
const oursAndUpstream = (run: () => unknown, flops: number): Rival[] => [
  { name: 'ours', run, flops },
  { name: 'upstream', run, within: asDelivered, flops },
];

function linear(N: number, fanIn: number, fanOut: number): Row {
  const x = normal<tf.Tensor2D>(1, [N, fanIn]);
  const w = normal<tf.Tensor2D>(2, [fanIn, fanOut]);
  const dy = normal<tf.Tensor2D>(3, [N, fanOut]);
  const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b));
  const flops = 3 * 2 * N * fanIn * fanOut; // forward, and backward for each of the two factors
  const threeProducts = () => [0, 1, 2].map(() => tf.matMul(x, w));
  return {
    name: `linear layer, forward + backward, ${N}×${fanIn}×${fanOut}`,
    rivals: [
      ...oursAndUpstream(() => gradients([x, w], dy), flops),
      { name: 'ceiling: 3 plain products', run: threeProducts, flops },
    ],
    dispose: () => tf.dispose([x, w, dy]),
  };
}

/** [B, H, M, K]·[B, H, K, N], or with the right-hand side transposed in memory. */
function heads(
  what: string,
  [B, H, M, K, N]: [number, number, number, number, number],
  transposed: boolean,
): Row {
  const a = normal<tf.Tensor4D>(4, [B, H, M, K]);
  const b = normal<tf.Tensor4D>(5, transposed ? [B, H, N, K] : [B, H, K, N]);
  const [flatA, flatB] = [normal<tf.Tensor2D>(6, [B * H * M, K]), normal<tf.Tensor2D>(7, [K, N])];
  const flops = 2 * B * H * M * K * N;
  const right = transposed ? `[${B},${H},${N},${K}]ᵀ` : `[${B},${H},${K},${N}]`;
  return {
    name: `${what}, [${B},${H},${M},${K}]·${right}`,
    rivals: [
      ...oursAndUpstream(() => tf.matMul(a, b, false, transposed), flops),
      { name: 'ceiling: a plain product', run: () => tf.matMul(flatA, flatB), flops },
    ],
    dispose: () => tf.dispose([a, b, flatA, flatB]),
  };
}

const linearRow = 'linear layer, forward + backward, 2048×256×1024';
const headsRow = 'batched heads, [8,4,256,64]·[8,4,64,256]';

export const matmulTable: Table = {
  name: 'matmul',
  title: 'Matrix products',
  note: 'The ceiling has no batch and no transposed side. The goals are for wasm.',
  rows: ({ quick }) => {
    const cached = quick ? 4096 : 32768;
    return [
      () => linear(2048, 256, 1024),
      () => heads('batched heads', [8, 4, 256, 64, 256], false),
      () => heads('attention scores', [8, 4, 256, 64, 256], true),
      () => heads('a retention chunk', [4, 4, 64, 64, 64], false),
      () => heads('one token against a cache', [1, 4, 1, 64, cached], true),
      () => heads('weights of one token · cached values', [1, 4, 1, cached, 64], false),
      () => heads('tiny matrices', [8, 4, 4, 4, 4], false),
    ];
  },
  goals: [
    {
      says: 'linear layer, upstream / ours, at least 10',
      value: (ms) => ms(linearRow, 'upstream') / ms(linearRow, 'ours'),
      atLeast: 10,
    },
    {
      says: 'batched heads, upstream / ours, at least 3',
      value: (ms) => ms(headsRow, 'upstream') / ms(headsRow, 'ours'),
      atLeast: 3,
    },
  ],
};
