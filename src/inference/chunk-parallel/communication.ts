/**
 * What devices must tell each other when a sequence is cut into consecutive chunks, in bytes and by formula.
 *
 * Device i holds tokens from … to. To go on where its neighbour stopped, it needs what a model would remember at `from`:
 *
 *   YOCO          L/2 states of fixed size  +  K̂, V̂ of the tokens before `from`, once
 *   Transformer   K, V of the tokens before `from`, in each of L layers
 *
 * So what a device receives **is** the cache of the text before it, to the byte: costs/memory.ts with N = from. Summed over
 * P devices with N/P tokens each, YOCO's global cache costs (P − 1)/2 · 2 · N · Hkv · D · b and its states (P − 1) · L/2 · s.
 *
 * Attention here is causal, so keys and values go to later devices only. A plain all-gather sends them to everybody: twice
 * the bytes, for both models. Source: YOCO, NeurIPS camera-ready, appendix A; the sums are ours.
 */
import { cacheBytes } from '../../costs/memory';
import type { ModelConfig } from '../../models/config';
import { checkCount } from '../../tensor/shapes';

/** A device's share of the positions: from, inclusive, to, exclusive. */
export interface Chunk {
  from: number;
  to: number;
}

/** P consecutive chunks that differ by one token at most. @throws RangeError if there are more devices than tokens. */
export function chunksOf(tokens: number, devices: number): Chunk[] {
  checkCount('chunksOf', 'devices', devices, 'devices');
  checkCount('chunksOf', 'tokens', tokens, 'tokens');
  if (devices > tokens)
    throw new RangeError(
      `chunksOf: ${tokens} tokens for ${devices} devices; each needs a token, so take ${tokens} devices at most.`,
    );
  const border = (i: number) => Math.floor((tokens * i) / devices);
  return Array.from({ length: devices }, (_, i) => ({ from: border(i), to: border(i + 1) }));
}

export interface Communication {
  /** Layer memories, handed from neighbour to neighbour. */
  handedOn: number;
  /** Keys and values, told to every later device. */
  gathered: number;
  total: number;
}

/** Bytes received by all devices together. @throws RangeError as `chunksOf` and `cacheBytes` do. */
export function communicatedBytes(
  config: ModelConfig,
  {
    tokens,
    devices,
    batch = 1,
    bytesPerValue = 4,
  }: { tokens: number; devices: number; batch?: number; bytesPerValue?: number },
): Communication {
  let [handedOn, gathered] = [0, 0];
  for (const { from } of chunksOf(tokens, devices).slice(1)) {
    const { parts, total } = cacheBytes(config, { tokens: from, batch, bytesPerValue });
    // A window keeps to its neighbourhood; whatever grows with the text must be gathered.
    const bounded =
      config.kind === 'yoco'
        ? total - (parts.cross ?? 0)
        : config.windowSize === undefined
          ? 0
          : total;
    handedOn += bounded;
    gathered += total - bounded;
  }
  return { handedOn, gathered, total: handedOn + gathered };
}
