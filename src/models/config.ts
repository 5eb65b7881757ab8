/**
 * The shape of a model as plain data. Nothing is allocated until a model is made from it.
 *
 * What the paper leaves open (τ, the √dim on the embedding, the rotary frequencies, the scale of
 * the keys) is an option, with the official code's choice as default.
 */
import type { Implementation } from '../layers/mixer';
import type { RotaryOptions } from '../layers/rotary';
import { checkCount } from '../tensor/shapes';

export type SelfDecoderKind = 'gated-retention' | 'retention' | 'sliding-window';

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
  /** τ of gated retention, γ = σ(z)^(1/τ). The paper names no value; official code: 16. */
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
  selfDecoder: ['gated-retention', 'retention', 'sliding-window'],
  retentionForm: ['chunkwise', 'parallel', 'recurrent'],
  rotaryFrequencies: ['end-point', 'standard'],
  implementation: ['plain', 'fast'],
  tiedEmbeddings: [true, false],
  embeddingScale: [true, false],
  keyScale: [true, false],
};
const fieldsOf = {
  transformer: ['vocabSize', 'dim', 'ffnDim', 'heads', 'kvHeads', 'layers', 'headDim'],
  yoco: ['vocabSize', 'dim', 'ffnDim', 'heads', 'kvHeads', 'selfHeads', 'chunkSize'],
} as const;
const optional = [
  'windowSize',
  'normEps',
  'ropeTheta',
  'gateTemperature',
  'selfLayers',
  'crossLayers',
  ...Object.keys(allowed),
];

/** @throws RangeError naming the field, its value and what is allowed. */
export function checkConfig<C extends ModelConfig>(config: C): C {
  const where = 'config';
  const c = config as unknown as Record<string, unknown>;
  for (const field in allowed)
    if (c[field] !== undefined && !allowed[field].includes(c[field]))
      throw new RangeError(
        `${where}: ${field} is ${JSON.stringify(c[field])}; allowed: ${allowed[field].join(', ')}.`,
      );
  if (c.kind === undefined)
    throw new RangeError(`${where}: kind is missing; allowed: transformer, yoco.`);
  const known = [...fieldsOf[config.kind], ...optional];
  for (const field in c)
    if (!known.includes(field))
      throw new RangeError(
        `${where}: ${field} is no field of a ${config.kind}'s config; it has ${known.join(', ')}.`,
      );
  for (const field of fieldsOf[config.kind]) checkCount(where, field, c[field] as number, 'units');
  for (const field of ['normEps', 'ropeTheta', 'gateTemperature'])
    if (c[field] !== undefined && !((c[field] as number) > 0 && Number.isFinite(c[field])))
      throw new RangeError(`${where}: ${field} is ${c[field]}; give a number above 0.`);
  if (
    config.windowSize !== undefined &&
    !(Number.isInteger(config.windowSize) && config.windowSize >= 1)
  )
    throw new RangeError(
      `${where}: windowSize is ${config.windowSize}, but a window holds the token itself: ` +
        `give a whole number of 1 or more (1024 in the paper's scaling runs).`,
    );
  checkDivides(
    'kvHeads',
    config.kvHeads,
    'heads',
    config.heads,
    'heads / kvHeads query heads share one key/value head',
  );
  if (config.kind === 'transformer') checkRotates('headDim', config.headDim);
  else checkYoco(config);
  return config;
}

function checkYoco(config: YocoConfig): void {
  for (const field of ['selfLayers', 'crossLayers'] as const)
    if (!Number.isInteger(config[field]) || config[field] < 0)
      throw new RangeError(
        `config: ${field} is ${config[field]}; give a whole number of layers, 0 or more.`,
      );
  if (config.selfLayers + config.crossLayers === 0)
    throw new RangeError('config: selfLayers and crossLayers are both 0; a model needs a layer.');
  if (config.selfDecoder === 'sliding-window' && config.windowSize === undefined)
    throw new RangeError(
      'config: windowSize is missing; a sliding-window self-decoder needs one ' +
        '(1024 in the paper’s scaling runs).',
    );
  if (config.selfDecoder !== 'sliding-window' && config.windowSize !== undefined)
    throw new RangeError(
      `config: windowSize is ${config.windowSize}, but a ${config.selfDecoder} self-decoder ` +
        `has no window; leave it out.`,
    );
  checkDivides(
    'heads',
    config.heads,
    'dim',
    config.dim,
    'each head of the cross-decoder is dim / heads wide',
  );
  checkRotates('dim / heads', config.dim / config.heads);
  checkDivides(
    'selfHeads',
    config.selfHeads,
    'dim',
    config.dim,
    'each head of the self-decoder is dim / selfHeads wide',
  );
  checkRotates('dim / selfHeads', config.dim / config.selfHeads);
}
function checkDivides(small: string, a: number, large: string, b: number, why: string): void {
  if (b % a !== 0)
    throw new RangeError(
      `config: ${large} is ${b} and ${small} is ${a}; ${small} must divide ${large}, ` +
        `because ${why}.`,
    );
}
function checkRotates(name: string, width: number): void {
  if (width % 2 !== 0)
    throw new RangeError(
      `config: ${name} is ${width}; it must be even, because rotary rotates pairs of features.`,
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
