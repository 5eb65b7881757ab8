/** Which comparer knows which kind of file. A kind that nobody knows is a failure, never a skip. */
import * as tf from '@tensorflow/tfjs';
import {
  compareCrossAttention,
  compareGateRetention,
  compareSlidingWindow,
} from './compare-layers';
import { compareModel } from './compare-models';
import { compareOpsAttention } from './compare-ops-attention';
import { compareOpsBasic } from './compare-ops-basic';
import { compareOpsGatedDelta } from './compare-ops-gated-delta';
import { compareOpsGatedRetention } from './compare-ops-gated-retention';
import { compareOpsRetnet } from './compare-ops-retnet';
import type { GoldenFile } from './golden-file';

const comparers: Record<string, (file: GoldenFile, c: string) => void> = {
  ops_basic: compareOpsBasic,
  ops_attention: compareOpsAttention,
  ops_gated_delta: compareOpsGatedDelta,
  ops_gated_retention: compareOpsGatedRetention,
  ops_retnet: compareOpsRetnet,
  layer_gate_retention: compareGateRetention,
  layer_sliding_window: compareSlidingWindow,
  layer_cross_attention: compareCrossAttention,
  model_yoco_gret: (file, c) => compareModel(file, c),
  model_yoco_swa: (file, c) => compareModel(file, c),
  model_transformer: (file, c) => compareModel(file, c),
};

/** @throws Error naming the file and the tensor, case or kind at fault. */
export function compareFile(file: GoldenFile): void {
  const kind = file.meta('kind');
  const compare = comparers[kind];
  if (!compare)
    throw new Error(
      `${file.path}: nothing here knows the kind ${kind}; known: ${Object.keys(comparers).join(', ')}.`,
    );
  for (const c of file.cases) tf.tidy(() => compare(file, c));
  file.finish();
}
