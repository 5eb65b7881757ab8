/**
 * The shape of a model as plain data. Nothing is allocated until a model is made from it.
 *
 * What the paper leaves open (τ, the √dim on the embedding, the rotary frequencies, the scale of
 * the keys) is an option, with the official code's choice as default.
 */
import type { Implementation } from '../layers/mixer';
import type { RotaryOptions } from '../layers/rotary';
import { checkCount, shown } from '../tensor/shapes';

export const selfDecoderKinds = [
  'gated-retention',
  'retention',
  'sliding-window',
  'gated-delta',
] as const;
export type SelfDecoderKind = (typeof selfDecoderKinds)[number];

interface CommonConfig {
  vocabSize: number;
  /** Width of the residual stream. */
  dim: number;
  /** Inner width of SwiGLU. */
  ffnDim: number;
  /** Heads of full attention; heads / kvHeads query heads share one key/value head. */
  heads: number;
  kvHeads: number;
  /** The output head reads the embedding table instead of a table of its own. */
  tiedEmbeddings: boolean;
  normEps: number;
  ropeTheta: number;
  /** `plain`: the readable tier; `fast` (default): the one for real work. Equal results. */
  implementation?: Implementation;
}
export interface TransformerConfig extends CommonConfig {
  kind: 'transformer';
  layers: number;
  /** Independent of dim / heads. */
  headDim: number;
  /** Tokens that a position sees, itself included; absent: all. */
  windowSize?: number;
}
export interface YocoConfig extends CommonConfig {
  kind: 'yoco';
  /** L/2 and L/2 in the paper; 3:1, 1:3, 0:1 in its ablation; n:0 has no global cache. */
  selfLayers: number;
  crossLayers: number;
  selfDecoder: SelfDecoderKind;
  /** Heads of the self-decoder's mixer, each dim / selfHeads wide. */
  selfHeads: number;
  /** Needed by `sliding-window`: tokens that a position sees, itself included. */
  windowSize?: number;
  /** τ of the gate γ = σ(z)^(1/τ). The paper names no value; official code: 16. */
  gateTemperature: number;
  /** Chunk of the chunkwise form, in tokens. */
  chunkSize: number;
  /** Which of the three equal forms computes a piece of several tokens. */
  retentionForm: 'chunkwise' | 'parallel' | 'recurrent';
  /** Official code: embeddings are multiplied by √dim. The paper does not say so. */
  embeddingScale: boolean;
  /** `end-point`: θ^(-i/(D/2-1)), as in the official code; `standard`: θ^(-2i/D). */
  rotaryFrequencies: 'end-point' | 'standard';
  /** Official code: retention's keys are multiplied by Dk^-½. The paper's formula has no scale. */
  keyScale: boolean;
}
export type ModelConfig = TransformerConfig | YocoConfig;

const commonDefaults = { tiedEmbeddings: false, normEps: 1e-5, ropeTheta: 10_000 };
const yocoDefaults = {
  selfDecoder: 'gated-retention' as SelfDecoderKind,
  gateTemperature: 16,
  chunkSize: 64, // the fastest on wasm; the paper's GPU kernel takes 256. The result is the same.
  retentionForm: 'chunkwise' as const,
  embeddingScale: true,
  rotaryFrequencies: 'end-point' as const,
  keyScale: true,
};
type WithDefaults<C, D> = Omit<C, keyof D | 'kind'> & Partial<Pick<C, keyof D & keyof C>>;

/** A checked config with the defaults filled in. @throws RangeError naming the field. */
export function transformerConfig(
  given: WithDefaults<TransformerConfig, typeof commonDefaults>,
): TransformerConfig {
  return checkConfig({ ...commonDefaults, ...given, kind: 'transformer' });
}
/** A checked config, with the official code's choices. @throws RangeError naming the field. */
export function yocoConfig(
  given: WithDefaults<YocoConfig, typeof commonDefaults & typeof yocoDefaults>,
): YocoConfig {
  return checkConfig({ ...commonDefaults, ...yocoDefaults, ...given, kind: 'yoco' });
}

const allowed: Record<string, readonly unknown[]> = {
  kind: ['transformer', 'yoco'],
  selfDecoder: selfDecoderKinds,
  retentionForm: ['chunkwise', 'parallel', 'recurrent'],
  rotaryFrequencies: ['end-point', 'standard'],
  implementation: ['plain', 'fast'],
  tiedEmbeddings: [true, false],
  embeddingScale: [true, false],
  keyScale: [true, false],
};
const counts = {
  transformer: ['vocabSize', 'dim', 'ffnDim', 'heads', 'kvHeads', 'layers', 'headDim'],
  yoco: ['vocabSize', 'dim', 'ffnDim', 'heads', 'kvHeads', 'selfHeads', 'chunkSize'],
} as const;
/** Beside the counts, which are checked one by one. */
const required = {
  transformer: Object.keys(commonDefaults),
  yoco: Object.keys({ ...commonDefaults, ...yocoDefaults }),
};
const positive = ['normEps', 'ropeTheta', 'gateTemperature'];
const other = ['windowSize', 'selfLayers', 'crossLayers'];

