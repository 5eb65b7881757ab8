import * as tf from '@tensorflow/tfjs';
import { softmaxAttention } from '../../src/attention/blocked-attention';
import type { GoldenFile } from './golden-file';

/** Masked softmax attention: causal, windows, offsets, grouped heads; in one band and in bands of four queries. */
export function compareOpsAttention(file: GoldenFile, c: string): void {
  const [q, k, v] = ['q', 'k', 'v'].map((name) => file.input<tf.Tensor4D>(`${c}/${name}`)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  const window = file.meta(`${c}.window`);
  const windowSize = window === 'none' ? undefined : Number(window);
  for (const blockSize of [undefined, 4]) {
    file.compare(`${c}/out`, softmaxAttention({ q, k, v }, { windowSize, blockSize }));
    if (file.meta(`${c}.gradients`) !== 'true') continue;
    const attend = (...given: tf.Tensor[]) => {
      const [Q, K, V] = given as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
      return softmaxAttention({ q: Q, k: K, v: V }, { windowSize, blockSize });
    };
    const gradients = tf.grads(attend)([q, k, v], file.input(`${c}/dout`));
    ['dq', 'dk', 'dv'].forEach((name, i) => {
      file.compare(`${c}/${name}`, gradients[i]);
    });
  }
}
