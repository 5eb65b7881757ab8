/**
 * Operations that only move numbers: what a slice, a look-up, a rotary pair, a repeated head cost.
 */
import * as tf from '@tensorflow/tfjs';
import { withUpstreamKernels } from '../../src/support/backends/patches/replace-kernel';
import { normal } from './inputs';
import type { Row, Table } from './measure';

function moving(name: string, shape: number[], run: (x: tf.Tensor) => unknown): Row {
  const x = normal(1, shape);
  return {
    name: `${name}, from [${shape}]`,
    rivals: [
      { name: 'ours', run: () => run(x) },
      { name: 'upstream', run: () => run(x), within: withUpstreamKernels },
    ],
    dispose: () => x.dispose(),
  };
}

function lookUp(): Row {
  const indices = Int32Array.from({ length: 2048 }, (_, i) => (i * 31) % 1024);
  const ids = tf.tensor1d(indices, 'int32');
  const row = moving('look up 2048 rows', [1024, 64], (x) => tf.gather(x, ids));
  const dispose = () => {
    row.dispose?.();
    ids.dispose();
  };
  return { ...row, dispose };
}

export const movingTable: Table = {
  name: 'moving',
  title: 'Moving numbers',
  note: 'Upstream copies a whole tensor to slice it, and makes a call per short run of neighbours.',
  rows: () => [
    () =>
      moving('slice of one chunk of 64', [1, 4096, 4, 64], (x) =>
        x.slice([0, 2048, 0, 0], [1, 64, 4, 64]),
      ),
    () => moving('split into chunks of 64', [1, 4096, 256], (x) => tf.split(x, 64, 1)),
    () => moving('transpose a matrix', [2048, 256], (x) => x.transpose()),
    () => moving('transpose a batch', [8, 1024, 64], (x) => x.transpose([0, 2, 1])),
    () => moving('stack pairs (rotary)', [1, 1024, 4, 32], (x) => tf.stack([x, x], -1)),
    () => moving('repeat heads', [1, 1024, 2, 1, 64], (x) => x.tile([1, 1, 1, 4, 1])),
    lookUp,
  ],
};