function refuse(message: string): never {
  throw new RangeError(`config: ${message}`);
}

/** @throws RangeError naming the field, its value and what is allowed. */
export function checkConfig<C extends ModelConfig>(config: C): C {
  const fields = config as unknown as Record<string, unknown>;
  if (fields.kind === undefined) refuse('kind is missing; allowed: transformer, yoco.');
  for (const [field, values] of Object.entries(allowed)) {
    if (fields[field] !== undefined && !values.includes(fields[field]))
      refuse(`${field} is ${shown(fields[field])}; allowed: ${values.join(', ')}.`);
  }
  const { kind, windowSize } = config;
  for (const field of required[kind])
    if (fields[field] === undefined) refuse(`${field} is missing; a ${kind}'s config needs it.`);
  const known = [...counts[kind], ...positive, ...other, ...Object.keys(allowed)];
  for (const field in fields) {
    if (!known.includes(field))
      refuse(`${field} is no field of a ${kind}'s config; it has ${known.join(', ')}.`);
  }
  for (const field of counts[kind]) checkCount('config', field, fields[field] as number, 'units');
  for (const field of positive) {
    const value = fields[field];
    if (value !== undefined && !(Number.isFinite(value) && (value as number) > 0))
      refuse(`${field} is ${shown(value)}; give a number above 0.`);
  }
  if (windowSize !== undefined && !(Number.isInteger(windowSize) && windowSize >= 1))
    refuse(
      `windowSize is ${shown(windowSize)}, but a window holds the token itself: ` +
        `give a whole number of 1 or more (1024 in the paper's scaling runs).`,
    );
  const sharing = 'heads / kvHeads query heads share one key/value head';
  checkDivides('kvHeads', config.kvHeads, 'heads', config.heads, sharing);
  if (config.kind === 'transformer') checkEven('headDim', config.headDim);
  else checkYoco(config);
  return config;
}

function checkYoco(config: YocoConfig): void {
  const { selfLayers, crossLayers, selfDecoder, windowSize, dim, heads, selfHeads } = config;
  for (const [field, n] of Object.entries({ selfLayers, crossLayers })) {
    if (!Number.isInteger(n) || n < 0)
      refuse(`${field} is ${shown(n)}; give a whole number of layers, 0 or more.`);
  }
  if (selfLayers + crossLayers === 0)
    refuse('selfLayers and crossLayers are both 0; a model needs a layer.');
  if (selfDecoder === 'sliding-window' && windowSize === undefined)
    refuse(
      'windowSize is missing; a sliding-window self-decoder needs one ' +
        "(1024 in the paper's scaling runs).",
    );
  if (selfDecoder !== 'sliding-window' && windowSize !== undefined)
    refuse(`windowSize is ${windowSize}, but ${selfDecoder} has no window; leave it out.`);
  checkDivides('heads', heads, 'dim', dim, 'a head of the cross-decoder is dim / heads wide');
  checkEven('dim / heads', dim / heads);
  const width = 'a head of the self-decoder is dim / selfHeads wide';
  checkDivides('selfHeads', selfHeads, 'dim', dim, width);
  checkEven('dim / selfHeads', dim / selfHeads);
}
function checkDivides(small: string, a: number, large: string, b: number, why: string): void {
  if (b % a !== 0)
    refuse(`${large} is ${b} and ${small} is ${a}; ${small} must divide ${large}: ${why}.`);
}
function checkEven(name: string, width: number): void {
  if (width % 2 !== 0)
    refuse(`${name} is ${width}; it must be even, because rotary rotates pairs of features.`);
}

/**
 * For the `default` of a `switch (selfDecoder)`; the type `never` makes the compiler ask for a case
 * for every kind.
 */
export function unknownSelfDecoder(where: string, kind: never): never {
  throw new RangeError(
    `${where}: selfDecoder is ${shown(kind)}; allowed: ${selfDecoderKinds.join(', ')}.`,
  );
}

/** All layers: the L of the formulas. */
export const layersOf = (config: ModelConfig): number =>
  config.kind === 'transformer' ? config.layers : config.selfLayers + config.crossLayers;

/** How positions rotate queries and keys in every layer of a YOCO. */
export const rotaryOf = ({ rotaryFrequencies, ropeTheta }: YocoConfig): RotaryOptions => ({
  style: 'interleaved',
  frequencies: rotaryFrequencies,
  theta: ropeTheta,
});
