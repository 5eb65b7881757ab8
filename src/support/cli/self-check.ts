/** A few seconds of proof that this machine computes what the book says: printed before the course opens. */
import * as tf from '@tensorflow/tfjs';
import { createModel } from '../../models/create-model';
import { preset } from '../../models/presets';
import { forms, type RetentionInputs } from '../../retention/index';
import { SeededRandom } from '../../tensor/random';

/** Shares of the largest number: float32 gives a few 1e-7 at these sizes. */
const ALLOWED = 4e-6;

/** @throws Error if two things that are one function differ by more than rounding. */
export function selfCheck(): string {
  const rows = tf.tidy(() => [...retentionRows(), ...modelRows()]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const text = rows.map(
    ([name, difference]) =>
      `  ${difference <= ALLOWED ? '✓' : '✗'} ${name.padEnd(width)}  differ by ${difference.toExponential(1)} of the largest number`,
  );
  const wrong = rows.filter(([, difference]) => !(difference <= ALLOWED));
  if (wrong.length > 0)
    throw new Error(
      `${text.join('\n')}\nThis engine does not compute what it should (allowed: ${ALLOWED}). Try another: CACHE_ONCE_ENGINE=cpu npm start`,
    );
  return `self-check, allowed ${ALLOWED}\n${text.join('\n')}`;
}

const apart = (a: tf.Tensor, b: tf.Tensor): number =>
  a.sub(b).abs().max().div(b.abs().max()).dataSync()[0];

function retentionRows(): [string, number][] {
  const random = new SeededRandom(1);
  const [B, H, N, D] = [2, 2, 70, 8];
  const draw = () => tf.tensor4d(random.normals(B * H * N * D), [B, H, N, D]);
  const inputs: RetentionInputs = {
    q: draw(),
    k: draw(),
    v: draw(),
    logDecay: tf.tensor3d(random.uniforms(B * H * N, -0.3, 0), [B, H, N]),
  };
  const want = forms.recurrent(inputs);
  return (['parallel', 'chunkwise'] as const).flatMap((name): [string, number][] => {
    const got = forms[name](inputs, { chunkSize: 16 });
    return [
      [`retention: ${name} = recurrent, outputs`, apart(got.output, want.output)],
      [`retention: ${name} = recurrent, final state`, apart(got.state, want.state)],
    ];
  });
}

function modelRows(): [string, number][] {
  const tokens = [Array.from({ length: 24 }, (_, n) => (7 * n) % 64)];
  return ['tiny-transformer', 'tiny-yoco', 'tiny-yoco-retention', 'tiny-yoco-window'].map(
    (name) => {
      const model = createModel(preset(name), { seed: 2 });
      const cache = model.newCache();
      model.prefill([tokens[0].slice(0, 20)], cache);
      const steps = tokens[0].slice(20).map((token) => model.step([token], cache));
      const whole = model.logits(tokens).slice([0, 23, 0], [1, 1, -1]).reshape([1, -1]);
      const difference = apart(steps.at(-1)!, whole);
      cache.dispose();
      model.dispose();
      return [`${name}: cached = uncached logits`, difference];
    },
  );
}
