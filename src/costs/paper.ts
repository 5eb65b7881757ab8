/**
 * The paper's arithmetic, from its configs: which published numbers follow from shapes alone.
 *
 * The published numbers were measured on H100 cards, with kernels, buffers and a number of devices
 * that the paper names only in part. This file computes weights, caches and operations. Where both
 * agree, the claim can be checked without a GPU; where they do not, `notReproduced` says by how
 * much, and why.
 *
 * Source: YOCO, arXiv 2405.05254, introduction, section on profiling and its figures; NeurIPS
 * appendix D. Figures are named by their subject: the two versions number them differently.
 */
import type { ModelConfig } from '../models/config';
import { preset } from '../models/presets';
import { cacheBytes, GB, weightBytes } from './memory';
import { prefillFlops } from './operations';
import { type Rates, type Serving, sequenceCost, throughput } from './throughput';

const bfloat16 = 2;
const K = 1024;

/** The published profile of the 3B model: ratios Transformer / YOCO, of throughput YOCO / it. */
export const publishedProfile: {
  tokens: number;
  memoryRatio: number;
  prefillRatio: number;
  throughputRatio?: number;
}[] = [
  { tokens: 32 * K, memoryRatio: 1.95, prefillRatio: 2.87, throughputRatio: 2.72 },
  { tokens: 64 * K, memoryRatio: 2.32, prefillRatio: 5.05, throughputRatio: 2.57 },
  { tokens: 128 * K, memoryRatio: 3.01, prefillRatio: 8.36, throughputRatio: 2.77 },
  { tokens: 256 * K, memoryRatio: 4.16, prefillRatio: 15.55, throughputRatio: 4.37 },
  { tokens: 512 * K, memoryRatio: 6.39, prefillRatio: 30.3, throughputRatio: 9.56 },
  { tokens: 1024 * K, memoryRatio: 9.38, prefillRatio: 71.82 },
];

/** What is stated in absolute numbers at 512K tokens; 1,024 tokens are generated. */
export const stated512K = {
  tokens: 512 * K,
  generated: 1024,
  transformerPrefillSeconds: 180,
  transformerTokensPerSecond: 4.5,
  yocoTokensPerSecond: 43.1,
};
/** YOCO-3B in bfloat16 at a million tokens: the stated total. */
export const statedBytesAt1M = 12.4 * GB;
/** The official loop reads a prompt in pieces of this many tokens. */
export const officialPrefillChunk = 32_768;

/**
 * Activations of one piece of a prefill where they are widest: the residual stream and the two
 * branches of SwiGLU. A program that keeps more alive at once needs more.
 */
export const activationBytes = ({ dim, ffnDim }: ModelConfig, tokens = officialPrefillChunk) =>
  tokens * (dim + 2 * ffnDim) * bfloat16;

/** NVIDIA's data sheet of the H100 SXM: dense bfloat16 products, and its memory. */
export const dataSheetRates: Rates = { flopsPerSecond: 989e12, bytesPerSecond: 3.35e12 };

const servingAt = (tokens: number): Serving => ({
  tokens,
  generated: stated512K.generated,
  memoryBytes: 80 * GB,
  bytesPerValue: bfloat16,
});

/** The two-rate model of throughput.ts for the two 3B models on a card of 80 GB. */
export function throughput3B(tokens: number, rates: Rates) {
  const serving = servingAt(tokens);
  const transformer = throughput(preset('transformer-3B'), serving, rates);
  const yoco = throughput(preset('yoco-3B'), serving, rates);
  return { transformer, yoco, ratio: yoco.tokensPerSecond / transformer.tokensPerSecond };
}

/**
 * The two rates from the two numbers stated for the Transformer at 512K, where one sequence fits:
 * 180 s of prefill give F; what is left of 1,024 tokens at 4.5 per second gives R.
 */
export function ratesOfTheTransformer(): Rates {
  const { tokens, generated, transformerPrefillSeconds, transformerTokensPerSecond } = stated512K;
  const { flops, bytes } = sequenceCost(preset('transformer-3B'), servingAt(tokens), 1);
  const decodeSeconds = generated / transformerTokensPerSecond - transformerPrefillSeconds;
  return {
    flopsPerSecond: flops / transformerPrefillSeconds,
    bytesPerSecond: bytes / decodeSeconds,
  };
}

/**
 * One constant fitted: a ratio of throughputs depends on F / R alone; this one meets the published
 * ratio at 512K. (flopsT + x bytesT) / (flopsY + x bytesY) = ratio, solved for x = F / R.
 */
export function fittedRates(): Rates {
  const { tokens, throughputRatio: ratio } = publishedProfile[4];
  const atAnyRate = throughput3B(tokens, { flopsPerSecond: 1, bytesPerSecond: 1 });
  const { prefillSeconds: flopsT, decodeSeconds: bytesT } = atAnyRate.transformer;
  const { prefillSeconds: flopsY, decodeSeconds: bytesY } = atAnyRate.yoco;
  const flopsPerByte = (flopsT - ratio! * flopsY) / (ratio! * bytesY - bytesT);
  const { bytesPerSecond } = dataSheetRates;
  return { flopsPerSecond: flopsPerByte * bytesPerSecond, bytesPerSecond };
}

/** Bytes of weights and cache (activations are not counted), and the operations of a prefill. */
function profile(name: string, tokens: number) {
  const config = preset(name);
  const weights = weightBytes(config, bfloat16);
  const cache = cacheBytes(config, { tokens, bytesPerValue: bfloat16 }).total;
  return { weights, cache, total: weights + cache, prefill: prefillFlops(config, tokens).needed };
}

