/** The three equal forms by name, so that a config can choose one. */
import { chunkwiseRetention } from './chunkwise';
import { parallelRetention } from './parallel';
import { recurrentRetention } from './recurrent';
import type { RetentionForm } from './types';

export const forms = {
  parallel: parallelRetention,
  recurrent: recurrentRetention,
  chunkwise: chunkwiseRetention,
} as const satisfies Record<string, RetentionForm>;

export type RetentionFormName = keyof typeof forms;
