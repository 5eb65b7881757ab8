/**
 * From Transformer to YOCO: a new model that begins with the weights of a trained one.
 *
 *   Transformer                   YOCO                       how
 *   embedding E                   embedding                  E / √dim: YOCO multiplies by √dim
 *   lower half: q, k              self-decoder: q, k         rotary pairs reordered, heads repeated
 *   lower half: v, o              self-decoder: v, o         heads of v repeated
 *   norms and FFN of a layer      the same layer's           as they are
 *   upper half: q, o              cross-attention's q, o     rotary pairs of q reordered
 *   k, v of ONE upper layer       global K̂, V̂                with that layer's norm folded in
 *   k, v of other upper layers    –                          dropped: has to be learned again
 *   –                             retention's W_G, W_γ       fresh
 *
 * What is exact. Layer L/2 of the Transformer computes its keys and values from the output of the
 * lower half; from the same output YOCO computes K̂ and V̂. So with a window that holds the whole
 * text, and K̂, V̂ from layer L/2 (the default), all layers up to that one compute what they did
 * before. The first difference is the second upper layer: its queries meet another layer's keys.
 *
 * Sources: YOCO, arXiv 2405.05254, eqs. 1 to 3, for the parts. The paper converts no model; the
 * nearest published work is SwiftKV (arXiv 2410.03960) and MLKV (arXiv 2406.09297).
 */
import type { ModelConfig, TransformerConfig, YocoConfig } from '../models/config';
import { yocoConfig } from '../models/config';
import type { LanguageModel } from '../models/language-model';
import { Yoco } from '../models/yoco';
import { loadStateDict, type StateTensor, toStateDict } from './state-dict';
import { foldNorm, interleavedPairs, meanOf, resizedHeads, scaled } from './weight-conversion';

export interface ConversionOptions {
  /** Layers (from 0) whose keys and values become K̂, V̂, by their mean. Default: [L/2]. */
  keysFrom?: readonly number[];
}
/** One weight of the new model and where it comes from. */
export interface Transfer {
  to: string;
  from: string[];
  /** In words: `as it is`, `scaled`, `pairs reordered`, `heads repeated`, `into the one cache`. */
  how: string;
  make: (weights: StateTensor[]) => StateTensor;
}

/** The config of a YOCO that fits such a Transformer: standard frequencies, the same heads. */
export function matchingYoco(
  transformer: TransformerConfig,
  given: Pick<YocoConfig, 'selfDecoder'> & Partial<YocoConfig>,
): YocoConfig {
  const { vocabSize, dim, ffnDim, heads, kvHeads, layers } = transformer;
  const { tiedEmbeddings, normEps, ropeTheta } = transformer;
  const selfLayers = given.selfLayers ?? Math.floor(layers / 2);
  return yocoConfig({
    ...{ vocabSize, dim, ffnDim, heads, kvHeads, tiedEmbeddings, normEps, ropeTheta },
    ...{ selfHeads: heads, selfLayers, crossLayers: layers - selfLayers },
    rotaryFrequencies: 'standard',
    ...given,
  });
}

/** Which weight comes from where; others stay fresh. @throws RangeError if they do not fit. */
export function conversionPlan(
  given: ModelConfig,
  config: YocoConfig,
  { keysFrom = [config.selfLayers] }: ConversionOptions = {},
): Transfer[] {
  const { heads, kvHeads } = checkMatch(given, config, keysFrom);
  const plan: Transfer[] = [];
  const add = (
    to: string,
    from: string | string[],
    how = 'as it is',
    make: Transfer['make'] = ([weight]) => weight,
  ): void => {
    const sources = [from].flat().map((name) => `${name}.weight`);
    plan.push({ to: `${to}.weight`, from: sources, how, make });
  };
  /** What the layers of both halves have in common. */
  const addLayer = (to: string, from: string): void => {
    add(`${to}.mixer_layer_norm`, `${from}.attention_norm`);
    add(`${to}.final_layer_norm`, `${from}.ffn_norm`);
    add(`${to}.ffn.fc1`, `${from}.feed_forward.w1`);
    add(`${to}.ffn.gate`, `${from}.feed_forward.w3`);
    add(`${to}.ffn.fc2`, `${from}.feed_forward.w2`);
    add(`${to}.mixer.out_proj`, `${from}.attention.wo`);
    const query: Transfer['make'] = ([q]) => interleavedPairs(q, heads);
    add(`${to}.mixer.q_proj`, `${from}.attention.wq`, 'pairs reordered', query);
  };

  const scale = config.embeddingScale ? Math.sqrt(config.dim) : 1;
  const embedding: Transfer['make'] = ([E]) => scaled(E, 1 / scale);
  add('embed_tokens', 'tok_embeddings', 'scaled', embedding);

  for (let i = 0; i < config.selfLayers; i++) {
    const [to, from] = [`self_decoder.layers.${i}`, `layers.${i}`];
    addLayer(to, from);
    const value: Transfer['make'] = ([v]) => resizedHeads(v, kvHeads, heads);
    const key: Transfer['make'] = ([k]) => interleavedPairs(resizedHeads(k, kvHeads, heads), heads);
    add(`${to}.mixer.k_proj`, `${from}.attention.wk`, 'pairs reordered, heads repeated', key);
    add(`${to}.mixer.v_proj`, `${from}.attention.wv`, 'heads repeated', value);
  }

  // Each source layer's norm is folded into its own matrix, W diag(g), before the mean is taken.
  // What is left of the norm is the division by the length: its weights are 1.
  const how = 'into the one cache';
  const norms = keysFrom.map((layer) => `layers.${layer}.attention_norm`);
  const sourcesOf = (name: string) =>
    keysFrom.map((layer) => `layers.${layer}.attention.${name}`).concat(norms);
  const merge: Transfer['make'] = (weights) => {
    const folded = keysFrom.map((_, i) => foldNorm(weights[i], weights[keysFrom.length + i]));
    return resizedHeads(meanOf(folded), kvHeads, config.kvHeads);
  };
  const mergeKeys: Transfer['make'] = (weights) => interleavedPairs(merge(weights), config.kvHeads);
  const ones: Transfer['make'] = ([g]) => ({ ...g, data: new Float32Array(g.data.length).fill(1) });
  add('cross_decoder.kv_layer_norm', norms[0], how, ones);
  add('cross_decoder.k_proj', sourcesOf('wk'), how, mergeKeys);
  add('cross_decoder.v_proj', sourcesOf('wv'), how, merge);

  for (let i = 0; i < config.crossLayers; i++)
    addLayer(`cross_decoder.layers.${i}`, `layers.${config.selfLayers + i}`);

  if (config.tiedEmbeddings) {
    // The tied head reads the embedding divided by √dim: the last norm makes up for it.
    add('layer_norm', 'norm', 'scaled', ([g]) => scaled(g, scale));
    add('output_projection', 'tok_embeddings', 'scaled', embedding);
  } else {
    add('layer_norm', 'norm');
    add('output_projection', 'output');
  }
  return plan;
}

