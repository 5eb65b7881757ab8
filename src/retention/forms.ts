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

/** The form of that name. @throws RangeError listing the names. */
export function formNamed<Form>(
  where: string,
  named: Record<RetentionFormName, Form>,
  name: RetentionFormName,
): Form {
  if (!Object.hasOwn(named, name))
    throw new RangeError(
      `${where}: form is ${JSON.stringify(name)}; allowed: ${Object.keys(named).join(', ')}.`,
    );
  return named[name];
}
