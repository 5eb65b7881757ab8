/**
 * The three forms of retention against the length of the text: time of a forward pass, and the most bytes alive at once.
 *
 * What to expect: parallel grows with N² in both, recurrent with N but one token at a time, chunkwise with N in large
 * products. All three compute the same numbers.
 */
import * as tf from '@tensorflow/tfjs';
import { SeededRandom } from '../../src/engine/random';
import { forms, type RetentionFormName, type RetentionInputs } from '../../src/retention/index';

export interface RetentionRow {
  form: RetentionFormName;
  tokens: number;
  /** Only the chunkwise form has one. */
  chunkSize?: number;
  /** The fastest of `repeats`, after one run to warm up. */
  forwardMs: number;
  /** Beyond the inputs; by TensorFlow.js' own count, which counts a view like a copy. */
  peakBytes: number;
}
export interface RetentionBenchOptions {
  heads?: number;
  headDim?: number;
  lengths?: number[];
  chunkSizes?: number[];
  /** Longest text for the parallel form: its matrices take 4 · heads · N² bytes each. */
  longestParallel?: number;
  repeats?: number;
}

export async function benchRetention({
  heads = 4,
  headDim = 64,
  lengths = [256, 1024, 4096],
  chunkSizes = [64],
  longestParallel = 2048,
  repeats = 3,
}: RetentionBenchOptions = {}): Promise<RetentionRow[]> {
  const rows: RetentionRow[] = [];
  for (const tokens of lengths) {
    const inputs = draw(heads, tokens, headDim);
    const runs: { form: RetentionFormName; chunkSize?: number }[] = [
      { form: 'recurrent' },
      ...chunkSizes.map((chunkSize) => ({ form: 'chunkwise' as const, chunkSize })),
    ];
    if (tokens <= longestParallel) runs.unshift({ form: 'parallel' });
    for (const { form, chunkSize } of runs) {
      const before = tf.memory().numBytes;
      const { peakBytes, result } = await tf.profile(() => run(form, inputs, chunkSize));
      tf.dispose(result);
      const times: number[] = [];
      for (let i = 0; i < repeats; i++) {
        const start = performance.now();
        const output = run(form, inputs, chunkSize);
        await output.data(); // a graphics card answers before it has computed
        times.push(performance.now() - start);
        output.dispose();
      }
      rows.push({ form, tokens, ...(chunkSize ? { chunkSize } : {}), forwardMs: Math.min(...times), peakBytes: peakBytes - before });
    }
    tf.dispose(Object.values(inputs));
  }
  return rows;
}

const run = (form: RetentionFormName, inputs: RetentionInputs, chunkSize?: number): tf.Tensor =>
  tf.tidy(() => forms[form](inputs, { chunkSize }).output);

function draw(H: number, N: number, D: number): RetentionInputs {
  const random = new SeededRandom(1);
  const four = (): tf.Tensor4D => tf.tensor4d(random.normals(H * N * D), [1, H, N, D]);
  return { q: four(), k: four(), v: four(), logDecay: tf.tensor3d(random.uniforms(H * N, -0.1, 0), [1, H, N]) };
}
