import * as tf from '@tensorflow/tfjs';
import { forms, type RetentionForm } from '../../src/retention/index';
import type { GoldenFile } from './golden-file';

/** All three forms, every chunk size of the file, from an initial state where there is one; gradients too. */
export function compareOpsGatedRetention(file: GoldenFile, c: string): void {
  const names = [
    'q',
    'k',
    'v',
    'log_gate',
    ...(file.meta(`${c}.initial_state`) === 'true' ? ['state_in'] : []),
  ];
  const inputs = names.map((name) => file.input(`${c}/${name}`));
  const Dk = inputs[1].shape[3]!;
  const run = (form: RetentionForm, chunkSize: number | undefined, given: tf.Tensor[]) => {
    const [q, k, v, logDecay, initialState] = given as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor3D,
      tf.Tensor4D | undefined,
    ];
    return form({ q, k: k.mul(Dk ** -0.5), v, logDecay }, { initialState, chunkSize }); // k in the files is before its scale
  };
  const ways: [RetentionForm, number | undefined, string | undefined][] = [
    [forms.recurrent, undefined, 'recurrent'],
    [forms.parallel, undefined, 'parallel'],
    ...file
      .list(`${c}.chunk_sizes`)
      .map((size): [RetentionForm, number, string] => [forms.chunkwise, size, `chunk${size}`]),
  ];
  for (const [form, chunkSize, entry] of ways) {
    // The parallel form subtracts running sums over the whole text and loses a digit with strong gates: its own entry.
    const loses = entry === 'parallel' ? entry : undefined;
    const { output, state } = run(form, chunkSize, inputs);
    file.compare(`${c}/out`, output, loses);
    file.compare(`${c}/state_out`, state, loses);
    if (file.meta(`${c}.gradients`) !== 'true') continue;
    const dout = file.input(`${c}/dout`);
    const dstate = file.input(`${c}/dstate_out`);
    const scalar = (...given: tf.Tensor[]): tf.Scalar => {
      const result = run(form, chunkSize, given);
      return result.output.mul(dout).sum().add<tf.Scalar>(result.state.mul(dstate).sum());
    };
    const gradients = tf.grads(scalar)(inputs);
    names.forEach((name, i) => {
      file.compare(`${c}/d${name}`, gradients[i], loses);
    });
  }
}
