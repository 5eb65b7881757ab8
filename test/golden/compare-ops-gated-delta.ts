import * as tf from '@tensorflow/tfjs';
import {
  chunkwiseGatedDelta,
  type GatedDeltaForm,
  type GatedDeltaInputs,
  recurrentGatedDelta,
} from '../../src/delta-rule/index';
import type { GoldenFile } from './golden-file';

/** Both forms and all chunk sizes of the file, from its initial state if it has one; gradients too. */
export function compareOpsGatedDelta(file: GoldenFile, c: string): void {
  const names = ['q', 'k', 'v', 'beta', 'log_gate'];
  if (file.meta(`${c}.initial_state`) === 'true') names.push('state_in');
  const inputs = names.map((name) => file.input(`${c}/${name}`));

  compareForm(file, c, names, inputs, recurrentGatedDelta);
  // A chunk solves a triangular system, which loses a digit more: it has entries of its own.
  for (const chunkSize of file.list(`${c}.chunk_sizes`))
    compareForm(file, c, names, inputs, chunkwiseGatedDelta, chunkSize, 'chunk');
}

function compareForm(
  file: GoldenFile,
  c: string,
  names: string[],
  inputs: tf.Tensor[],
  form: GatedDeltaForm,
  chunkSize?: number,
  entry?: string,
): void {
  const run = (...[q, k, v, beta, logDecay, initialState]: tf.Tensor[]) => {
    const given = { q, k, v, beta, logDecay } as GatedDeltaInputs;
    return form(given, { initialState: initialState as tf.Tensor4D | undefined, chunkSize });
  };
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
