import type * as tf from '@tensorflow/tfjs';
import {
  chunkwiseGatedDelta,
  type GatedDeltaForm,
  type GatedDeltaInputs,
  recurrentGatedDelta,
} from '../../src/delta-rule/index';
import { compareForm, type Run } from './compare-ops-gated-retention';
import type { GoldenFile } from './golden-file';

/** Both forms and all chunk sizes of the file, from its initial state if it has one; gradients too. */
export function compareOpsGatedDelta(file: GoldenFile, c: string): void {
  const names = ['q', 'k', 'v', 'beta', 'log_gate'];
  if (file.meta(`${c}.initial_state`) === 'true') names.push('state_in');
  const inputs = names.map((name) => file.input(`${c}/${name}`));

  compareForm(file, c, names, inputs, running(recurrentGatedDelta));
  // A chunk solves a triangular system, which loses a digit more: it has entries of its own.
  for (const chunkSize of file.list(`${c}.chunk_sizes`))
    compareForm(file, c, names, inputs, running(chunkwiseGatedDelta, chunkSize), 'chunk');
}

const running =
  (form: GatedDeltaForm, chunkSize?: number): Run =>
  (q, k, v, beta, logDecay, initialState) => {
    const given = { q, k, v, beta, logDecay } as GatedDeltaInputs;
    return form(given, { initialState: initialState as tf.Tensor4D | undefined, chunkSize });
  };
