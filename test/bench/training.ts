/** One training step (forward, backward, clipping, AdamW) of models of about a million weights. */
import { trainingFlops } from '../../src/costs/operations';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../src/models/config';
import { createModel } from '../../src/models/presets';
import { AdamW } from '../../src/training/adamw';
import { clipByGlobalNorm, lossAndGradients } from '../../src/training/gradients';
import { crossEntropy } from '../../src/training/loss';
import type { Goal, Rival, Row, Table } from './measure';
import { CEILING, ceiling, GATED, ids, TRANSFORMER } from './models';

const BATCH = 8;
const CONTEXT = 256;
const common = { vocabSize: 256, dim: 128, heads: 4, kvHeads: 4 };
const yoco = { ...common, ffnDim: 448, selfHeads: 4, selfLayers: 2, crossLayers: 2 };
const million: Record<string, ModelConfig> = {
  [GATED]: yocoConfig(yoco),
  [TRANSFORMER]: transformerConfig({ ...common, ffnDim: 448, headDim: 32, layers: 4 }),
  'YOCO, window of 64': yocoConfig({ ...yoco, selfDecoder: 'sliding-window', windowSize: 64 }),
};
const label = `${BATCH} texts of ${CONTEXT} tokens`;

function steps(): Row {
  const rows = ids(BATCH, CONTEXT);
  const tokens = rows.arraySync(); // inputs and targets: what is learned does not matter
  rows.dispose();
  const product = ceiling();
  const rivals: Rival[] = [];
  const disposables: { dispose(): void }[] = [product];
  for (const [name, config] of Object.entries(million)) {
    const model = createModel(config);
    const optimizer = new AdamW(model.parameters, { beta1: 0.9, beta2: 0.95, weightDecay: 0.1 });
    const run = () => {
      const lossOf = () => crossEntropy(model.forward(tokens), tokens);
      const { gradients } = lossAndGradients(model.parameters, lossOf);
      optimizer.update(clipByGlobalNorm(gradients, 1).gradients, 1e-4);
    };
    const flops = trainingFlops(config, CONTEXT, { batch: BATCH }).computed;
    rivals.push({ name, run, flops, tokens: BATCH * CONTEXT, watchMemory: true });
    disposables.push(optimizer, model);
  }
  return {
    name: label,
    rivals: [...rivals, product],
    dispose() {
      for (const disposable of disposables) disposable.dispose();
    },
  };
}

export const trainingTable: Table = {
  name: 'training',
  title: 'A training step, a million weights',
  note: 'Rates count the products of forward and backward; clipping and AdamW are in the time.',
  rows: () => [steps],
  goals: [GATED, TRANSFORMER].map(
    (name): Goal => ({
      says: `${name}: share of the ceiling, at least 0.4`,
      value: (_, rate) => rate(label, name) / rate(label, CEILING),
      atLeast: 0.4,
    }),
  ),
};
