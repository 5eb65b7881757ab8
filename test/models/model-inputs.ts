/** Small models, tokens for them, and what float32 may lose in them. */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../../src/models/language-model';
import { lastPosition } from '../../src/models/prompt';
import { SeededRandom, type Tolerance } from '../helpers';

export const modelKinds = [
  'tiny-yoco',
  'tiny-yoco-retention',
  'tiny-yoco-window',
  'tiny-yoco-delta',
  'tiny-transformer',
];

/** float32 through four layers: the worst error seen, on wasm and cpu, is 1e-6 of the largest. */
export const tolerance: Tolerance = { ofLargest: 1e-5, absolute: 1e-6 };

/** [B][N] ids below 64, the vocabulary of the tiny presets. */
export function drawTokens(seed: number, B: number, N: number): number[][] {
  const random = new SeededRandom(seed + 1000);
  return Array.from({ length: B }, () => Array.from({ length: N }, () => random.integer(64)));
}

/** The last position of the full pass without a cache: [B, vocab]. */
export const lastLogits = (model: LanguageModel, tokens: number[][]): tf.Tensor2D =>
  tf.tidy(() => lastPosition(model.forward(tokens)).reshape([tokens.length, -1]));
