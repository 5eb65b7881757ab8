/** The models that the tables compare: eight layers of width 256, and the plain product that nobody can beat. */
import * as tf from '@tensorflow/tfjs';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../src/models/config';
import { normal } from './inputs';
import type { Rival } from './measure';

const common = { vocabSize: 256, dim: 256, heads: 4, kvHeads: 4 };
// The paper's FFN widths, 8/3 dim against 3 dim: with them both models have as many weights.
const yoco = { ...common, ffnDim: 768, selfHeads: 4, selfLayers: 4, crossLayers: 4 };

export const TRANSFORMER = 'Transformer';
export const GATED = 'YOCO, gated retention';
export const WINDOW = 256;
export const configs: Readonly<Record<string, ModelConfig>> = {
  [GATED]: yocoConfig(yoco),
  [TRANSFORMER]: transformerConfig({ ...common, ffnDim: 688, headDim: 64, layers: 8 }),
  'YOCO, fixed retention': yocoConfig({ ...yoco, selfDecoder: 'retention' }),
  [`YOCO, window of ${WINDOW}`]: yocoConfig({ ...yoco, selfDecoder: 'sliding-window', windowSize: WINDOW }),
};

export const CEILING = 'ceiling: a plain product';
/** What the engine reaches when it does nothing but multiply two matrices of a layer's size. */
export function ceiling(): Rival & { dispose: () => void } {
  const [a, b] = [normal<tf.Tensor2D>(90, [2048, 256]), normal<tf.Tensor2D>(91, [256, 768])];
  return { name: CEILING, run: () => tf.matMul(a, b), flops: 2 * 2048 * 256 * 768, dispose: () => tf.dispose([a, b]) };
}

/** Token ids without a pattern that a cache could use. */
export const ids = (batch: number, tokens: number): tf.Tensor2D =>
  tf.tensor2d(
    Int32Array.from({ length: batch * tokens }, (_, i) => (i * 31 + (i >> 5)) % 256),
    [batch, tokens],
    'int32',
  );
export const count = (tokens: number): string => tokens.toLocaleString('en');
