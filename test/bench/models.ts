/** The models that the tables compare, and the plain product that nobody can beat. */
import * as tf from '@tensorflow/tfjs';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../src/models/config';
import { normal } from './inputs';
import type { Rival, Setting } from './measure';

export const TRANSFORMER = 'Transformer';
export const GATED = 'YOCO, gated retention';
/**
 * Eight layers: of width 256 on a processor; of width 1024, with the paper's wide retention heads,
 * on a graphics card.
 */
const sizes = {
  small: { dim: 256, heads: 4, selfHeads: 4, windowSize: 256 },
  large: { dim: 1024, heads: 16, selfHeads: 4, windowSize: 1024 },
};
export function configsFor({
  large = false,
}: Partial<Setting>): Readonly<Record<string, ModelConfig>> {
  const { dim, heads, selfHeads, windowSize } = sizes[large ? 'large' : 'small'];
  const common = { vocabSize: 256, dim, heads, kvHeads: heads };
  // The paper's FFN widths, 8/3 dim against 3 dim: with them both models have about as many
  // weights.
  const yoco = { ...common, ffnDim: 3 * dim, selfHeads, selfLayers: 4, crossLayers: 4 };
  return {
    [GATED]: yocoConfig(yoco),
    [TRANSFORMER]: transformerConfig({
      ...common,
      ffnDim: 16 * Math.round(dim / 6),
      headDim: dim / heads,
      layers: 8,
    }),
    'YOCO, fixed retention': yocoConfig({ ...yoco, selfDecoder: 'retention' }),
    [`YOCO, window of ${windowSize}`]: yocoConfig({
      ...yoco,
      selfDecoder: 'sliding-window',
      windowSize,
    }),
  };
}
/** How long a prompt: what a processor reads in minutes, what a card does. */
export const lengthsFor = ({ quick, large }: Setting): number[] => {
  const all = large ? [1024, 4096, 16_384, 65_536] : [512, 1024, 4096, 8192, 16_384];
  return quick ? all.slice(0, 2) : all;
};

export const CEILING = 'ceiling: a plain product';
/** What the engine reaches when it does nothing but multiply two matrices of a layer's size. */
export function ceiling({ large = false }: Partial<Setting> = {}): Rival & { dispose: () => void } {
  const { dim } = sizes[large ? 'large' : 'small'];
  const [a, b] = [normal<tf.Tensor2D>(90, [2048, dim]), normal<tf.Tensor2D>(91, [dim, 3 * dim])];
  return {
    name: CEILING,
    run: () => tf.matMul(a, b),
    flops: 2 * 2048 * dim * 3 * dim,
    dispose: () => tf.dispose([a, b]),
  };
}

/** Token ids without a pattern that a cache could use. */
export const ids = (batch: number, tokens: number): tf.Tensor2D =>
  tf.tensor2d(
    Int32Array.from({ length: batch * tokens }, (_, i) => (i * 31 + (i >> 5)) % 256),
    [batch, tokens],
    'int32',
  );
export const count = (tokens: number): string => tokens.toLocaleString('en');
