/** The three equal forms by name, so that a config can choose one. */
import { chunkwiseRetention } from './chunkwise';
import { parallelRetention } from './parallel';
import { recurrentRetention } from './recurrent';
import type { RetentionForm } from './retention-form';

export type RetentionFormName = 'parallel' | 'recurrent' | 'chunkwise';

export const forms: Readonly<Record<RetentionFormName, RetentionForm>> = {
  parallel: parallelRetention,
  recurrent: recurrentRetention,
  chunkwise: chunkwiseRetention,
};

/** @throws RangeError unless `name` is the name of a form. */
export function checkFormName(where: string, name: string): void {
  if (Object.hasOwn(forms, name)) return;
  const allowed = Object.keys(forms).join(', ');
  throw new RangeError(`${where}: form is ${JSON.stringify(name)}; allowed: ${allowed}.`);
}
