/** A model of any kind from its config, and a trained one from its files. */
import type { ModelConfig } from './config';
import type { LanguageModel } from './language-model';
import { Transformer } from './transformer';
import { Yoco } from './yoco';

export interface CreateOptions {
  /** Seed of the first weights: equal on every engine. */
  seed?: number;
}
/** @throws RangeError naming the field of the config that is not allowed. The caller disposes the model. */
export function createModel(config: ModelConfig, options: CreateOptions = {}): LanguageModel {
  return config.kind === 'transformer'
    ? new Transformer(config, options)
    : new Yoco(config, options);
}