/**
 * YOCO-3B and a Transformer of the same shape after `tokens` tokens: bytes in bfloat16, and
 * operations. Ratios are Transformer / YOCO.
 */
export function profile3B(tokens: number) {
  const yoco = profile('yoco-3B', tokens);
  const transformer = profile('transformer-3B', tokens);
  return {
    yoco,
    transformer,
    memoryRatio: transformer.total / yoco.total,
    cacheRatio: transformer.cache / yoco.cache,
    prefillRatio: transformer.prefill / yoco.prefill,
  };
}

/**
 * Bytes beside weights and caches that the published memory ratios imply, if they are the same at
 * every length: (a + cacheT) / (b + cacheY) = ratio, solved at 32K and at 1M; the four lengths
 * between must then fit.
 */
export function impliedActivations(): { yoco: number; transformer: number } {
  const ends = [publishedProfile[0], publishedProfile[publishedProfile.length - 1]];
  const [first, last] = ends.map(({ tokens, memoryRatio: ratio }) => {
    const { yoco, transformer } = profile3B(tokens);
    return { ratio, difference: ratio * yoco.cache - transformer.cache }; // a − ratio · b
  });
  const b = (first.difference - last.difference) / (last.ratio - first.ratio);
  const a = first.difference + first.ratio * b;
  const { yoco, transformer } = profile3B(1);
  return { yoco: b - yoco.weights, transformer: a - transformer.weights };
}

/** What the cache of one layer keeps of one token. */
export interface CacheSetting {
  kvHeads: number;
  headDim: number;
  bytesPerValue: number;
}
/** Bytes of the keys and values of one token in one layer. */
export function bytesPerToken({ kvHeads, headDim, bytesPerValue }: CacheSetting): number {
  return 2 * kvHeads * headDim * bytesPerValue;
}

/**
 * The 65B model appears twice, with two different caches. The introduction's 86 GB at 512K tokens
 * follow from 8 key/value heads of 128 in 8 bits; figure 8's tokens per gigabyte from 16 heads in
 * 16 bits, four times as much per token.
 */
export const paper65B = {
  layers: 80,
  introduction: { kvHeads: 8, headDim: 128, bytesPerValue: 1 },
  figure8: { kvHeads: 16, headDim: 128, bytesPerValue: 2 },
} as const;

/** Tokens whose keys and values fit in `bytes`, when `layers` layers keep them. */
export function tokensIn(bytes: number, layers: number, setting: CacheSetting): number {
  return bytes / (layers * bytesPerToken(setting));
}

/** Figure 8: memory per token, Transformer / YOCO, by model size: the number of layers. */
export const publishedRatioBySize = { '1.2B': 24, '6.4B': 32, '13B': 40, '30B': 64, '65B': 80 };

/** Published figures that do not follow from shapes; `ours` is what shapes alone give. */
export function notReproduced() {
  const at32K = profile3B(32 * K);
  const at512K = profile3B(512 * K);
  const at1M = profile3B(1024 * K);
  const missingAt32K = (1.95 * at32K.yoco.total - at32K.transformer.total) / GB;
  const excessAt1M = (statedBytesAt1M - at1M.yoco.total) / GB;
  const ratioAt1M = at1M.transformer.total / statedBytesAt1M;
  const modelled = throughput3B(512 * K, ratesOfTheTransformer());
  const smaller = bytesPerToken(paper65B.introduction) / K;
  const larger = bytesPerToken(paper65B.figure8) / K;
  return [
    {
      claim: 'total memory at 32K, Transformer / YOCO',
      published: '1.95',
      ours: at32K.memoryRatio.toFixed(2),
      why:
        `Weights and caches alone lack ${missingAt32K.toFixed(1)} GB on the Transformer's ` +
        `side. The published breakdown, with activations, is for 1M tokens.`,
    },
    {
      claim: 'total memory at 1M, Transformer / YOCO',
      published: '9.38',
      ours: at1M.memoryRatio.toFixed(2),
      why:
        `The stated 12.4 GB for YOCO are ${excessAt1M.toFixed(1)} GB more than its weights and ` +
        `caches; divided by 12.4 GB it is ${ratioAt1M.toFixed(2)}.`,
    },
    {
      claim: 'prefill at 1M, Transformer / YOCO',
      published: '71.82',
      ours: at1M.prefillRatio.toFixed(1),
      why:
        'More than the ratio of operations; up to 512K the published ratios stay within 13 % of ' +
        'it. Something beside the operations changed, perhaps the number of devices.',
    },
    {
      claim: 'seconds of prefill: 180 at 512K, about 300 at 1M (Transformer)',
      published: '1.7 times longer for twice the text',
      ours: (at1M.transformer.prefill / at512K.transformer.prefill).toFixed(1),
      why:
        'Attention is quadratic: on the same devices the time would nearly quadruple. Do not ' +
        'extrapolate from these seconds.',
    },
    {
      claim: 'throughput at 512K, 4.5 and 43.1 tokens/s',
      published: '9.56',
      ours: `${modelled.ratio.toFixed(2)}, with two rates taken from the Transformer`,
      why:
        'Prefill at a rate of operations and decoding at a rate of bytes give the direction and ' +
        'the size, not each point. A step of YOCO reads half as much per sequence as the ' +
        "Transformer's, not the ratio of caches: every upper layer reads the one cache.",
    },
    {
      claim: '65B: 86 GB at 512K tokens, and 1.6K tokens in 1 GB',
      published: 'one model',
      ours: `${smaller} and ${larger} KiB per token and layer`,
      why: 'Each follows from a cache setting of its own; no single setting gives both.',
    },
  ];
}
