import type * as tf from '@tensorflow/tfjs';
import { attention } from '../../src/attention/attention';
import { blockedAttention } from '../../src/attention/blocked-attention';
import { gradientsOf } from '../attention/attention-inputs';
import type { GoldenFile } from './golden-file';

/**
 * Causal, windows, offsets, grouped heads: the plain tier, and the fast one in one and many blocks.
 */
export function compareOpsAttention(file: GoldenFile, c: string): void {
  const input = (name: string) => file.input<tf.Tensor4D>(`${c}/${name}`);
  const inputs = { q: input('q'), k: input('k'), v: input('v') };
  const window = file.meta(`${c}.window`);
  const windowSize = window === 'none' ? undefined : Number(window);
  const forms = [
    (given: typeof inputs) => attention(given, { windowSize }),
    (given: typeof inputs) => blockedAttention(given, { windowSize }),
    (given: typeof inputs) => blockedAttention(given, { windowSize, queryBlockSize: 4 }),
  ];
  for (const form of forms) {
    file.compare(`${c}/out`, form(inputs));
    if (file.meta(`${c}.gradients`) !== 'true') continue;
    const [dq, dk, dv] = gradientsOf(form, inputs, input('dout'));
    file.compare(`${c}/dq`, dq);
    file.compare(`${c}/dk`, dk);
    file.compare(`${c}/dv`, dv);
  }
}
