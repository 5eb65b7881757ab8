/**
 * What devices must send each other when a text is cut into consecutive chunks: bytes by formula.
 *
 * To continue at position `from`, a device needs the cache of the text before it:
 *
 *   YOCO          L/2 states of fixed size  +  K̂, V̂ of the tokens before `from`, once
 *   Transformer   K, V of the tokens before `from`, in each of L layers
 *
 * So it receives as many bytes as costs/memory.ts gives for `from` tokens. Summed over P devices
 * with N/P tokens each: (P − 1)/2 · 2 · N · Hkv · D · b for K̂ and V̂, (P − 1) · L/2 · s for
 * states.
 *
 * Attention is causal, so keys and values go to later devices only. An all-gather sends them to
 * every device: twice the bytes, for both models.
 * Source: YOCO, NeurIPS camera-ready, appendix A; the sums are ours.
 */
import { type CacheSize, cacheBytes } from '../../costs/memory';
import type { ModelConfig } from '../../models/config';
import { checkCount } from '../../tensor/shapes';

/** The positions of a device: `from` is the first, `to` is one past the last. */
export interface Chunk {
  from: number;
  to: number;
}

/** Consecutive chunks of equal length, or one token more. @throws RangeError for too few tokens. */
export function chunksOf(tokens: number, devices: number): Chunk[] {
  checkCount('chunksOf', 'devices', devices, 'devices');
  checkCount('chunksOf', 'tokens', tokens, 'tokens');
  if (devices > tokens)
    throw new RangeError(`chunksOf: ${tokens} tokens for ${devices} devices; give each a token.`);
  const firstOf = (device: number) => Math.floor((tokens * device) / devices);
  return Array.from({ length: devices }, (_, i) => ({ from: firstOf(i), to: firstOf(i + 1) }));
}

/** Bytes received. */
export interface Received {
  /** From the left neighbour: layer caches of bounded size, which are states or windows. */
  states: number;
  /** From all earlier devices: the keys and values of all their tokens. */
  keysValues: number;
}

/** Bytes received by all devices together. @throws RangeError as `chunksOf` and `cacheBytes` do. */
export function communicatedBytes(
  config: ModelConfig,
  { devices, ...text }: CacheSize & { devices: number },
): Received & { total: number } {
  const windowed = config.kind === 'yoco' || config.windowSize !== undefined;
  let states = 0;
  let keysValues = 0;
  for (const { from } of chunksOf(text.tokens, devices).slice(1)) {
    const { total, global } = cacheBytes(config, { ...text, tokens: from });
    const bounded = windowed ? total - global : 0;
    states += bounded;
    keysValues += total - bounded;
  }
  return { states, keysValues, total: states + keysValues };
}
