/** Before the course opens: proof in seconds that this machine computes what the book says. */
import * as tf from '@tensorflow/tfjs';
import { createModel, preset, presets } from '../../models/presets';
import { forms, type RetentionInputs } from '../../retention/index';
import { SeededRandom } from '../../tensor/random';

/** A share of the largest number: float32 gives a few 1e-7 at these sizes. */
const ALLOWED = 4e-6;

type Comparison = {
  name: string;
  /** The worst difference as a share of the largest number. */
  difference: number;
};

/** @throws Error if two ways to compute the same differ by more than rounding. */
export function selfCheck(): string {
  const comparisons = tf.tidy(() => [...compareForms(), ...compareCaches()]);
  const width = Math.max(...comparisons.map(({ name }) => name.length));
  const lines: string[] = [];
  let passed = true;
  for (const { name, difference } of comparisons) {
    const isEqual = difference <= ALLOWED; // false for NaN
    passed &&= isEqual;
    const share = `${difference.toExponential(1)} of the largest number`;
    lines.push(`  ${isEqual ? '✓' : '✗'} ${name.padEnd(width)}  differ by ${share}`);
  }
  if (!passed) {
    throw new Error(
      `${lines.join('\n')}\nThis engine does not compute what it should (allowed: ${ALLOWED}). ` +
        'Try another: CACHE_ONCE_ENGINE=cpu npm start',
    );
  }
  return `self-check, allowed ${ALLOWED}\n${lines.join('\n')}`;
}

/** The forms of retention: outputs and final states, in chunks that do not divide the length. */
function compareForms(): Comparison[] {
  const B = 2;
  const H = 2;
  const N = 70;
  const size = 8; // Dk and Dv
  const random = new SeededRandom(1);
  const draw = () => tf.tensor4d(random.normals(B * H * N * size), [B, H, N, size]);
  const inputs: RetentionInputs = {
    q: draw(),
    k: draw(),
    v: draw(),
    logDecay: tf.tensor3d(random.uniforms(B * H * N, -0.3, 0), [B, H, N]),
  };
  const want = forms.recurrent(inputs);
  const comparisons: Comparison[] = [];
  for (const name of ['parallel', 'chunkwise'] as const) {
    const { output, state } = forms[name](inputs, { chunkSize: 16 });
    const equation = `retention: ${name} = recurrent`;
    comparisons.push(
      { name: `${equation}, outputs`, difference: worstDifference(output, want.output) },
      { name: `${equation}, final state`, difference: worstDifference(state, want.state) },
    );
  }
  return comparisons;
}

/** Prefill and four steps against the whole text at once. */
function compareCaches(): Comparison[] {
  const tokens = Array.from({ length: 24 }, (_, n) => (7 * n) % 64);
  const comparisons: Comparison[] = [];
  for (const name of Object.keys(presets).filter((preset) => preset.startsWith('tiny-'))) {
    const model = createModel(preset(name), { seed: 2 });
    const cache = model.newCache(1);
    let cached = model.prefill([tokens.slice(0, 20)], cache); // [1, vocab]
    for (const token of tokens.slice(20)) cached = model.step([token], cache);
    const all: tf.Tensor3D = model.forward([tokens]); // [1, 24, vocab]
    const last = all.slice([0, 23, 0], [1, 1, -1]).squeeze([1]); // [1, vocab]
    const difference = worstDifference(cached, last);
    comparisons.push({ name: `${name}: cached = uncached logits`, difference });
    cache.dispose();
    model.dispose();
  }
  return comparisons;
}

function worstDifference(a: tf.Tensor, b: tf.Tensor): number {
  const worst = a.sub(b).abs().max();
  const largest = b.abs().max();
  return worst.div(largest).dataSync()[0];
}