/**
 * A YOCO that starts from a trained Transformer; what has no counterpart is drawn with `seed`. The
 * caller disposes both. @throws RangeError, before anything is allocated, if they do not fit.
 */
export function yocoFromTransformer(
  transformer: LanguageModel,
  config: YocoConfig,
  { seed = 0, ...options }: ConversionOptions & { seed?: number } = {},
): Yoco {
  const plan = conversionPlan(transformer.config, config, options);
  const old = toStateDict(transformer.parameters);
  const yoco = new Yoco(config, { seed });
  try {
    const weights = toStateDict(yoco.parameters);
    for (const { to, from, make } of plan)
      weights.set(to, make(from.map((name) => old.get(name)!)));
    loadStateDict(yoco.parameters, weights, { where: 'yocoFromTransformer' });
    return yoco;
  } catch (error) {
    yoco.dispose();
    throw error;
  }
}

/** @throws RangeError naming what does not fit. */
function checkMatch(
  old: ModelConfig,
  config: YocoConfig,
  keysFrom: readonly number[],
): TransformerConfig {
  const refuse = (problem: string): never => {
    throw new RangeError(`yocoFromTransformer: ${problem}`);
  };
  if (old.kind !== 'transformer') return refuse(`a ${old.kind} is given; give a transformer.`);
  const { layers, heads, kvHeads, headDim, dim, windowSize } = old;
  const { selfLayers, crossLayers, selfHeads } = config;
  if (windowSize !== undefined)
    refuse(`the Transformer has a window of ${windowSize}; give one that sees every token.`);
  if (selfLayers + crossLayers !== layers || crossLayers < 1)
    refuse(
      `the Transformer has ${layers} layers, the YOCO ${selfLayers} + ${crossLayers}; give ` +
        `${layers} in all, 1 or more of them in the cross-decoder.`,
    );
  const equal = ['vocabSize', 'dim', 'ffnDim', 'heads', 'tiedEmbeddings', 'normEps', 'ropeTheta'];
  for (const field of equal as (keyof TransformerConfig & keyof YocoConfig)[])
    if (old[field] !== config[field])
      refuse(
        `${field} is ${old[field]} in the Transformer, but ${config[field]} in the YOCO; ` +
          `matchingYoco() gives a config that fits.`,
      );
  if (headDim * heads !== dim)
    refuse(`headDim is ${headDim}, but YOCO's heads are dim / heads = ${dim / heads} wide.`);
  if (selfHeads !== heads)
    refuse(`selfHeads is ${selfHeads}, but the Transformer has ${heads} heads; give ${heads}.`);
  if (kvHeads % config.kvHeads !== 0 && config.kvHeads % kvHeads !== 0)
    refuse(`kvHeads is ${kvHeads}, in the YOCO ${config.kvHeads}; one must divide the other.`);
  const isLayer = (n: number) => Number.isInteger(n) && n >= 0 && n < layers;
  if (keysFrom.length === 0 || !keysFrom.every(isLayer))
    refuse(`keysFrom is [${keysFrom}]; name one or more of the layers 0 to ${layers - 1}.`);
  return old;
}
