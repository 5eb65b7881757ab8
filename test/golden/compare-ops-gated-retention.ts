import * as tf from '@tensorflow/tfjs';
import {
  forms,
  type RetentionForm,
  type RetentionInputs,
  type RetentionResult,
} from '../../src/retention/index';
import type { GoldenFile } from './golden-file';

/** All forms and chunk sizes of the file, from its initial state if it has one; gradients too. */
export function compareOpsGatedRetention(file: GoldenFile, c: string): void {
  const names = ['q', 'k', 'v', 'log_gate'];
  if (file.meta(`${c}.initial_state`) === 'true') names.push('state_in');
  const inputs = names.map((name) => file.input(`${c}/${name}`));

  compareForm(file, c, names, inputs, running(forms.recurrent));
  // The reference's parallel form subtracts running sums over the whole text, which loses a digit
  // with strong gates: it has an entry of its own.
  compareForm(file, c, names, inputs, running(forms.parallel), 'parallel');
  for (const chunkSize of file.list(`${c}.chunk_sizes`))
    compareForm(file, c, names, inputs, running(forms.chunkwise, chunkSize));
}

const running =
  (form: RetentionForm, chunkSize?: number): Run =>
  (q, k, v, logDecay, initialState) => {
    const scaledK = k.mul((k.shape[3] as number) ** -0.5); // in the files k has no scale yet
    const given = { q, k: scaledK, v, logDecay } as RetentionInputs;
    return form(given, { initialState: initialState as tf.Tensor4D | undefined, chunkSize });
  };

/** A form on the tensors of a file, in the order of their names there. */
export type Run = (...inputs: tf.Tensor[]) => RetentionResult;

/** Outputs, final state and, where the file has them, gradients; `entry`: see `compare`. */
export function compareForm(
  file: GoldenFile,
  c: string,
  names: string[],
  inputs: tf.Tensor[],
  run: Run,
  entry?: string,
): void {
  const { output, state } = run(...inputs);
  file.compare(`${c}/out`, output, entry);
  file.compare(`${c}/state_out`, state, entry);
  if (file.meta(`${c}.gradients`) !== 'true') return;

  const dout = file.input(`${c}/dout`);
  const dstate = file.input(`${c}/dstate_out`);
  const loss = (...given: tf.Tensor[]): tf.Scalar => {
    const result = run(...given);
    return result.output.mul(dout).sum().add(result.state.mul(dstate).sum());
  };
  const gradients = tf.grads(loss)(inputs);
  for (const [i, name] of names.entries()) file.compare(`${c}/d${name}`, gradients[i], entry);
}
