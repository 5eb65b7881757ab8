/**
 * The paper's arithmetic, from its configs: which of the published numbers follow from shapes alone, and which do not.
 *
 * What is published was measured on H100 cards, with kernels, buffers and a number of devices that the paper names only in
 * part. What is computed here is weights, caches and operations. Where the two agree, the claim needs no GPU to be believed;
 * where they do not, `notReproduced` says by how much, and why.
 *
 * Source: YOCO, arXiv 2405.05254, introduction, sections 2 and 5, figures 7 to 10; NeurIPS appendix D.
 */
import { layersOf } from '../models/config';
import { preset } from '../models/presets';
import { cacheBytes, GB, GiB, weightBytes } from './memory';
import { prefillFlops } from './operations';

const bfloat16 = 2;
const K = 1024;

/** A published point of the 3B model's profile: Transformer / YOCO. Throughput at 1M is not given. */
export interface PublishedProfile {
  tokens: number;
  memoryRatio: number;
  prefillRatio: number;
  throughputRatio?: number;
}
export const publishedProfile: readonly PublishedProfile[] = [
  { tokens: 32 * K, memoryRatio: 1.95, prefillRatio: 2.87, throughputRatio: 2.72 },
  { tokens: 64 * K, memoryRatio: 2.32, prefillRatio: 5.05, throughputRatio: 2.57 },
  { tokens: 128 * K, memoryRatio: 3.01, prefillRatio: 8.36, throughputRatio: 2.77 },
  { tokens: 256 * K, memoryRatio: 4.16, prefillRatio: 15.55, throughputRatio: 4.37 },
  { tokens: 512 * K, memoryRatio: 6.39, prefillRatio: 30.3, throughputRatio: 9.56 },
  { tokens: 1024 * K, memoryRatio: 9.38, prefillRatio: 71.82 },
];

export interface Side {
  weights: number;
  cache: number;
  /** Weights and cache; activations are not counted. */
  total: number;
  /** Operations that the mathematics of a prefill needs. */
  prefill: number;
}
/** YOCO-3B and a Transformer of the same shape at a length: bytes in bfloat16, and operations. Ratios are Transformer / YOCO. */
export function profile3B(tokens: number): {
  yoco: Side;
  transformer: Side;
  memoryRatio: number;
  cacheRatio: number;
  prefillRatio: number;
} {
  const side = (name: string): Side => {
    const config = preset(name);
    const weights = weightBytes(config, bfloat16);
    const cache = cacheBytes(config, { tokens, bytesPerValue: bfloat16 }).total;
    return { weights, cache, total: weights + cache, prefill: prefillFlops(config, tokens).needed };
  };
  const [yoco, transformer] = [side('yoco-3B'), side('transformer-3B')];
  return {
    ...{ yoco, transformer },
    memoryRatio: transformer.total / yoco.total,
    cacheRatio: transformer.cache / yoco.cache,
    prefillRatio: transformer.prefill / yoco.prefill,
  };
}

/** What one layer's cache keeps of a token. */
export interface CacheSetting {
  kvHeads: number;
  headDim: number;
  bytesPerValue: number;
}
/** Keys and values of one token in one layer. */
export const bytesPerToken = ({ kvHeads, headDim, bytesPerValue }: CacheSetting): number =>
  2 * kvHeads * headDim * bytesPerValue;

/**
 * The 65B model appears twice, with two different caches. The introduction's 86 GB at 512K tokens follow from 8 key/value
 * heads of 128 in 8 bits; figure 8's tokens per gigabyte from 16 heads in 16 bits, four times as much per token.
 */
export const paper65B = {
  layers: 80,
  introduction: { kvHeads: 8, headDim: 128, bytesPerValue: 1 },
  figure8: { kvHeads: 16, headDim: 128, bytesPerValue: 2 },
} as const;

/** Tokens whose keys and values fit in `bytes`, when `layers` layers keep them. */
export const tokensIn = (bytes: number, layers: number, setting: CacheSetting): number =>
  bytes / (layers * bytesPerToken(setting));

/** Figure 8: memory per token, Transformer / YOCO, by model size. It is the number of layers. */
export const publishedRatioBySize: Readonly<Record<string, number>> = {
  '1.2B': 24,
  '6.4B': 32,
  '13B': 40,
  '30B': 64,
  '65B': 80,
};

/** Layer-tokens of a prefill, all L layers against the exit in the middle: N·L and N·L/2 + L/2. */
export const layerTokens = (layers: number, tokens: number) => ({
  full: tokens * layers,
  earlyExit: (tokens * layers) / 2 + layers / 2,
});

export interface Verdict {
  claim: string;
  published: string;
  /** What shapes alone give. */
  ours: string;
  why: string;
}
/** Published figures that do not follow from shapes, computed anew at each call. */
export function notReproduced(): Verdict[] {
  const short = profile3B(32 * K);
  const long = profile3B(1024 * K);
  const missing = 1.95 * short.yoco.total - short.transformer.total;
  const withStated = long.transformer.total / (12.4 * GB);
  return [
    {
      claim: 'total memory at 32K, Transformer / YOCO',
      published: '1.95',
      ours: short.memoryRatio.toFixed(2),
      why: `Weights and caches alone lack ${(missing / GB).toFixed(1)} GB on the Transformer's side. Buffers of the prefill are likely in it; the paper does not list them.`,
    },
    {
      claim: 'total memory at 1M, Transformer / YOCO',
      published: '9.38',
      ours: long.memoryRatio.toFixed(2),
      why: `The stated 12.4 GB for YOCO are ${(12.4 - long.yoco.total / GB).toFixed(1)} GB more than its weights and caches; divided by 12.4 GB it is ${withStated.toFixed(2)}.`,
    },
    {
      claim: 'prefill at 1M, Transformer / YOCO',
      published: '71.82',
      ours: long.prefillRatio.toFixed(1),
      why: 'More than the ratio of operations; up to 512K the published ratios stay within 13 % of it. Something beside the operations changed, perhaps the number of devices.',
    },
    {
      claim: 'seconds of prefill: 180 at 512K, about 300 at 1M (Transformer)',
      published: '1.7 times longer for twice the text',
      ours: (long.transformer.prefill / profile3B(512 * K).transformer.prefill).toFixed(1),
      why: 'Attention is quadratic: on the same devices the time would nearly quadruple. Do not extrapolate from these seconds.',
    },
    {
      claim: 'throughput at 512K, 4.5 and 43.1 tokens/s',
      published: '9.56',
      ours: 'not a matter of shapes',
      why: 'It depends on the batch that fits and on kernels. The cache that a step must read is smaller by the ratio of caches.',
    },
    {
      claim: '65B: 86 GB at 512K tokens, and 1.6K tokens in 1 GB',
      published: 'one model',
      ours: `${bytesPerToken(paper65B.introduction) / K} and ${bytesPerToken(paper65B.figure8) / K} KiB per token and layer`,
      why: 'Each follows from a cache setting of its own; no single setting gives both.',
    },
  ];
}

/** The layer count that the ratio of caches tends to. */
export const ratioLimit = (name: string): number => layersOf(preset(name));
export { GB, GiB };
